//! The page as it goes to the browser: a strict content security policy, nothing cached, nothing told to other sites.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hypha_rpc::Value;
use maud::Markup;
use rand::RngCore;

/// A random value that marks the page's own style and script.
pub(crate) fn nonce() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    STANDARD.encode(bytes)
}

/// Who may show the page inside one of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Nobody: there is something on it that one click does.
    Nobody,
    /// Pages of this server.
    Own,
    /// Everybody: nothing on it happens without a password.
    Everybody,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Response {
    /// A page.
    pub(crate) fn page(status: u16, page: Markup, nonce: &str, framing: Framing) -> Self {
        let ancestors = match framing {
            Framing::Nobody => "frame-ancestors 'none'",
            Framing::Own => "frame-ancestors 'self'",
            Framing::Everybody => "frame-ancestors *",
        };
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; form-action 'self'; \
             base-uri 'none'; {ancestors}"
        );
        let headers = vec![
            ("Content-Type", "text/html; charset=utf-8".to_owned()),
            ("Content-Security-Policy", policy),
        ];
        Self {
            status,
            headers,
            body: page.into_string(),
        }
        .guarded()
    }

    /// Sends the browser to another page, with a `GET`.
    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self {
            status,
            headers: vec![("Location", to.to_owned())],
            body: String::new(),
        }
        .guarded()
    }

    fn guarded(mut self) -> Self {
        for (name, value) in [
            ("Cache-Control", "no-store"),
            // The query has the key of a login in it. Requests of the page's own forms still say where they come from.
            ("Referrer-Policy", "same-origin"),
            ("X-Content-Type-Options", "nosniff"),
        ] {
            self.headers.push((name, value.to_owned()));
        }
        self
    }

    /// Sets a cookie.
    pub(crate) fn cookie(mut self, cookie: String) -> Self {
        self.headers.push(("Set-Cookie", cookie));
        self
    }

    /// What a `functions` service returns. Headers are a map, or a list of pairs when one of them is there twice.
    pub(crate) fn to_value(&self) -> Value {
        let cookies = self
            .headers
            .iter()
            .filter(|(name, _)| *name == "Set-Cookie")
            .count();
        let headers = if cookies > 1 {
            let pair = |(name, value): &(&str, String)| Value::from(vec![(*name).to_owned(), value.clone()]);
            Value::List(self.headers.iter().map(pair).collect())
        } else {
            self.headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect()
        };
        Value::Map(vec![
            ("status".into(), Value::from(i64::from(self.status))),
            ("headers".into(), headers),
            ("body".into(), Value::from(self.body.clone())),
        ])
    }
}
