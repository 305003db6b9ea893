//! What can go wrong with objects.

use std::io;
use std::path::PathBuf;

use hypha_rpc::{ErrorKind, RemoteFailure};

use crate::key::KeyError;

/// Why a storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or used.
    #[error("cannot use the folder {path} for files: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The S3 server cannot be used.
    #[error("cannot use the S3 server {endpoint}: {detail}")]
    S3 {
        /// Its URL.
        endpoint: String,
        /// What went wrong.
        detail: String,
    },
    /// The index cannot be opened or brought up to date.
    #[error("cannot open the index of files {path}: {detail}")]
    Index {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
}

/// Why an operation on objects failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be one.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// No such object.
    #[error("File not found: {0}")]
    NotFound(String),
    /// The part of the object that was asked for is beyond its end.
    #[error("The range begins after the end of the file, which has {size} bytes")]
    Range {
        /// Size of the object in bytes.
        size: u64,
    },
    /// The body is larger than it may be.
    #[error("The file is larger than the {limit} bytes that are allowed")]
    TooLarge {
        /// What is allowed, in bytes.
        limit: u64,
    },
    /// The body has another length than was agreed.
    #[error("The file has {found} bytes, expected were {expected}")]
    Length {
        /// Bytes that were agreed.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// The sender of a body broke off, or was too slow.
    #[error("The upload broke off: {0}")]
    Body(#[source] io::Error),
    /// The workspace has used up what it may.
    #[error("The files of '{space}' would take more than the {limit} bytes that are allowed")]
    Quota {
        /// First segment of the keys.
        space: String,
        /// What is allowed, in bytes.
        limit: u64,
    },
    /// The disk is full, or nearly.
    #[error("The server has no room for more files")]
    DiskFull,
    /// No such multipart upload.
    #[error("Upload ID {0} not found or expired")]
    NoUpload(String),
    /// The parts that are to be put together are not what was uploaded.
    #[error("{0}")]
    Parts(String),
    /// A [gate](crate::Gate) does not let the write through.
    #[error("{0}")]
    Refused(String),
    /// The caller may not do this where it wants to.
    #[error("{0}")]
    Access(RemoteFailure),
    /// The index says that there are bytes, and there are none: the disk has lost them.
    #[error("The content of {0} is lost or damaged on the server")]
    Damaged(String),
    /// The disk or the object store fails. The text is for the operator.
    #[error("The file store does not work at the moment: {0}")]
    Unavailable(String),
}

impl Error {
    /// From a failure of the disk.
    pub(crate) fn disk(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        // The low byte is the primary code; 13 is SQLITE_FULL.
        let code = error.as_database_error().and_then(|error| error.code());
        let code = code.and_then(|code| code.parse::<i32>().ok());
        match code {
            Some(code) if code & 0xff == 13 => Self::DiskFull,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<RemoteFailure> for Error {
    fn from(failure: RemoteFailure) -> Self {
        Self::Access(failure)
    }
}

impl From<Error> for RemoteFailure {
    /// What a caller is told. What only the operator can do something about stays in the log.
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Access(failure) => failure,
            Error::NotFound(_) => Self::file_not_found(text),
            Error::Refused(_) => Self::permission(text),
            Error::Quota { .. } | Error::DiskFull => Self::new(ErrorKind::Other("OSError".into()), text),
            Error::Damaged(_) | Error::Unavailable(_) => {
                tracing::error!(error = text, "the file store failed");
                Self::runtime("The server cannot read or write its files at the moment; try again later")
            }
            _ => Self::value(text),
        }
    }
}
