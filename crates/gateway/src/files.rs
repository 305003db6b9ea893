//! Bytes of files: what signed URLs point to, and the files of workspaces.
//!
//! Bodies go through as they are, in both directions: nothing is inflated, compressed or gathered.

mod conditions;
mod listing;
mod multipart;
mod range;
pub(crate) mod receive;
pub(crate) mod serve;
mod signed;
mod workspace;
mod xml;

use axum::Router;
use axum::routing::{any, get, post};

use crate::error::Failure;
use crate::redirect;
use crate::routes::Shared;

/// The routes of files.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/s3/{bucket}/{*key}", any(signed::answer))
        .route("/{workspace}/files", get(redirect::to_folder))
        .route("/{workspace}/files/", get(workspace::list))
        .route(
            "/{workspace}/files/{*path}",
            get(workspace::read)
                .put(workspace::write)
                .delete(workspace::remove),
        )
        .route("/{workspace}/create-multipart-upload", post(multipart::create))
        .route(
            "/{workspace}/complete-multipart-upload",
            post(multipart::complete),
        )
}

/// The answer to a failure of the store, for routes that answer in JSON.
pub(crate) fn failure(error: &hypha_storage::Error) -> Failure {
    use http::StatusCode as Status;
    use hypha_storage::Error;
    let (status, code) = match error {
        Error::Key(_) => (Status::BAD_REQUEST, "invalid_path"),
        Error::NotFound(_) => (Status::NOT_FOUND, "not_found"),
        Error::Range { .. } => (Status::RANGE_NOT_SATISFIABLE, "invalid_range"),
        Error::TooLarge { .. } => (Status::PAYLOAD_TOO_LARGE, "payload_too_large"),
        Error::Length { .. } => (Status::BAD_REQUEST, "wrong_length"),
        Error::Body(error) => return receive::broken(error),
        Error::Quota { .. } => (Status::INSUFFICIENT_STORAGE, "quota_exceeded"),
        Error::DiskFull => (Status::INSUFFICIENT_STORAGE, "no_room"),
        Error::NoUpload(_) => (Status::BAD_REQUEST, "no_such_upload"),
        Error::Parts(_) => (Status::BAD_REQUEST, "invalid_part"),
        Error::Refused(_) => (Status::FORBIDDEN, "permission_denied"),
        Error::Access(failure) => return failure.clone().into(),
        Error::Damaged(_) | Error::Unavailable(_) => {
            tracing::error!(%error, "the file store failed");
            let text = "The server cannot read or write its files at the moment; try again later";
            return Failure::new(Status::SERVICE_UNAVAILABLE, "storage_unavailable", text);
        }
    };
    Failure::new(status, code, error.to_string())
}

impl From<hypha_storage::Error> for Failure {
    fn from(error: hypha_storage::Error) -> Self {
        failure(&error)
    }
}
