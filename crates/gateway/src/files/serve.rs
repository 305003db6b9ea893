//! An object as a response: whole or a range, if the client does not have it already.

use std::time::SystemTime;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hypha_storage::{Error, Meta, Object};

use super::conditions::{self, Verdict};
use super::range;

/// Answers a `GET` or `HEAD` of an object. What could run scripts on the server's own origin is saved, not shown.
///
/// # Errors
/// [`Error::Range`] for a range beyond the end, or a store that does not answer.
pub(crate) async fn object(
    object: &Object,
    name: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Body>, Error> {
    let meta = object.meta();
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), meta, name);
    let ranges = match conditions::check(headers, meta) {
        Verdict::Send { ranges } => ranges,
        Verdict::Answer(status) => {
            *response.status_mut() = status;
            return Ok(response);
        }
    };
    let asked = headers
        .get(header::RANGE)
        .and_then(|value| range::parse(value.to_str().ok()?));
    let range = match asked.filter(|_| ranges && *method == Method::GET) {
        None => 0..meta.size,
        Some(asked) => {
            let range = asked.within(meta.size)?;
            let text = format!("bytes {}-{}/{}", range.start, range.end - 1, meta.size);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(response.headers_mut(), header::CONTENT_RANGE, &text);
            range
        }
    };
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    if *method == Method::GET && !range.is_empty() {
        let bytes = object.read(range).await?;
        *response.body_mut() = Body::from_stream(bytes);
    }
    Ok(response)
}

fn describe(headers: &mut HeaderMap, meta: &Meta, name: &str) {
    let content_type = content_type(meta, name);
    if runs_scripts(&content_type) {
        headers.insert(
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment"),
        );
    }
    insert(headers, header::CONTENT_TYPE, &content_type);
    insert(headers, header::ETAG, &format!("\"{}\"", meta.etag));
    insert(
        headers,
        header::LAST_MODIFIED,
        &httpdate::fmt_http_date(meta.modified.min(SystemTime::now())),
    );
    for (name, value) in [
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    // A value that cannot be in a header says nothing.
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
}

/// What it is: what its uploader said, unless that says nothing, else what its name says.
pub(crate) fn content_type(meta: &Meta, name: &str) -> String {
    const GENERIC: [&str; 3] = [
        "application/octet-stream",
        "binary/octet-stream",
        "application/x-www-form-urlencoded",
    ];
    let said = meta.content_type.as_deref().map(str::trim);
    let said = said
        .filter(|said| !said.is_empty() && !GENERIC.iter().any(|generic| said.eq_ignore_ascii_case(generic)));
    match said {
        Some(said) if HeaderValue::from_str(said).is_ok() => said.to_owned(),
        _ => mime_guess::from_path(name).first_or_octet_stream().to_string(),
    }
}

/// Whether a browser that shows this may run scripts of it.
fn runs_scripts(content_type: &str) -> bool {
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    media_type.contains("html") || media_type.contains("xml") || media_type.contains("svg")
}

/// The answer to a range beyond the end.
pub(crate) fn add_total(headers: &mut HeaderMap, error: &Error) {
    if let Error::Range { size } = error {
        insert(headers, header::CONTENT_RANGE, &format!("bytes */{size}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        let meta = |content_type: Option<&str>| Meta {
            size: 0,
            etag: String::new(),
            content_type: content_type.map(str::to_owned),
            modified: SystemTime::UNIX_EPOCH,
        };
        for (said, name, expected, is_safe) in [
            (Some("text/csv"), "x.html", "text/csv", true),
            (Some(""), "x.html", "text/html", false),
            (Some("application/octet-stream"), "x.svg", "image/svg+xml", false),
            (
                Some("TEXT/HTML; charset=utf-8"),
                "x.txt",
                "TEXT/HTML; charset=utf-8",
                false,
            ),
            (Some("a\nb"), "x.png", "image/png", true),
            (None, "x.unknownending", "application/octet-stream", true),
            (None, "x.xhtml", "application/xhtml+xml", false),
        ] {
            let found = content_type(&meta(said), name);
            assert_eq!(
                (found.as_str(), !runs_scripts(&found)),
                (expected, is_safe),
                "{said:?} {name}"
            );
        }
    }
}
