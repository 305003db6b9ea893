//! Counters: how often an artifact was viewed and its files were downloaded.
//!
//! They are counted in memory and written once a second, so that a download is no write. A crash loses the last second.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::query;

use crate::error::Result;
use crate::manager::Artifacts;
use crate::model::Artifact;
use crate::permissions::{Actor, Operation};

/// Time between two writes.
pub(crate) const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// What was counted and not written yet.
#[derive(Default)]
pub(crate) struct Counters(Mutex<HashMap<String, Counts>>);

#[derive(Clone, Copy, Default)]
struct Counts {
    views: f64,
    downloads: f64,
}

impl Counters {
    /// Counts a view of an artifact that was just read, and shows it there.
    pub(crate) fn view(&self, id: &str) {
        self.0.lock().entry(id.to_owned()).or_default().views += 1.0;
    }

    /// Counts downloads by their weight.
    pub(crate) fn download(&self, id: &str, weight: f64) {
        if weight > 0.0 {
            self.0.lock().entry(id.to_owned()).or_default().downloads += weight;
        }
    }

    /// Adds what is not written yet to what was read.
    pub(crate) fn add_to(&self, artifact: &mut Artifact) {
        if let Some(counts) = self.0.lock().get(&artifact.id) {
            artifact.view_count += counts.views;
            artifact.download_count += counts.downloads;
        }
    }

    fn forget(&self, id: &str) {
        self.0.lock().remove(id);
    }
}

impl Artifacts {
    /// Writes what was counted.
    ///
    /// # Errors
    /// The database does not answer; the counts are kept for the next time.
    pub async fn flush_counters(&self) -> Result<()> {
        let counted = std::mem::take(&mut *self.counters().0.lock());
        if counted.is_empty() {
            return Ok(());
        }
        let written = self.write_counters(&counted).await;
        if written.is_err() {
            let mut all = self.counters().0.lock();
            for (id, counts) in counted {
                let kept = all.entry(id).or_default();
                kept.views += counts.views;
                kept.downloads += counts.downloads;
            }
        }
        written
    }

    async fn write_counters(&self, counted: &HashMap<String, Counts>) -> Result<()> {
        let mut transaction = self.database().write().await?;
        for (id, counts) in counted {
            query(
                "UPDATE artifacts SET view_count = view_count + $2, download_count = download_count + $3 WHERE id = $1",
            )
            .bind(id)
            .bind(counts.views)
            .bind(counts.downloads)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Sets the counters of an artifact to zero.
    ///
    /// # Errors
    /// No such artifact, not permitted.
    pub async fn reset_stats(&self, actor: &Actor, id: &str) -> Result<()> {
        let mut transaction = self.database().write().await?;
        let artifact = self
            .find_for(&mut transaction, actor, id, Operation::ResetStats)
            .await?;
        query("UPDATE artifacts SET view_count = 0.0, download_count = 0.0 WHERE id = $1")
            .bind(&artifact.id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.counters().forget(&artifact.id);
        Ok(())
    }
}
