//! Two more places in which HTTP requests may bring a token when there are local accounts: the header `X-Local-Auth`
//! and the cookie `hypha_local_token`.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hypha_hub::auth::{AuthError, IdentityProvider, RequestHead, UserInfo};

use crate::page::origin::{Headers, is_own_page};

/// The header.
const HEADER: &str = "x-local-auth";
/// The cookie.
const COOKIE: &str = "hypha_local_token";

/// Finds tokens there. They are tokens of the hub, so reading them is left to it.
pub(crate) struct LocalTokens {
    public_url: String,
}

impl LocalTokens {
    pub(crate) fn new(public_url: &str) -> Self {
        Self {
            public_url: public_url.to_owned(),
        }
    }

    fn find(&self, request: &RequestHead) -> Option<String> {
        let headers = Headers::new(
            request
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value).ok()?))),
        );
        // A credential that somebody put there on purpose comes first; it is read in the usual way.
        if headers
            .get("authorization")
            .is_some_and(|value| !value.trim().is_empty())
        {
            return None;
        }
        if let Some(token) = headers
            .get(HEADER)
            .map(str::trim)
            .filter(|token| !token.is_empty())
        {
            return Some(token.to_owned());
        }
        // Browsers send a cookie whoever wrote the page.
        let token = headers.cookie(COOKIE)?;
        is_own_page(&headers, &self.public_url).then(|| token.to_owned())
    }
}

impl IdentityProvider for LocalTokens {
    fn parse_token<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<UserInfo>, AuthError>> {
        async { Ok(None) }.boxed()
    }

    fn reads_requests(&self) -> bool {
        true
    }

    fn get_token<'a>(&'a self, request: &'a RequestHead) -> BoxFuture<'a, Result<Option<String>, AuthError>> {
        let token = self.find(request);
        async move { Ok(token) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_tokens_are_found() {
        let tokens = LocalTokens::new("https://hypha.example.org");
        let find = |headers: &[(&str, &str)]| {
            tokens.find(&RequestHead {
                method: "GET".into(),
                path: "/".into(),
                query: String::new(),
                headers: headers
                    .iter()
                    .map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec()))
                    .collect(),
            })
        };
        assert_eq!(find(&[("x-local-auth", "t")]).as_deref(), Some("t"));
        assert_eq!(
            find(&[("cookie", "a=b; hypha_local_token=t")]).as_deref(),
            Some("t")
        );
        assert_eq!(
            find(&[("authorization", "Bearer o"), ("x-local-auth", "t")]),
            None
        );
        let foreign = [
            ("cookie", "hypha_local_token=t"),
            ("origin", "https://evil.example"),
        ];
        assert_eq!(find(&foreign), None);
        let foreign = [
            ("cookie", "hypha_local_token=t"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert_eq!(find(&foreign), None);
        assert_eq!(find(&[]), None);
    }
}
