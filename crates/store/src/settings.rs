//! Statements on the hub's settings.

use sqlx::{query, query_scalar};

use crate::store::Store;

const GET: &str = "SELECT value FROM settings WHERE key = ?1";

pub(crate) async fn get(store: &Store, key: &str) -> Result<Option<String>, sqlx::Error> {
    query_scalar(GET).bind(key).fetch_optional(store.reader()).await
}

pub(crate) async fn put(store: &Store, key: &str, value: &str) -> Result<(), sqlx::Error> {
    let mut transaction = store.write().await?;
    query(
        "INSERT INTO settings (key, value) VALUES (?1, ?2) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(key)
    .bind(value)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

pub(crate) async fn get_or_insert(store: &Store, key: &str, value: &str) -> Result<String, sqlx::Error> {
    let mut transaction = store.write().await?;
    query("INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING")
        .bind(key)
        .bind(value)
        .execute(&mut *transaction)
        .await?;
    let value = query_scalar(GET).bind(key).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(value)
}
