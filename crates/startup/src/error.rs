//! Why a server with start-up functions does not start.

use std::io;
use std::process::ExitStatus;

use hypha_hub::auth::AuthError;
use hypha_hub::ids::IdError;

/// See the module documentation. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An entry without a function.
    #[error("Entrypoint is required for {0}, please use {0}:entrypoint_function")]
    Entrypoint(String),
    /// An `exec:` entry that is no command line.
    #[error("exec:{0}: expected a program and its arguments; quote what belongs together")]
    CommandLine(String),
    /// There is no interpreter.
    #[error(
        "start-up function {entry} needs Python, and there is no {python}; install Python 3.9 or later with the \
         package hypha-rpc, or name an interpreter with HYPHA_PYTHON"
    )]
    NoPython {
        /// What was to be run.
        entry: String,
        /// The interpreter that was looked for.
        python: String,
    },
    /// There is no such program.
    #[error("exec:{0}: no such program; give its full path, or put its folder into PATH")]
    NoProgram(String),
    /// A process could not be started.
    #[error("cannot start {what}: {source}")]
    Spawn {
        /// What was to be started.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// A function has failed.
    #[error("start-up function {entry} failed: {error}{}", shown(trace))]
    Failed {
        /// The entry.
        entry: String,
        /// What the function says.
        error: String,
        /// The end of its stack trace.
        trace: Vec<String>,
    },
    /// A process has ended that should not have.
    #[error("the process of start-up function {entry} has ended ({status}); what it printed is in the log")]
    Died {
        /// The entry.
        entry: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// No credential could be made.
    #[error("cannot make a token for a start-up function: {0}")]
    Token(#[from] AuthError),
    /// The server's id cannot be part of a client's.
    #[error(transparent)]
    Id(#[from] IdError),
}

fn shown(trace: &[String]) -> String {
    trace.iter().map(|line| format!("\n  {line}")).collect()
}
