//! A child process in a process group of its own: the whole group ends with it, and with the server.

use std::env;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::lines::{next_line, without_tokens};

/// How long a process may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// Longest line of its output that is logged whole, in bytes.
const LINE: u64 = 8 * 1024;

/// Variables that are the server's alone. Everything else of its environment is passed on: start-up functions read their
/// own settings from there.
const HIDDEN: [&str; 9] = [
    "HYPHA_ROOT_TOKEN",
    "HYPHA_JWT_SECRET",
    "JWT_SECRET",
    "HYPHA_SECRET_ACCESS_KEY",
    "HYPHA_ACCESS_KEY_ID",
    "HYPHA_MINIO_ROOT_PASSWORD",
    "HYPHA_OPENAI_API_KEY",
    "HYPHA_DATABASE_URI",
    "HYPHA_REDIS_URI",
];

/// Both the server and the Python client read this, and the client ends over a filter such as `info,hypha_hub=debug`.
const LOG_LEVEL: &str = "HYPHA_LOGLEVEL";

/// Whether Python has a level of this name.
fn is_level(text: &str) -> bool {
    let levels = [
        "CRITICAL", "FATAL", "ERROR", "WARNING", "WARN", "INFO", "DEBUG", "NOTSET",
    ];
    levels.iter().any(|level| level.eq_ignore_ascii_case(text))
}

/// What the lines of a process are logged under; changes while it runs.
pub(crate) type Label = Arc<Mutex<String>>;

/// A running process. Dropping it kills the group.
pub(crate) struct Process {
    child: Child,
    group: Option<Pid>,
}

impl Process {
    /// Starts a command with pipes for input and output. Standard error is logged under `label`, with `secret` made
    /// unreadable.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn start(
        command: &mut Command,
        label: &Label,
        secret: &str,
    ) -> io::Result<(Self, Option<ChildStdin>, Option<ChildStdout>)> {
        for name in HIDDEN {
            command.env_remove(name);
        }
        if env::var(LOG_LEVEL).is_ok_and(|level| !is_level(&level)) {
            command.env_remove(LOG_LEVEL);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        if let Some(stderr) = child.stderr.take() {
            log(stderr, label.clone(), secret.to_owned());
        }
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok((Self { child, group }, stdin, stdout))
    }

    /// Waits until it has ended; then the rest of its group ends too.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.kill();
        status
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks the group to end, and kills what is left of it after a short while.
    pub(crate) async fn end(mut self) {
        self.signal(Signal::TERM);
        // Whatever has not ended by then is killed with the rest.
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.kill();
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Fails when nothing is left of it, which is as well.
            let _ = kill_process_group(group, signal);
        }
    }

    fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.group = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Logs the lines of a pipe until it is closed.
pub(crate) fn log(pipe: impl AsyncRead + Send + Unpin + 'static, label: Label, secret: String) {
    tokio::spawn(async move {
        let mut reader = BufReader::new(pipe);
        while let Ok(Some(line)) = next_line(&mut reader, LINE).await {
            let line = without_tokens(&String::from_utf8_lossy(&line), &secret);
            let function = label.lock().clone();
            tracing::info!(target: "hypha_startup::output", "[{function}] {line}");
        }
    });
}
