//! `hypha serve`, and what `hypha-server` does.

use std::process;

use anyhow::Result;

use super::ready;
use crate::config::env::Env;
use crate::config::flags::Flags;
use crate::config::settings::Settings;
use crate::serve::Server;
use crate::signals::Signals;

/// The exit code of a process that was interrupted.
const INTERRUPTED: i32 = 130;

/// Runs a server until it is told to stop. `notes` are for the user, before anything else.
///
/// # Errors
/// The server cannot start.
pub(super) async fn run(flags: Flags, env: &Env, notes: Vec<String>) -> Result<()> {
    for note in notes {
        tracing::warn!("{note}");
    }
    let (settings, warnings) = Settings::new(flags, env)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::new()?;
    let text = ready::Ready::new(&settings);
    let server = tokio::select! {
        server = Server::start(settings) => server?,
        // A start-up function may take as long as it likes, but not longer than somebody waits for it.
        () = signals.next() => {
            eprintln!("Stopped before the server was ready.");
            process::exit(INTERRUPTED);
        }
    };
    text.print(&server);
    until_stopped(server, signals).await;
    Ok(())
}

/// Waits for a signal, then stops the server; a second signal ends the process at once.
pub(super) async fn until_stopped(server: Server, mut signals: Signals) {
    signals.next().await;
    eprintln!("Stopping: clients are told to come back. Ctrl-C again stops at once.");
    tokio::select! {
        () = server.stop() => {}
        () = signals.next() => process::exit(INTERRUPTED),
    }
}
