//! The pipe to a Python process: questions to it, and their answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::sync::{mpsc, oneshot};

use crate::message::{Function, ToPython};

/// How long a function that decides about tokens may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most lines that wait to be written.
const WAITING: usize = 256;
/// Most questions that wait for their answers.
const QUESTIONS: usize = 1024;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The function has raised this.
    Refused(String),
    /// The process does not answer, or is gone.
    Gone(&'static str),
}

/// What waits for the answers.
type Pending = HashMap<u64, oneshot::Sender<Result<Value, String>>>;

/// One process's pipe. Once the process is gone, every question fails at once.
pub(crate) struct Link {
    lines: mpsc::Sender<Vec<u8>>,
    /// `None` when the process is gone.
    pending: Mutex<Option<Pending>>,
    next: AtomicU64,
}

impl Link {
    /// A link that writes to `stdin`, `first` before anything else.
    pub(crate) fn new(mut stdin: ChildStdin, first: Vec<u8>) -> Self {
        let (lines, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING);
        tokio::spawn(async move {
            let mut line = Some(first);
            while let Some(mut text) = line {
                text.push(b'\n');
                // A process that is gone is noticed where it is waited for.
                if stdin.write_all(&text).await.is_err() {
                    return;
                }
                line = waiting.recv().await;
            }
        });
        Self {
            lines,
            pending: Mutex::new(Some(HashMap::new())),
            next: AtomicU64::new(1),
        }
    }

    /// Says something. Waits while the process does not read.
    pub(crate) async fn send(&self, message: &ToPython<'_>) {
        match serde_json::to_vec(message) {
            // A process that is gone is noticed where it is waited for.
            Ok(line) => drop(self.lines.send(line).await),
            Err(error) => tracing::error!(%error, "a message to a start-up function has no form"),
        }
    }

    /// Asks one of the functions that decide about tokens.
    ///
    /// # Errors
    /// The function has failed, or there is no answer in time.
    pub(crate) async fn ask(&self, what: Function, arguments: Map<String, Value>) -> Result<Value, NoAnswer> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        match &mut *self.pending.lock() {
            None => return Err(NoAnswer::Gone("it is not running")),
            Some(pending) if pending.len() >= QUESTIONS => {
                return Err(NoAnswer::Gone("it has too much to do"));
            }
            Some(pending) => pending.insert(id, answer),
        };
        let asked = async {
            self.send(&ToPython::Ask { id, what, arguments }).await;
            answered.await
        };
        let outcome = tokio::time::timeout(PATIENCE, asked).await;
        if let Some(pending) = &mut *self.pending.lock() {
            pending.remove(&id);
        }
        match outcome {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(text))) => Err(NoAnswer::Refused(text)),
            Ok(Err(_)) => Err(NoAnswer::Gone("it is not running")),
            Err(_) => Err(NoAnswer::Gone("it does not answer")),
        }
    }

    /// Passes on the answer to a question.
    pub(crate) fn answered(&self, id: u64, answer: Result<Value, String>) {
        let waiting = self
            .pending
            .lock()
            .as_mut()
            .and_then(|pending| pending.remove(&id));
        if let Some(waiting) = waiting {
            // Whoever asked may have given up.
            let _ = waiting.send(answer);
        }
    }

    /// The process is gone: nobody waits for it any longer.
    pub(crate) fn close(&self) {
        *self.pending.lock() = None;
    }
}
