//! The command line of `hypha-server`: every flag of the original.

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

use super::generate_token::GenerateToken;
use crate::config::flags::Flags;
use crate::config::inert;

/// The server, with the command line of the original. Without any argument, options come from the environment.
#[derive(Debug, Parser)]
#[command(
    name = "hypha-server",
    version,
    infer_long_args = true,
    args_conflicts_with_subcommands = true,
    after_help = "`hypha --help` shows the commands of this project's own command line."
)]
pub(super) struct HyphaServer {
    /// Options.
    #[command(flatten)]
    pub(super) flags: Flags,
    /// Also take options from the environment: HYPHA_ and the name of the option in capitals
    #[arg(long)]
    from_env: bool,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub(super) command: Option<OriginalCommand>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum OriginalCommand {
    /// Make a token without asking a server; needs the server's secret
    GenerateToken(GenerateToken),
}

/// The definition, with the flags that have no effect.
pub(super) fn command() -> clap::Command {
    inert::add_flags(HyphaServer::command())
}

/// The command line without the word `server`, which may come first and says nothing.
pub(super) fn without_server(mut args: Vec<OsString>) -> Vec<OsString> {
    if args.get(1).is_some_and(|word| word == "server") {
        args.remove(1);
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_word_server() {
        let args = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(
            without_server(args(&["x", "server", "--port=1"])),
            args(&["x", "--port=1"])
        );
        assert_eq!(
            without_server(args(&["x", "--host", "server"])),
            args(&["x", "--host", "server"])
        );
    }

    #[test]
    fn flags_of_the_original() {
        let parse = |words: &[&str]| command().try_get_matches_from([&["hypha-server"], words].concat());
        let flags = [
            "--host=0.0.0.0",
            "--enable-s3",
            "--startup-functions",
            "a.py:f",
            "b:g",
            "--start-minio-server",
        ];
        assert!(parse(&flags).is_ok());
        assert!(
            parse(&["--public-base=http://x"]).is_ok(),
            "a beginning that is unique is enough"
        );
        assert!(parse(&["generate-token", "--role", "a", "--role", "b"]).is_ok());
        let error = parse(&["--enable-mpc"]).unwrap_err().to_string();
        assert!(error.contains("--enable-mcp"), "{error}");
    }
}
