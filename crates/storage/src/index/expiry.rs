//! Statements on the times at which objects are to be deleted.

use sqlx::{Sqlite, Transaction, query, query_scalar};

use super::{Index, to_sql};
use crate::error::Error;
use crate::key::Key;

/// Sets or forgets the time of a key.
pub(super) async fn set(
    tx: &mut Transaction<'static, Sqlite>,
    key: &Key,
    at: Option<u64>,
) -> Result<(), Error> {
    let sql = match at {
        Some(_) => {
            "INSERT INTO expiries (key, at) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET at = excluded.at"
        }
        None => "DELETE FROM expiries WHERE key = ?1",
    };
    let statement = query(sql).bind(key.as_str());
    match at {
        Some(at) => statement.bind(to_sql(at)).execute(&mut **tx).await?,
        None => statement.execute(&mut **tx).await?,
    };
    Ok(())
}

impl Index {
    /// Sets or forgets the time at which an object of a remote store is to be deleted.
    pub(crate) async fn set_expiry(&self, key: &Key, at: Option<u64>) -> Result<(), Error> {
        let mut tx = self.write().await?;
        set(&mut tx, key, at).await?;
        Ok(tx.commit().await?)
    }

    /// Whether a key has a time.
    pub(crate) async fn has_expiry(&self, key: &Key) -> Result<bool, Error> {
        Ok(
            query_scalar("SELECT EXISTS (SELECT 1 FROM expiries WHERE key = ?1)")
                .bind(key.as_str())
                .fetch_one(&self.reader)
                .await?,
        )
    }

    /// Some keys whose time has come.
    pub(crate) async fn expired(&self, now: u64, limit: usize) -> Result<Vec<String>, Error> {
        Ok(
            query_scalar("SELECT key FROM expiries WHERE at <= ?1 ORDER BY at LIMIT ?2")
                .bind(to_sql(now))
                .bind(to_sql(limit as u64))
                .fetch_all(&self.reader)
                .await?,
        )
    }
}
