//! What a request that fails is answered with.
//!
//! A JSON body `{"success": false, "detail": <text>, "code": <word>}`; the words of `code` are stable and for programs.
//! Routes of apps answer with the text alone, because a person looks at it.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use hypha_hub::IdentityError;
use hypha_hub::auth::ErrorKind as Kind;
use hypha_rpc::{Error, ErrorKind, RemoteFailure};
use serde_json::json;

/// A failed request.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    /// Stable, for programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) detail: String,
}

/// The statuses that the kinds of failures have.
const KINDS: [(StatusCode, &str); 5] = [
    (StatusCode::NOT_FOUND, "not_found"),
    (StatusCode::FORBIDDEN, "permission_denied"),
    (StatusCode::BAD_REQUEST, "invalid_argument"),
    (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
    (StatusCode::GATEWAY_TIMEOUT, "timeout"),
];

impl Failure {
    /// A failure from its parts.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
        }
    }

    /// What was asked for is not there.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// The request itself is wrong.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// As plain text, for people.
    pub(crate) fn into_text(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.detail));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert("x-hypha-error", HeaderValue::from_static(self.code));
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response<Body> {
        let body = json!({"success": false, "detail": self.detail, "code": self.code});
        (self.status, axum::Json(body)).into_response()
    }
}

/// The status of a failure, by its kind; the text decides only where the kind says nothing.
fn status_of(kind: &ErrorKind, text: &str) -> (StatusCode, &'static str) {
    let [not_found, forbidden, invalid, internal, timeout] = KINDS;
    match kind {
        ErrorKind::KeyError | ErrorKind::FileNotFoundError => not_found,
        ErrorKind::PermissionError => forbidden,
        ErrorKind::TypeError | ErrorKind::ValueError | ErrorKind::AssertionError => invalid,
        ErrorKind::TimeoutError => timeout,
        ErrorKind::ConnectionError => (StatusCode::BAD_GATEWAY, "peer_gone"),
        // Other languages have one kind for everything.
        _ if text.to_ascii_lowercase().contains("not found") => not_found,
        _ if text.contains("Permission denied") => forbidden,
        ErrorKind::Other(name) if name == "ValidationError" => invalid,
        _ => internal,
    }
}

impl From<RemoteFailure> for Failure {
    fn from(failure: RemoteFailure) -> Self {
        let (status, code) = status_of(&failure.kind, &failure.message);
        Self::new(status, code, failure.to_string())
    }
}

impl From<Error> for Failure {
    /// What a called function failed with. Stack traces stay where they are.
    fn from(error: Error) -> Self {
        match error {
            Error::Remote { kind, message, .. } => {
                let (status, code) = status_of(&kind, &message);
                let failure = RemoteFailure::new(kind, message);
                Self::new(status, code, format!("RemoteException: {failure}"))
            }
            Error::Timeout { .. } => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "timeout",
                format!("TimeoutError: {error}"),
            ),
            Error::PeerGone { .. } | Error::Send { .. } => Self::new(
                StatusCode::BAD_GATEWAY,
                "peer_gone",
                format!("ConnectionError: {error}"),
            ),
            Error::Overloaded(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", error.to_string())
            }
            Error::Closed { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
            }
            Error::Wire(error) => Self::new(
                StatusCode::BAD_REQUEST,
                "invalid_argument",
                format!("ValueError: {error}"),
            ),
            error => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                error.to_string(),
            ),
        }
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let (status, code) = match &error {
            IdentityError::Credential(error) if error.kind() == Kind::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
            IdentityError::Credential(_) => (StatusCode::UNAUTHORIZED, "invalid_credential"),
            IdentityError::Blocked(_) => (StatusCode::FORBIDDEN, "blocked"),
        };
        Self::new(status, code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> Failure {
        let error = hypha_rpc::wire::RemoteError {
            message: text.to_owned(),
            trace: String::new(),
        };
        Error::from_reject(hypha_rpc::Value::Error(error)).into()
    }

    #[test]
    fn statuses_by_kind() {
        for (text, status, detail) in [
            ("KeyError: 'nokey'", 404, "RemoteException: KeyError: 'nokey'"),
            (
                "PermissionError: nope",
                403,
                "RemoteException: PermissionError: nope",
            ),
            ("ValueError: bad", 400, "RemoteException: ValueError: bad"),
            ("RuntimeError: xx", 500, "RemoteException: RuntimeError: xx"),
            (
                "File not found",
                404,
                "RemoteException: RuntimeError: File not found",
            ),
            // A value that happens to contain the words is still a wrong value.
            (
                "ValueError: 'x' not found in list",
                400,
                "RemoteException: ValueError: 'x' not found in list",
            ),
        ] {
            let failure = remote(text);
            assert_eq!(
                (failure.status.as_u16(), failure.detail.as_str()),
                (status, detail)
            );
        }
    }
}
