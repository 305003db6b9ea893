//! What can go wrong, and the text that callers get.

use hypha_rpc::{ErrorKind, RemoteFailure};
use hypha_storage::Error as StorageError;

/// Why an operation on artifacts did not succeed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An artifact, or something else that was asked for by name, does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The caller may not do this.
    #[error("{0}")]
    Permission(String),
    /// An argument has a wrong value, or the artifact is in a state in which this makes no sense.
    #[error("{0}")]
    Value(String),
    /// There is no such file.
    #[error("{0}")]
    NoFile(String),
    /// The name is taken.
    #[error("{0}")]
    Exists(String),
    /// Not something that this server does.
    #[error("{0}")]
    Unsupported(String),
    /// The database is busy, full, gone or broken.
    #[error("the database of artifacts failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema of the database cannot be brought up to date.
    #[error("the database of artifacts cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The file store failed.
    #[error("the file store failed: {0}")]
    Storage(#[from] StorageError),
    /// What was read from the database is not what was written.
    #[error("stored data is corrupt: {0}")]
    Corrupt(String),
}

/// The result of an operation on artifacts.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// No artifact with this id, as far as the caller may know.
    pub(crate) fn no_artifact(id: &str) -> Self {
        let id: String = id.chars().take(200).collect();
        Self::NotFound(format!("Artifact with ID '{id}' does not exist."))
    }

    /// No file of this path in the version that was asked for.
    pub(crate) fn no_file(path: &str) -> Self {
        Self::NoFile(format!("File '{path}' does not exist in the artifact."))
    }

    /// The caller lacks the operation.
    pub(crate) fn denied(operation: &str) -> Self {
        Self::Permission(format!(
            "User does not have permission '{operation}' on the artifact."
        ))
    }

    /// A wrong value.
    pub(crate) fn value(text: impl Into<String>) -> Self {
        Self::Value(text.into())
    }
}

impl From<Error> for RemoteFailure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let kind = match error {
            Error::NotFound(_) => ErrorKind::KeyError,
            Error::Permission(_) => ErrorKind::PermissionError,
            Error::Value(_) => ErrorKind::ValueError,
            Error::NoFile(_) => ErrorKind::FileNotFoundError,
            Error::Exists(_) => ErrorKind::FileExistsError,
            Error::Unsupported(_) => ErrorKind::NotImplementedError,
            Error::Database(_) | Error::Migrate(_) | Error::Storage(_) | Error::Corrupt(_) => {
                tracing::error!(error = %text, "artifacts");
                let text = "The server cannot store or read its data at the moment; nothing was changed. Try again later.";
                return Self::runtime(text);
            }
        };
        Self::new(kind, text)
    }
}
