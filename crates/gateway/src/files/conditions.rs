//! Conditional requests: whether a client has what it asks for already.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, StatusCode, header};
use hypha_storage::Meta;

/// What the conditions of a request that reads say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send it.
    Send {
        /// Whether a range may be sent instead of the whole.
        ranges: bool,
    },
    /// Answer with this status and no body.
    Answer(StatusCode),
}

/// Looks at the conditions in the order of RFC 9110, section 13.2.2.
pub(super) fn check(headers: &HeaderMap, meta: &Meta) -> Verdict {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let time = |name: HeaderName| text(name).and_then(|text| httpdate::parse_http_date(text).ok());
    let modified = whole_seconds(meta.modified);
    let is_unmet = match text(header::IF_MATCH) {
        Some(list) => !names(list, &meta.etag, true),
        None => time(header::IF_UNMODIFIED_SINCE).is_some_and(|time| modified > time),
    };
    if is_unmet {
        return Verdict::Answer(StatusCode::PRECONDITION_FAILED);
    }
    let is_known = match text(header::IF_NONE_MATCH) {
        Some(list) => names(list, &meta.etag, false),
        None => time(header::IF_MODIFIED_SINCE).is_some_and(|time| modified <= time),
    };
    if is_known {
        return Verdict::Answer(StatusCode::NOT_MODIFIED);
    }
    let ranges = match text(header::IF_RANGE) {
        None => true,
        Some(value) if value.contains('"') => names(value, &meta.etag, true),
        Some(value) => httpdate::parse_http_date(value).is_ok_and(|time| time == modified),
    };
    Verdict::Send { ranges }
}

/// Whether a list of entity tags names ours. Ours are strong; a weak one counts only where a weak comparison does.
fn names(list: &str, etag: &str, is_strong: bool) -> bool {
    list.split(',').map(str::trim).any(|item| {
        let tag = match item.strip_prefix("W/") {
            Some(_) if is_strong => return false,
            Some(tag) => tag,
            None => item,
        };
        tag == "*" || tag.trim_matches('"') == etag
    })
}

/// HTTP knows no fractions of seconds.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let meta = Meta {
            size: 3,
            etag: "abc".into(),
            content_type: None,
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_500),
        };
        let send = |ranges| Verdict::Send { ranges };
        let (known, unmet) = (
            Verdict::Answer(StatusCode::NOT_MODIFIED),
            Verdict::Answer(StatusCode::PRECONDITION_FAILED),
        );
        let (same, later, before) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:38 GMT",
            "Sun, 06 Nov 1994 08:49:36 GMT",
        );
        for (name, value, expected) in [
            ("if-none-match", "\"abc\"", known),
            ("if-none-match", "\"x\", W/\"abc\"", known),
            ("if-none-match", "*", known),
            ("if-none-match", "\"x\"", send(true)),
            ("if-modified-since", same, known),
            ("if-modified-since", before, send(true)),
            ("if-modified-since", "nonsense", send(true)),
            ("if-match", "\"abc\"", send(true)),
            ("if-match", "W/\"abc\"", unmet),
            ("if-match", "\"x\"", unmet),
            ("if-unmodified-since", before, unmet),
            ("if-unmodified-since", later, send(true)),
            ("if-range", "\"abc\"", send(true)),
            ("if-range", "\"x\"", send(false)),
            ("if-range", same, send(true)),
            ("if-range", later, send(false)),
        ] {
            let headers = [(name.parse().unwrap(), value.parse().unwrap())]
                .into_iter()
                .collect();
            assert_eq!(check(&headers, &meta), expected, "{name}: {value}");
        }
    }
}
