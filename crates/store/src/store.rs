//! Opening and closing a database, and its connections.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use crate::error::{OpenError, is_corrupt};
use crate::location::Location;

/// How long a statement waits for another process that holds the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an operation waits for its turn on a connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections for reading. Reads are short; more would only hold more page cache.
const READERS: u32 = 4;

/// Of this store alone: other parts of the system may keep tables of their own in the same file.
const MIGRATIONS_TABLE: &str = "hypha_store_migrations";

/// The hub's durable state in one SQLite database. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
}

/// The changes of the schema, in their order.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "initial", include_str!("../migrations/0001_initial.sql")),
    (2, "accounts", include_str!("../migrations/0002_accounts.sql")),
];

fn migrator() -> Migrator {
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.into_iter().map(migration).collect());
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
}

impl Store {
    /// Opens a database, making it if there is none, and brings its schema up to date. A new file is readable
    /// by its owner only: it holds the signing secret.
    ///
    /// # Errors
    /// The file cannot be made or opened, is not a database, is damaged, or was written by a newer version.
    pub async fn open(location: &Location) -> Result<Self, OpenError> {
        match location {
            Location::File(path) => Self::open_file(path).await,
            Location::Memory => Self::ephemeral().await,
        }
    }

    /// A database in memory, gone when the last clone of the store is.
    ///
    /// # Errors
    /// SQLite cannot start.
    pub async fn ephemeral() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        // A second connection would have a second, empty database; so would a new one in place of an idle
        // one.
        let only = pool(1).idle_timeout(None).max_lifetime(None);
        let only = only
            .connect_with(options)
            .await
            .map_err(|error| refusal(path, error))?;
        migrate(path, &only).await?;
        Ok(Self {
            writer: only.clone(),
            reader: only,
        })
    }

    async fn open_file(path: &Path) -> Result<Self, OpenError> {
        create_private(path).map_err(|source| OpenError::Create {
            path: path.to_owned(),
            source,
        })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL would not sync the log on commit: a power cut could take back what was acknowledged.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        // One writer: SQLite allows one at a time anyway, and a queue here is fair where its lock is not.
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(|error| refusal(path, error))?;
        migrate(path, &writer).await?;
        let reader = pool(READERS)
            .connect_with(options.pragma("query_only", "on"))
            .await;
        let reader = reader.map_err(|error| refusal(path, error))?;
        Ok(Self { writer, reader })
    }

    /// Waits for what is under way and closes the database, which folds the write-ahead log into it.
    /// Operations fail from then on.
    pub async fn close(&self) {
        // Readers first: the last connection to close is the one that folds the log, and it has to be a
        // writer.
        self.reader.close().await;
        self.writer.close().await;
    }

    /// The connections for reading.
    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    /// Starts to write. What is not committed is undone when the transaction is dropped.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        // Takes the write lock at once: a transaction that starts as a reader can fail half-way, when it
        // turns into a writer.
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }
}

/// Makes the folder and an empty file (which is an empty database) that only its owner can read, unless there
/// is one.
fn create_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

async fn migrate(path: &Path, writer: &SqlitePool) -> Result<(), OpenError> {
    let migrator = migrator();
    migrator.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => OpenError::Newer {
            path: path.to_owned(),
            found,
            known: migrator
                .iter()
                .map(|migration| migration.version)
                .max()
                .unwrap_or_default(),
        },
        MigrateError::Execute(error) => refusal(path, error),
        source => OpenError::Migrate {
            path: path.to_owned(),
            source,
        },
    })
}

fn refusal(path: &Path, error: sqlx::Error) -> OpenError {
    if is_corrupt(&error) {
        return OpenError::Corrupt {
            path: path.to_owned(),
            detail: error.to_string(),
        };
    }
    OpenError::Database {
        path: path.to_owned(),
        source: error,
    }
}
