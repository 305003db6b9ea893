//! Statements on workspaces and their owners.

use hypha_hub::durable::{CreateOutcome, DurableError, OwnerQuota, WorkspaceQuery, WorkspaceRecord};
use hypha_hub::ids::WorkspaceId;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query, query_scalar};

use crate::error::to_durable;
use crate::store::Store;

/// One row for each workspace, its owners as a JSON list in their order.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT id, info, (SELECT json_group_array(owner) FROM (SELECT owner FROM workspace_owners \
             WHERE workspace = id ORDER BY position)) AS owners FROM workspaces WHERE ",
            $condition
        )
    };
}

const COUNT: &str = "SELECT count(DISTINCT workspace) FROM workspace_owners WHERE owner = ?1";

pub(crate) async fn create(
    store: &Store,
    record: &WorkspaceRecord,
    quota: Option<OwnerQuota<'_>>,
) -> Result<CreateOutcome, DurableError> {
    let mut transaction = store.write().await.map_err(to_durable)?;
    let taken: bool = query_scalar("SELECT EXISTS (SELECT 1 FROM workspaces WHERE id = ?1)")
        .bind(record.id.as_str())
        .fetch_one(&mut *transaction)
        .await
        .map_err(to_durable)?;
    if taken {
        return Ok(CreateOutcome::Exists);
    }
    if let Some(quota) = quota {
        let owned: i64 = query_scalar(COUNT)
            .bind(quota.owner)
            .fetch_one(&mut *transaction)
            .await
            .map_err(to_durable)?;
        let owned = owned.unsigned_abs();
        if owned >= quota.max {
            return Ok(CreateOutcome::QuotaExceeded { owned });
        }
    }
    write(&mut transaction, record).await.map_err(to_durable)?;
    transaction.commit().await.map_err(to_durable)?;
    Ok(CreateOutcome::Created)
}

pub(crate) async fn put(store: &Store, record: &WorkspaceRecord) -> Result<(), sqlx::Error> {
    let mut transaction = store.write().await?;
    write(&mut transaction, record).await?;
    transaction.commit().await
}

async fn write(connection: &mut SqliteConnection, record: &WorkspaceRecord) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO workspaces (id, info) VALUES (?1, ?2) \
         ON CONFLICT (id) DO UPDATE SET info = excluded.info",
    )
    .bind(record.id.as_str())
    .bind(record.info.to_string())
    .execute(&mut *connection)
    .await?;
    query("DELETE FROM workspace_owners WHERE workspace = ?1")
        .bind(record.id.as_str())
        .execute(&mut *connection)
        .await?;
    for (position, owner) in (0i64..).zip(&record.owners) {
        query("INSERT INTO workspace_owners (workspace, position, owner) VALUES (?1, ?2, ?3)")
            .bind(record.id.as_str())
            .bind(position)
            .bind(owner)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(crate) async fn get(store: &Store, id: &str) -> Result<Option<WorkspaceRecord>, DurableError> {
    let row = query(select!("id = ?1"))
        .bind(id)
        .fetch_optional(store.reader())
        .await
        .map_err(to_durable)?;
    row.as_ref().map(record).transpose()
}

pub(crate) async fn delete(store: &Store, id: &str) -> Result<bool, sqlx::Error> {
    let mut transaction = store.write().await?;
    let done = query("DELETE FROM workspaces WHERE id = ?1")
        .bind(id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn list(
    store: &Store,
    page: WorkspaceQuery<'_>,
) -> Result<Vec<WorkspaceRecord>, DurableError> {
    let statement = match page.owner {
        // Two statements, so that each can use its index.
        Some(_) => {
            select!(
                "id > ?1 AND id IN (SELECT workspace FROM workspace_owners WHERE owner = ?3) \
                 ORDER BY id LIMIT ?2"
            )
        }
        None => select!("id > ?1 ORDER BY id LIMIT ?2"),
    };
    // Every id is greater than the empty text.
    let statement = query(statement)
        .bind(page.after.unwrap_or_default())
        .bind(page.limit);
    let statement = match page.owner {
        Some(owner) => statement.bind(owner),
        None => statement,
    };
    let rows = statement.fetch_all(store.reader()).await.map_err(to_durable)?;
    rows.iter().map(record).collect()
}

pub(crate) async fn count(store: &Store, owner: &str) -> Result<u64, sqlx::Error> {
    let owned: i64 = query_scalar(COUNT).bind(owner).fetch_one(store.reader()).await?;
    Ok(owned.unsigned_abs())
}

fn record(row: &SqliteRow) -> Result<WorkspaceRecord, DurableError> {
    let text = |column| row.try_get::<&str, _>(column).map_err(to_durable);
    let id = text("id")?;
    let corrupt = |what: &str| DurableError::Corrupt(format!("{what} of workspace {id}"));
    Ok(WorkspaceRecord {
        owners: serde_json::from_str(text("owners")?).map_err(|_| corrupt("owners"))?,
        info: serde_json::from_str(text("info")?).map_err(|_| corrupt("info"))?,
        id: WorkspaceId::parse(id).map_err(|_| corrupt("id"))?,
    })
}
