//! Statements on who is kept out: revoked tokens and blocks.

use hypha_hub::auth::revoked::TokenHash;
use hypha_hub::durable::{BlockEntry, BlockKind, DurableError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query};

use crate::error::to_durable;
use crate::store::Store;

/// A time as SQLite stores it. One that is too far away for that is as good as never.
fn stored(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn loaded(row: &SqliteRow, column: &str) -> Result<u64, DurableError> {
    let seconds: i64 = row.try_get(column).map_err(to_durable)?;
    u64::try_from(seconds).map_err(|_| DurableError::Corrupt(format!("negative {column}")))
}

pub(crate) async fn revoke(store: &Store, token: &TokenHash, expires_at: u64) -> Result<(), sqlx::Error> {
    let mut transaction = store.write().await?;
    query(
        "INSERT INTO revoked_tokens (token, expires_at) VALUES (?1, ?2) \
         ON CONFLICT (token) DO UPDATE SET expires_at = excluded.expires_at",
    )
    .bind(token.as_slice())
    .bind(stored(expires_at))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

pub(crate) async fn revoked(store: &Store, now: u64) -> Result<Vec<(TokenHash, u64)>, DurableError> {
    let statement = query("SELECT token, expires_at FROM revoked_tokens WHERE expires_at >= ?1");
    let rows = statement
        .bind(stored(now))
        .fetch_all(store.reader())
        .await
        .map_err(to_durable)?;
    let entry = |row: &SqliteRow| {
        let token: &[u8] = row.try_get("token").map_err(to_durable)?;
        let token = token
            .try_into()
            .map_err(|_| DurableError::Corrupt("hash of a revoked token".into()))?;
        Ok((token, loaded(row, "expires_at")?))
    };
    rows.iter().map(entry).collect()
}

pub(crate) async fn block(store: &Store, entry: &BlockEntry) -> Result<(), sqlx::Error> {
    let mut transaction = store.write().await?;
    query(
        "INSERT OR REPLACE INTO blocks (kind, key, reason, expires_at, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(entry.kind.as_str())
    .bind(&entry.key)
    .bind(&entry.reason)
    .bind(stored(entry.expires_at))
    .bind(stored(entry.created_at))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

pub(crate) async fn unblock(store: &Store, kind: BlockKind, key: &str) -> Result<bool, sqlx::Error> {
    let mut transaction = store.write().await?;
    let statement = query("DELETE FROM blocks WHERE kind = ?1 AND key = ?2");
    let done = statement
        .bind(kind.as_str())
        .bind(key)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn blocks(store: &Store, now: u64) -> Result<Vec<BlockEntry>, DurableError> {
    let statement = query("SELECT * FROM blocks WHERE expires_at >= ?1 ORDER BY kind, key");
    let rows = statement
        .bind(stored(now))
        .fetch_all(store.reader())
        .await
        .map_err(to_durable)?;
    let entry = |row: &SqliteRow| {
        let text = |column| row.try_get::<&str, _>(column).map_err(to_durable);
        Ok(BlockEntry {
            kind: BlockKind::parse(text("kind")?)
                .ok_or_else(|| DurableError::Corrupt("kind of a block".into()))?,
            key: text("key")?.to_owned(),
            reason: text("reason")?.to_owned(),
            expires_at: loaded(row, "expires_at")?,
            created_at: loaded(row, "created_at")?,
        })
    };
    rows.iter().map(entry).collect()
}

pub(crate) async fn purge(store: &Store, now: u64) -> Result<u64, sqlx::Error> {
    let mut transaction = store.write().await?;
    let mut gone = 0;
    for statement in [
        "DELETE FROM revoked_tokens WHERE expires_at < ?1",
        "DELETE FROM blocks WHERE expires_at < ?1",
    ] {
        gone += query(statement)
            .bind(stored(now))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
    }
    transaction.commit().await?;
    Ok(gone)
}
