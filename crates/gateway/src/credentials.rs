//! Who makes a request: the credential in its headers, and the user that it stands for.
//!
//! The first of these counts: what a provider of the operator finds, the `Authorization` header (`Bearer <token>`,
//! `Basic` with the token as password, or the bare token), the cookie `access_token`. A cookie is sent by a browser
//! whoever wrote the page, so it does not count for requests that another site's page has made.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hypha_hub::auth::RequestHead;
use hypha_hub::{Hub, Identity};

use crate::error::Failure;
use crate::remote::Remote;

/// The cookie that holds a token.
pub(crate) const COOKIE: &str = "access_token";
/// The scheme of user and password.
const BASIC: &str = "basic ";

/// A credential and how it came.
struct Presented {
    token: String,
    by_cookie: bool,
}

/// Who makes the request.
///
/// # Errors
/// 401 for a credential that is not valid, 403 for blocked users and for cookies on requests of other sites.
pub(crate) async fn identify(hub: &Hub, request: &Parts) -> Result<Identity, Failure> {
    let token = presented(hub, request).await?;
    Ok(hub.identify(token.as_deref(), remote(request)).await?)
}

/// The credential that a request presents; nobody has looked whether it is valid.
///
/// # Errors
/// 403 for cookies on requests of other sites.
pub(crate) async fn presented(hub: &Hub, request: &Parts) -> Result<Option<String>, Failure> {
    let presented = match hub.authenticator().reads_requests() {
        true => {
            let found = hub.authenticator().credential_of(&head(request)).await;
            let token = found.map_err(hypha_hub::IdentityError::from)?;
            token.map(|token| Presented {
                token,
                by_cookie: false,
            })
        }
        false => None,
    };
    let presented = presented.or_else(|| presented_in(&request.headers));
    if let Some(presented) = &presented
        && presented.by_cookie
        && is_foreign(hub, request)
    {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "cross_site_cookie",
            "A cookie does not count for requests of pages of other sites; send the token in the Authorization header",
        ));
    }
    Ok(presented.map(|presented| presented.token))
}

/// The address that a request came from.
pub(crate) fn remote(request: &Parts) -> std::net::IpAddr {
    let remote = request.extensions.get::<Remote>();
    remote.map_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |remote| {
        remote.0
    })
}

fn presented_in(headers: &HeaderMap) -> Option<Presented> {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
        .filter(|value| !value.is_empty());
    if let Some(value) = authorization {
        return Some(Presented {
            token: password(value).unwrap_or_else(|| value.to_owned()),
            by_cookie: false,
        });
    }
    cookie(headers, COOKIE).map(|token| Presented {
        token: token.to_owned(),
        by_cookie: true,
    })
}

/// The password of `Basic` credentials: programs that know nothing but user and password send the token there.
fn password(authorization: &str) -> Option<String> {
    let start = authorization.get(..BASIC.len())?;
    if !start.eq_ignore_ascii_case(BASIC) {
        return None;
    }
    let decoded = STANDARD.decode(authorization[BASIC.len()..].trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

/// A cookie by its name.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.trim_matches('"'))
}

/// Whether another site's page has made the request. Following a link from there is not that.
fn is_foreign(hub: &Hub, request: &Parts) -> bool {
    let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    let calls_service = request.uri.path().contains("/services/");
    let follows_link = reads && !calls_service && text("sec-fetch-mode") == Some("navigate");
    if follows_link {
        return false;
    }
    if matches!(text("sec-fetch-site"), Some("cross-site" | "same-site")) {
        return true;
    }
    let Some(origin) = text("origin") else {
        return false;
    };
    let authority = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default().to_ascii_lowercase()
    };
    let origin = authority(origin);
    let own = text("host").map(str::to_ascii_lowercase);
    Some(&origin) != own.as_ref() && origin != authority(&hub.options().public_base_url)
}

/// What a provider may look at.
fn head(request: &Parts) -> RequestHead {
    RequestHead {
        method: request.method.to_string(),
        path: request.uri.path().to_owned(),
        query: request.uri.query().unwrap_or_default().to_owned(),
        headers: request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn where_a_token_can_be() {
        for (pairs, token) in [
            (vec![("authorization", "Bearer t")], Some("Bearer t")),
            (vec![("authorization", "t")], Some("t")),
            (vec![("authorization", "Basic Z2l0OnQ=")], Some("t")),
            (vec![("authorization", "basic Z2l0OmE6Yg==")], Some("a:b")),
            (vec![("cookie", "a=b; access_token=t")], Some("t")),
            (
                vec![("cookie", "access_token=c"), ("authorization", "Bearer t")],
                Some("Bearer t"),
            ),
            (vec![("cookie", "access_token=")], None),
            (vec![("authorization", "")], None),
        ] {
            assert_eq!(
                presented_in(&headers(&pairs)).map(|it| it.token).as_deref(),
                token,
                "{pairs:?}"
            );
        }
    }
}
