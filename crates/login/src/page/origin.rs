//! The headers of a request, and whether a page of this server has made it.

/// Headers with names in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    /// From names and values.
    pub(crate) fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_ascii_lowercase(), value.to_owned());
        Self(pairs.into_iter().map(own).collect())
    }

    /// The first with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A cookie that is not empty.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key == "cookie")
            .flat_map(|(_, value)| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| value.trim_matches('"'))
    }

    /// Whether the answer is shown inside another page; `None` if the browser does not say.
    pub(crate) fn is_framed(&self) -> Option<bool> {
        self.get("sec-fetch-dest")
            .map(|dest| !matches!(dest, "document" | "empty"))
    }
}

/// Whether a page of this server, or no page at all, has made the request: browsers say from where a form was sent, and
/// other programs say nothing.
pub(crate) fn is_own_page(headers: &Headers, public_url: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = headers.get("origin") else {
        return true;
    };
    let authority = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default().to_ascii_lowercase()
    };
    let origin = authority(origin);
    let own = headers.get("host").map(str::to_ascii_lowercase);
    own.is_some_and(|own| own == origin) || authority(public_url) == origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_made_a_request() {
        let own = |pairs: &[(&str, &str)]| {
            is_own_page(
                &Headers::new(pairs.iter().copied()),
                "https://hypha.example.org/base",
            )
        };
        assert!(own(&[]), "no browser");
        assert!(own(&[("Sec-Fetch-Site", "same-origin")]));
        assert!(own(&[("origin", "https://hypha.example.org")]));
        assert!(own(&[
            ("origin", "http://127.0.0.1:9527"),
            ("host", "127.0.0.1:9527")
        ]));
        for pairs in [
            [
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://hypha.example.org"),
            ],
            [
                ("sec-fetch-site", "same-site"),
                ("origin", "https://hypha.example.org"),
            ],
            [("origin", "https://evil.example"), ("host", "hypha.example.org")],
            [
                ("origin", "https://hypha.example.org.evil.example"),
                ("host", "hypha.example.org"),
            ],
            [("origin", "null"), ("host", "hypha.example.org")],
        ] {
            assert!(!own(&pairs), "{pairs:?}");
        }
    }

    #[test]
    fn cookies() {
        let headers = Headers::new([("cookie", "a=1; access_token=\"t\"; b="), ("cookie", "c=3")]);
        assert_eq!(headers.cookie("access_token"), Some("t"));
        assert_eq!((headers.cookie("b"), headers.cookie("c")), (None, Some("3")));
    }
}
