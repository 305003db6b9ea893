//! Errors of opening a store, and how SQLite's errors look to the hub.

use std::path::PathBuf;

use hypha_hub::durable::DurableError;
use sqlx::migrate::MigrateError;

/// Why a store cannot be opened, with what the operator can do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or file cannot be made.
    #[error("Cannot create the database {path}: {source}")]
    Create {
        /// The database file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is a file, and it is something else or damaged.
    #[error(
        "{path} is not a usable SQLite database: {detail}. Restore it from a backup, or name another file"
    )]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// A later version of this program wrote the file.
    #[error(
        "{path} was written by a newer version of this program (schema {found}, this version knows up to \
         {known}). Use that version, or name another file"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// A migration in the file that is not known here.
        found: i64,
        /// The latest migration known here.
        known: i64,
    },
    /// The schema cannot be brought up to date.
    #[error("Cannot bring the schema of {path} up to date: {source}")]
    Migrate {
        /// The database file.
        path: PathBuf,
        /// What went wrong.
        source: MigrateError,
    },
    /// Locked by another process, no permission, disk full, ...
    #[error("Cannot open the database {path}: {source}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
}

/// Whether SQLite says that the file is not a database (26) or is damaged (11).
pub(crate) fn is_corrupt(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(|e| e.code())
        .and_then(|code| code.parse::<i32>().ok());
    // The low byte is the primary code, the rest says where.
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// What the hub is told.
pub(crate) fn to_durable(error: sqlx::Error) -> DurableError {
    match &error {
        _ if is_corrupt(&error) => DurableError::Corrupt(error.to_string()),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => DurableError::Corrupt(error.to_string()),
        _ => DurableError::Unavailable(error.to_string()),
    }
}
