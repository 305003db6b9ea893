//! A request for the page, read from the event that `functions` services get.

use std::net::IpAddr;

use hypha_rpc::Value;
use url::form_urlencoded;

use super::origin::Headers;

/// Longest form, in bytes.
const MAX_FORM: usize = 16 << 10;
/// Longest query, in bytes.
const MAX_QUERY: usize = 8 << 10;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct PageRequest {
    pub(crate) is_post: bool,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    pub(crate) headers: Headers,
    /// Who is in front of the browser, from the connection.
    pub(crate) remote: IpAddr,
}

fn pairs(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(key, value)| key == name && !value.is_empty());
    found.map(|(_, value)| value.as_str())
}

impl PageRequest {
    /// Reads an event. What it says of the user is not believed: whoever calls the function wrote it. `None` when it is
    /// larger than anything the page sends.
    pub(crate) fn new(event: &Value, remote: IpAddr) -> Option<Self> {
        let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
        let query = match event.get("query_string") {
            Some(Value::Bytes(query)) => query.as_ref(),
            _ => text("query_string").as_bytes(),
        };
        let body = match event.get("body") {
            Some(Value::Bytes(body)) => body.as_ref(),
            Some(Value::Str(body)) => body.as_bytes(),
            _ => &[],
        };
        if query.len() > MAX_QUERY || body.len() > MAX_FORM {
            return None;
        }
        let headers = match event.get("headers") {
            Some(Value::Map(entries)) => Headers::new(
                entries
                    .iter()
                    .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))),
            ),
            _ => Headers::default(),
        };
        Some(Self {
            is_post: text("method") == "POST",
            query: pairs(query),
            form: pairs(body),
            headers,
            remote,
        })
    }

    /// A value of the query that is not empty.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// A value of the form that is not empty.
    pub(crate) fn form(&self, name: &str) -> Option<&str> {
        find(&self.form, name)
    }

    /// A value of the form as it is.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.form(name).unwrap_or_default()
    }

    /// The key of the login that this is about.
    pub(crate) fn key(&self) -> Option<&str> {
        if self.is_post {
            self.form("key")
        } else {
            self.query("key")
        }
    }
}
