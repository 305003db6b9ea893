//! The connections to the database: SQLite or PostgreSQL, whichever the URL says.
//!
//! All writes of one database take turns, on SQLite through its one writer and on PostgreSQL through an advisory lock,
//! so that a transaction may rely on what it has read.

use std::path::Path;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, AssertSqlSafe, SqlSafeStr, Transaction};

use crate::error::{Error, Result};

/// How long an operation waits for its turn on a connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections for reading.
const READERS: u32 = 4;
/// Of this crate alone: the hub may keep its tables in the same database.
const MIGRATIONS_TABLE: &str = "hypha_artifacts_migrations";
/// The key of the advisory lock that writers of a PostgreSQL database take.
const WRITE_LOCK: &str = "SELECT pg_advisory_xact_lock(727061707468)";
/// What would end or change the path in a URL.
const IN_PATH: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#').add(b' ');

/// Which SQL is spoken where the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A transaction that may write.
pub(crate) type Write = Transaction<'static, Any>;

/// Where the metadata of artifacts is kept.
#[derive(Clone, Debug)]
pub struct Database {
    writer: AnyPool,
    reader: AnyPool,
    dialect: Dialect,
}

impl Database {
    /// Opens the SQLite file at `path`, making it if there is none (its folder has to be there), and brings its
    /// schema up to date.
    ///
    /// # Errors
    /// The file cannot be made or opened, is no database, or was written by a newer version.
    pub async fn open_file(path: &Path) -> Result<Self> {
        let path = path
            .to_str()
            .ok_or_else(|| Error::value("The path of the database is not UTF-8"))?;
        Self::open_sqlite(
            &format!("sqlite://{}?mode=rwc", utf8_percent_encode(path, IN_PATH)),
            READERS,
        )
        .await
    }

    /// A database in memory, gone when the last clone is.
    ///
    /// # Errors
    /// SQLite cannot start.
    pub async fn in_memory() -> Result<Self> {
        Self::open_sqlite("sqlite::memory:", 0).await
    }

    /// Opens a PostgreSQL database (`postgres://user:password@host/name`) and brings its schema up to date.
    ///
    /// # Errors
    /// The server cannot be reached or refuses.
    pub async fn open_postgres(url: &str) -> Result<Self> {
        install_default_drivers();
        let pool = AnyPoolOptions::new()
            .max_connections(READERS * 2)
            .acquire_timeout(ACQUIRE_TIMEOUT);
        let pool = pool.connect(url).await?;
        migrator(Dialect::Postgres).run(&pool).await?;
        Ok(Self {
            writer: pool.clone(),
            reader: pool,
            dialect: Dialect::Postgres,
        })
    }

    /// With no readers, the one connection does everything: a second one would have another memory.
    async fn open_sqlite(url: &str, readers: u32) -> Result<Self> {
        install_default_drivers();
        let pool = |connections| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .idle_timeout(None)
                .max_lifetime(None)
                .after_connect(|connection, _| {
                    Box::pin(async move {
                        // FULL: what is acknowledged survives a power cut.
                        let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                                     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000";
                        sqlx::raw_sql(setup).execute(connection).await.map(|_| ())
                    })
                })
        };
        let writer = pool(1).connect(url).await?;
        migrator(Dialect::Sqlite).run(&writer).await?;
        let reader = match readers {
            0 => writer.clone(),
            readers => pool(readers).connect(url).await?,
        };
        Ok(Self {
            writer,
            reader,
            dialect: Dialect::Sqlite,
        })
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The connections for reading.
    pub(crate) fn reader(&self) -> &AnyPool {
        &self.reader
    }

    /// Starts to write, when all others have done. What is not committed is undone when the transaction is dropped.
    pub(crate) async fn write(&self) -> Result<Write> {
        Ok(match self.dialect {
            Dialect::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => {
                let mut transaction = self.writer.begin().await?;
                sqlx::raw_sql(WRITE_LOCK).execute(&mut *transaction).await?;
                transaction
            }
        })
    }
}

fn migrator(dialect: Dialect) -> Migrator {
    let collation = match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => "COLLATE \"C\"",
    };
    let initial = include_str!("../migrations/0001_initial.sql").replace("BYTEWISE", collation);
    let initial = AssertSqlSafe(initial).into_sql_str();
    let mut migrator = Migrator::with_migrations(vec![Migration::new(
        1,
        "initial".into(),
        MigrationType::Simple,
        initial,
        false,
    )]);
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator
}
