//! What runs in the background: counters are written, garbage is deleted, deleted workspaces lose their artifacts.

use std::time::Duration;

use sqlx::query_scalar;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::garbage;
use crate::manager::Artifacts;
use crate::stats::FLUSH_EVERY;

/// Time until garbage that could not be deleted is tried again.
const RETRY: Duration = Duration::from_secs(60);

impl Artifacts {
    /// Does the work in the background until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let cleaning = async {
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.garbage().notified() => {}
                    () = tokio::time::sleep(RETRY) => {}
                }
                self.collect_or_warn().await;
            }
        };
        let counting = async {
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(FLUSH_EVERY) => {}
                }
                self.flush_or_warn().await;
            }
        };
        tokio::join!(cleaning, counting);
    }

    async fn collect_or_warn(&self) {
        if let Err(error) = self.collect_garbage().await {
            tracing::warn!(%error, "cannot delete files that nothing refers to");
        }
        if let Err(error) = self.forget_expired_uploads().await {
            tracing::warn!(%error, "cannot forget uploads that were never completed");
        }
    }

    async fn flush_or_warn(&self) {
        if let Err(error) = self.flush_counters().await {
            tracing::warn!(%error, "cannot write the counters of artifacts");
        }
    }

    /// Deletes all artifacts of a workspace that is gone.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn delete_workspace(&self, workspace: &str) -> Result<()> {
        let mut transaction = self.database().write().await?;
        let ids: Vec<String> = query_scalar("SELECT id FROM artifacts WHERE workspace = $1")
            .bind(workspace)
            .fetch_all(&mut *transaction)
            .await?;
        garbage::delete_artifacts(&mut transaction, &ids).await?;
        garbage::settle(&mut transaction).await?;
        transaction.commit().await?;
        self.garbage().notify_one();
        Ok(())
    }

    /// Writes what was counted and closes the database.
    pub async fn close(&self) {
        self.flush_or_warn().await;
        self.database().close().await;
    }
}
