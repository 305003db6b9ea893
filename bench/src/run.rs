//! One run: what is measured how long, and with which programs.

use anyhow::Result;

use crate::server::{Kind, Programs, Server};

/// The settings of a run, handed to every scenario.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The programs.
    pub(crate) programs: Programs,
    /// Small numbers: to see that everything works, not to learn figures.
    pub(crate) quick: bool,
}

impl Run {
    /// Starts a server; `None` if it is not part of this run.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn start(&self, kind: Kind) -> Result<Option<Server>> {
        if kind == Kind::Original && self.programs.original.is_none() {
            return Ok(None);
        }
        Server::start(kind, &self.programs).await.map(Some)
    }

    /// Duration of one measurement.
    pub(crate) fn seconds(&self) -> f64 {
        if self.quick { 0.2 } else { 3.0 }
    }

    /// `full`, or a fiftieth of it in a quick run.
    pub(crate) fn count(&self, full: usize) -> usize {
        if self.quick { (full / 50).max(2) } else { full }
    }

    /// A line of progress on the terminal.
    pub(crate) fn say(&self, text: &str) {
        eprintln!("  {text}");
    }
}
