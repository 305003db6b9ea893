//! Statements on the event log.

use hypha_hub::durable::{DurableError, EventQuery, EventRecord, NewEvent};
use hypha_hub::ids::WorkspaceId;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, query};

use crate::error::to_durable;
use crate::store::Store;

/// The entries that an [`EventQuery`] means; [`bind`] gives the five values.
macro_rules! matching {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " FROM events WHERE workspace = ?1 AND (?2 IS NULL OR user_id = ?2) AND (?3 IS NULL OR event_type = ?3) \
             AND (?4 IS NULL OR timestamp_us >= ?4) AND (?5 IS NULL OR timestamp_us <= ?5) ",
            $after
        )
    };
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

fn bind<'q>(statement: &'static str, values: EventQuery<'q>) -> Query<'q> {
    query(statement)
        .bind(values.workspace)
        .bind(values.user_id)
        .bind(values.event_type)
        .bind(values.start_us)
        .bind(values.end_us)
}

pub(crate) async fn append(store: &Store, event: &NewEvent) -> Result<i64, sqlx::Error> {
    let mut transaction = store.write().await?;
    let done = query(
        "INSERT INTO events (event_type, workspace, user_id, timestamp_us, data) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(&event.event_type)
    .bind(event.workspace.as_str())
    .bind(&event.user_id)
    .bind(event.timestamp_us)
    .bind(event.data.to_string())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(done.last_insert_rowid())
}

pub(crate) async fn list(
    store: &Store,
    values: EventQuery<'_>,
    limit: u32,
    offset: u32,
) -> Result<Vec<EventRecord>, DurableError> {
    let statement = matching!("SELECT *", "ORDER BY id LIMIT ?6 OFFSET ?7");
    let rows = bind(statement, values)
        .bind(limit)
        .bind(offset)
        .fetch_all(store.reader())
        .await
        .map_err(to_durable)?;
    rows.iter().map(record).collect()
}

pub(crate) async fn stats(store: &Store, values: EventQuery<'_>) -> Result<Vec<(String, u64)>, sqlx::Error> {
    let statement = matching!(
        "SELECT event_type, count(*)",
        "GROUP BY event_type ORDER BY event_type"
    );
    let rows = bind(statement, values).fetch_all(store.reader()).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)?.unsigned_abs())))
        .collect()
}

fn record(row: &SqliteRow) -> Result<EventRecord, DurableError> {
    let text = |column| row.try_get::<&str, _>(column).map_err(to_durable);
    let id: i64 = row.try_get("id").map_err(to_durable)?;
    let corrupt = |what: &str| DurableError::Corrupt(format!("{what} of event {id}"));
    let event = NewEvent {
        event_type: text("event_type")?.to_owned(),
        workspace: WorkspaceId::parse(text("workspace")?).map_err(|_| corrupt("workspace"))?,
        user_id: text("user_id")?.to_owned(),
        timestamp_us: row.try_get("timestamp_us").map_err(to_durable)?,
        data: serde_json::from_str(text("data")?).map_err(|_| corrupt("data"))?,
    };
    Ok(EventRecord { id, event })
}
