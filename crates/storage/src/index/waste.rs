//! Statements on what nothing points to any more.

use sqlx::{query, query_scalar};

use super::{Index, to_sql};
use crate::error::Error;

impl Index {
    /// Some contents that no object has. They never come back: a copy needs an object.
    pub(crate) async fn dead_contents(&self, limit: usize) -> Result<Vec<i64>, Error> {
        Ok(
            query_scalar("SELECT id FROM contents WHERE refs = 0 ORDER BY id LIMIT ?1")
                .bind(to_sql(limit as u64))
                .fetch_all(&self.reader)
                .await?,
        )
    }

    /// Turns the files of dead contents into waste.
    pub(crate) async fn bury(&self, contents: &[i64]) -> Result<(), Error> {
        let mut tx = self.write().await?;
        for content in contents {
            query("INSERT INTO waste (blob) SELECT blob FROM segments WHERE content = ?1")
                .bind(content)
                .execute(&mut *tx)
                .await?;
            query("DELETE FROM contents WHERE id = ?1 AND refs = 0")
                .bind(content)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Some files that are waste.
    pub(crate) async fn waste(&self, limit: usize) -> Result<Vec<String>, Error> {
        Ok(query_scalar("SELECT blob FROM waste LIMIT ?1")
            .bind(to_sql(limit as u64))
            .fetch_all(&self.reader)
            .await?)
    }

    /// Forgets waste that is deleted.
    pub(crate) async fn forget_waste(&self, blobs: &[String]) -> Result<(), Error> {
        let mut tx = self.write().await?;
        for blob in blobs {
            query("DELETE FROM waste WHERE blob = ?1")
                .bind(blob)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Those of some files that no row knows.
    pub(crate) async fn unknown_blobs(&self, blobs: Vec<String>) -> Result<Vec<String>, Error> {
        let mut unknown = Vec::new();

        for blob in blobs {
            let sql = "SELECT EXISTS (SELECT 1 FROM segments WHERE blob = ?1) \
                       OR EXISTS (SELECT 1 FROM parts WHERE blob = ?1) \
                       OR EXISTS (SELECT 1 FROM waste WHERE blob = ?1)";
            let known: bool = query_scalar(sql).bind(&blob).fetch_one(&self.reader).await?;
            if !known {
                unknown.push(blob);
            }
        }
        Ok(unknown)
    }
}
