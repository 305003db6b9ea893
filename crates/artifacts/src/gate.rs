//! Who may write to the store through a signed URL: what a version refers to never changes again.

use std::sync::Weak;

use futures_util::future::BoxFuture;
use hypha_storage::{Error as StorageError, Gate, Key, Permit};
use sqlx::query_scalar;

use crate::content::Content;
use crate::error::Result;
use crate::manager::{Artifacts, Inner};

/// Lets uploads through to what is staged, and to nothing else that belongs to artifacts.
pub(crate) struct StagedOnly(pub(crate) Weak<Inner>);

impl Gate for StagedOnly {
    fn admit<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, std::result::Result<Permit, StorageError>> {
        Box::pin(async move {
            let Some(artifact) = Content::artifact_of(key.as_str()) else {
                return Ok(Box::new(()) as Permit);
            };
            let gone = || StorageError::Refused("The server is shutting down".into());
            let artifacts = self.0.upgrade().map(Artifacts::from_inner).ok_or_else(gone)?;
            let guard = artifacts.content().share(artifact).await;
            match artifacts.is_open(key.as_str()).await {
                Ok(true) => Ok(Box::new(guard)),
                Ok(false) => Err(StorageError::Refused(
                    "The file was committed, removed or discarded meanwhile; ask for a new upload URL".into(),
                )),
                Err(error) => Err(StorageError::Unavailable(error.to_string())),
            }
        })
    }
}

impl Artifacts {
    /// Whether a key is staged and no version refers to it.
    async fn is_open(&self, key: &str) -> Result<bool> {
        let mut connection = self.read().await?;
        let count: i64 = query_scalar(
            "SELECT count(*) FROM staged_files WHERE object_key = $1 \
             AND NOT EXISTS (SELECT 1 FROM objects WHERE object_key = $1)",
        )
        .bind(key)
        .fetch_one(&mut *connection)
        .await?;
        Ok(count > 0)
    }
}
