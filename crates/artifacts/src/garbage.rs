//! Bytes that nothing refers to any more.
//!
//! A transaction that takes references away first notes the objects as [`suspects`](suspect), and at its end
//! [settles](settle) which of them are garbage. After the commit, and at start, garbage is deleted from the store. So a
//! crash leaves at most garbage that is known.

use sqlx::{AnyConnection, query, query_scalar};

use crate::content::Content;
use crate::error::Result;
use crate::manager::Artifacts;

/// Objects deleted in one go.
const BATCH: i64 = 200;

/// Notes objects: all of an artifact.
pub(crate) async fn suspect_artifact(connection: &mut AnyConnection, artifact: &str) -> Result<()> {
    query(
        "INSERT INTO garbage (object_key) SELECT DISTINCT f.object_key FROM files f JOIN versions v ON v.id = f.version \
         WHERE v.artifact = $1 ON CONFLICT (object_key) DO NOTHING",
    )
    .bind(artifact)
    .execute(&mut *connection)
    .await?;
    suspect_staged(connection, artifact).await
}

/// Deletes artifacts, and notes all of their objects.
pub(crate) async fn delete_artifacts(connection: &mut AnyConnection, ids: &[String]) -> Result<()> {
    for id in ids {
        suspect_artifact(connection, id).await?;
        query("DELETE FROM artifacts WHERE id = $1")
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Notes objects: what is staged for an artifact.
pub(crate) async fn suspect_staged(connection: &mut AnyConnection, artifact: &str) -> Result<()> {
    query(
        "INSERT INTO garbage (object_key) SELECT object_key FROM staged_files \
         WHERE artifact = $1 AND object_key IS NOT NULL ON CONFLICT (object_key) DO NOTHING",
    )
    .bind(artifact)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes objects: those of a version.
pub(crate) async fn suspect_version(connection: &mut AnyConnection, version: &str) -> Result<()> {
    query(
        "INSERT INTO garbage (object_key) SELECT DISTINCT object_key FROM files WHERE version = $1 \
         ON CONFLICT (object_key) DO NOTHING",
    )
    .bind(version)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes one object.
pub(crate) async fn suspect(connection: &mut AnyConnection, key: &str) -> Result<()> {
    query("INSERT INTO garbage (object_key) VALUES ($1) ON CONFLICT (object_key) DO NOTHING")
        .bind(key)
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps of the noted objects those that nothing refers to.
pub(crate) async fn settle(connection: &mut AnyConnection) -> Result<()> {
    query(
        "DELETE FROM garbage WHERE EXISTS (SELECT 1 FROM files f WHERE f.object_key = garbage.object_key) \
         OR EXISTS (SELECT 1 FROM staged_files s WHERE s.object_key = garbage.object_key)",
    )
    .execute(&mut *connection)
    .await?;
    query("DELETE FROM objects WHERE object_key IN (SELECT object_key FROM garbage)")
        .execute(connection)
        .await?;
    Ok(())
}

impl Artifacts {
    /// Deletes all garbage from the store. Returns how many objects that were.
    ///
    /// # Errors
    /// The database or the store does not answer; what is left is found the next time.
    pub async fn collect_garbage(&self) -> Result<usize> {
        let mut deleted = 0;
        loop {
            let mut connection = self.read().await?;
            let keys: Vec<String> =
                query_scalar("SELECT object_key FROM garbage ORDER BY object_key LIMIT $1")
                    .bind(BATCH)
                    .fetch_all(&mut *connection)
                    .await?;
            drop(connection);
            if keys.is_empty() {
                return Ok(deleted);
            }
            for key in &keys {
                // An upload that was admitted before the key became garbage is over when this is held.
                let _held = self
                    .content()
                    .hold(Content::artifact_of(key).unwrap_or_default())
                    .await;
                self.content().delete(key).await?;
            }
            let mut transaction = self.database().write().await?;
            for key in &keys {
                query("DELETE FROM garbage WHERE object_key = $1")
                    .bind(key)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            deleted += keys.len();
        }
    }
}
