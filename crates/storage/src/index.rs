//! The index: an SQLite file that says which objects there are, and which multipart uploads and expiry times.
//!
//! An object exists when a row says so, and the row is written after the bytes are on disk. Everything that a crash can
//! leave behind is therefore bytes without a row, which the next start removes.

mod expiry;
mod objects;
mod uploads;
mod waste;

use std::path::Path;
use std::time::Duration;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

pub(crate) use objects::{Content, NewObject, Row};
pub(crate) use uploads::{Part, Upload};

use crate::error::{Error, OpenError};

/// How long a statement waits for another process that holds the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an operation waits for its turn on a connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections for reading.
const READERS: u32 = 4;

/// One file of a content: its name and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) blob: String,
    pub(crate) size: u64,
}

/// The index. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    writer: SqlitePool,
    reader: SqlitePool,
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
}

impl Index {
    /// Opens the index in a file, making it if there is none.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL would not sync the log on commit: a power cut could take back what was acknowledged.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let failed = |error: &dyn std::fmt::Display| refusal(path, error);
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(|error| failed(&error))?;
        migrator().run(&writer).await.map_err(|error| failed(&error))?;
        let reader = pool(READERS)
            .connect_with(options.pragma("query_only", "on"))
            .await;
        let reader = reader.map_err(|error| failed(&error))?;
        Ok(Self { writer, reader })
    }

    /// An index in memory.
    pub(crate) async fn ephemeral() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        // A second connection would have a second, empty database; so would a new one in place of an idle one.
        let only = pool(1).idle_timeout(None).max_lifetime(None);
        let only = only
            .connect_with(options)
            .await
            .map_err(|error| refusal(path, &error))?;
        migrator()
            .run(&only)
            .await
            .map_err(|error| refusal(path, &error))?;
        Ok(Self {
            writer: only.clone(),
            reader: only,
        })
    }

    /// Waits for what is under way and closes the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        // Takes the write lock at once: a transaction that starts as a reader can fail half-way.
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn migrator() -> Migrator {
    let initial = include_str!("../migrations/0001_initial.sql");
    let mut migrator = Migrator::with_migrations(vec![Migration::new(
        1,
        "initial".into(),
        MigrationType::Simple,
        initial.into_sql_str(),
        false,
    )]);
    migrator.dangerous_set_table_name("hypha_storage_migrations");
    migrator
}

fn refusal(path: &Path, error: &dyn std::fmt::Display) -> OpenError {
    OpenError::Index {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

/// A size as SQLite has it. No file is larger than that.
fn to_sql(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A size that SQLite gave back.
fn from_sql(size: i64) -> u64 {
    u64::try_from(size).unwrap_or_default()
}
