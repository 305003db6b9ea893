//! Checks of single values of flags. Each error names the flag and says what was expected.

use anyhow::{Result, bail};
use hypha_hub::ids::ClientId;

use super::mask;

/// Refuses every Redis address: quietly keeping the registry in memory would look like sharing it.
///
/// # Errors
/// There is an address.
pub(super) fn check_redis(uri: Option<&str>) -> Result<()> {
    let Some(uri) = uri else { return Ok(()) };
    match uri.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis" | "rediss" | "unix") => {
            bail!(
                "--redis-uri: this version does not use Redis yet; start a single server, without this option"
            )
        }
        _ => bail!(
            "--redis-uri {}: expected redis://<host>:<port>/<number> or rediss://…; a single server needs no such option",
            mask::without_password(uri)
        ),
    }
}

/// The prefix of all routes: empty, or `/a/b`.
///
/// # Errors
/// The text is not a path, or has characters that mean something in routes or URLs.
pub(super) fn base_path(path: &str) -> Result<String> {
    let inner = path.trim_matches('/');
    let is_segment = |segment: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
    };
    if inner.is_empty() {
        return Ok(String::new());
    }
    if !inner.split('/').all(is_segment) {
        bail!("--base-path {path}: expected a path of letters, digits and - _ . ~, as in /my/engine");
    }
    Ok(format!("/{inner}"))
}

/// A URL without a slash at the end.
///
/// # Errors
/// The text is not a URL of a server.
pub(super) fn public_base_url(url: &str) -> Result<String> {
    let is_url = ["http://", "https://"].iter().any(|scheme| {
        url.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    if !is_url || url.contains(|c: char| c.is_whitespace() || matches!(c, '?' | '#')) {
        bail!("--public-base-url {url}: expected http(s)://<host>[:<port>][/<base path>]");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// An id that can be part of the manager's address.
///
/// # Errors
/// It cannot.
pub(super) fn server_id(id: String) -> Result<String> {
    // The id is part of the manager's client id.
    if ClientId::parse(&format!("manager-{id}")).is_err() {
        bail!("--server-id {id}: expected up to 120 letters, digits and _ . # -");
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths() {
        for (given, expected) in [("/", ""), ("", ""), ("/my/engine/", "/my/engine"), ("x", "/x")] {
            assert_eq!(base_path(given).unwrap(), expected);
        }
        for bad in ["/a//b", "/a b", "/../x", "/{id}", "/a?b"] {
            assert!(base_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn public_base_urls() {
        assert_eq!(
            public_base_url("https://hypha.example.org/x/").unwrap(),
            "https://hypha.example.org/x"
        );
        for bad in [
            "hypha.example.org",
            "ftp://x",
            "http://",
            "http:///x",
            "http://a b",
            "http://a?b",
        ] {
            assert!(public_base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn redis_is_refused_loudly() {
        for (uri, part) in [
            ("redis://:hunter2@h:6379", "does not use Redis yet"),
            ("rediss://h", "does not use Redis yet"),
            ("reddis://u:hunter2@h", "expected redis://"),
            ("/tmp/redis.db", "expected redis://"),
        ] {
            let text = check_redis(Some(uri)).unwrap_err().to_string();
            assert!(text.contains(part) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn server_ids() {
        assert_eq!(server_id("hub-1".into()).unwrap(), "hub-1");
        assert!(
            server_id("a b".into())
                .unwrap_err()
                .to_string()
                .contains("--server-id a b")
        );
    }
}
