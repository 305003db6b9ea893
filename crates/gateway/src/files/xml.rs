//! Errors in the form of S3, which tools print.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hypha_storage::{Error, SignError};

use super::{failure, serve};

/// A failed request for an object.
pub(super) struct S3Error {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: HeaderMap,
}

impl S3Error {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            headers: HeaderMap::new(),
        }
    }

    /// As the response to a request. A `HEAD` has no body.
    pub(super) fn into_response(self, method: &Method) -> Response<Body> {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>",
            self.code,
            escape(&self.message)
        );
        let body = if *method == Method::HEAD {
            Body::empty()
        } else {
            Body::from(text)
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        response
    }
}

impl From<SignError> for S3Error {
    fn from(error: SignError) -> Self {
        let code = match error {
            SignError::Missing | SignError::Expired | SignError::Method => "AccessDenied",
            SignError::Forged => "SignatureDoesNotMatch",
        };
        Self::new(StatusCode::FORBIDDEN, code, error.to_string())
    }
}

impl From<Error> for S3Error {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Key(_) => "InvalidURI",
            Error::NotFound(_) => "NoSuchKey",
            Error::Range { .. } => "InvalidRange",
            Error::TooLarge { .. } => "EntityTooLarge",
            Error::Length { .. } | Error::Body(_) => "IncompleteBody",
            Error::Quota { .. } | Error::DiskFull => "InsufficientStorage",
            Error::NoUpload(_) => "NoSuchUpload",
            Error::Parts(_) => "InvalidPart",
            Error::Refused(_) | Error::Access(_) => "AccessDenied",
            Error::Damaged(_) | Error::Unavailable(_) => "ServiceUnavailable",
        };
        let answer = failure(&error);
        let (status, message) = match &error {
            // Who has no more than a URL is told nothing about keys.
            Error::NotFound(_) => (answer.status, "The file does not exist".to_owned()),
            Error::NoUpload(_) => (StatusCode::NOT_FOUND, answer.detail),
            _ => (answer.status, answer.detail),
        };
        let mut headers = HeaderMap::new();
        serve::add_total(&mut headers, &error);
        Self {
            headers,
            ..Self::new(status, code, message)
        }
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
