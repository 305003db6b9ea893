//! Deleting what nothing points to: at once when it becomes waste, and at the start what an earlier run left behind.

use std::io;
use std::time::Duration;

use super::Local;
use crate::error::Error;

/// How much is done in one go.
const BATCH: usize = 200;
/// How long to wait before trying again what is being read, or did not work.
const AGAIN: Duration = Duration::from_secs(5);

impl Local {
    /// Cleans up for as long as it is polled.
    pub(crate) async fn clean(self) {
        if let Err(error) = self.repair().await {
            tracing::warn!(%error, "cannot look for files that an earlier run left behind");
        }
        loop {
            match self.sweep().await {
                Ok(true) => {
                    let _ = tokio::time::timeout(AGAIN, self.wasted.notified()).await;
                }
                Ok(false) => self.wasted.notified().await,
                Err(error) => {
                    tracing::warn!(%error, "cannot delete files that nobody needs");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Deletes waste. True when some is left because it is being read.
    pub(crate) async fn sweep(&self) -> Result<bool, Error> {
        let mut is_some_left = false;
        loop {
            let mut contents = self.index.dead_contents(BATCH).await?;
            let found = contents.len();
            self.pins.doom(&mut contents);
            is_some_left |= contents.len() < found;
            let buried = self.index.bury(&contents).await;
            self.pins.forget(&contents);
            buried?;
            let waste = self.index.waste(BATCH).await?;
            if !waste.is_empty() {
                self.delete(&waste).await?;
                self.index.forget_waste(&waste).await?;
            }
            if contents.is_empty() && waste.is_empty() {
                return Ok(is_some_left);
            }
        }
    }

    /// Deletes files that no row knows, and that an earlier run has made.
    pub(crate) async fn repair(&self) -> Result<(), Error> {
        for folder in 0..self.blobs.folders() {
            let blobs = self.blobs.clone();
            let earlier = tokio::task::spawn_blocking(move || blobs.earlier(folder))
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))
                .map_err(|error| Error::disk(&error))?;
            let unknown = self.index.unknown_blobs(earlier).await?;
            if !unknown.is_empty() {
                tracing::info!(
                    files = unknown.len(),
                    "deleting unfinished uploads of an earlier run"
                );
                self.delete(&unknown).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, names: &[String]) -> Result<(), Error> {
        let (blobs, names) = (self.blobs.clone(), names.to_vec());
        tokio::task::spawn_blocking(move || names.iter().try_for_each(|name| blobs.delete(name)))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| Error::disk(&error))
    }
}
