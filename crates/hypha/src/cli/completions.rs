//! `hypha completions`.

use std::io::{Write, stdout};

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::{Shell, generate};

/// Print the completions of a shell.
#[derive(Args, Debug)]
#[command(after_help = "\
To install them, for you alone:
  bash        mkdir -p ~/.local/share/bash-completion/completions
              hypha completions bash > ~/.local/share/bash-completion/completions/hypha
  zsh         mkdir -p ~/.zfunc && hypha completions zsh > ~/.zfunc/_hypha
              and in ~/.zshrc, before compinit: fpath+=(~/.zfunc)
  fish        hypha completions fish > ~/.config/fish/completions/hypha.fish
  elvish      hypha completions elvish > ~/.config/elvish/lib/hypha.elv
              and in ~/.config/elvish/rc.elv: use hypha
  powershell  in the file that $PROFILE names: hypha completions powershell | Out-String | Invoke-Expression

They work in shells that are started afterwards.")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Prints them for `command`.
///
/// # Errors
/// Nobody reads.
pub(super) fn run(args: &Completions, mut command: Command) -> Result<()> {
    // The generator panics when it cannot write, and whoever reads may stop.
    let mut text = Vec::new();
    generate(args.shell, &mut command, "hypha", &mut text);
    stdout().lock().write_all(&text)?;
    Ok(())
}
