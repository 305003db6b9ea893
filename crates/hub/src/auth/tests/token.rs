//! Tests of [`TokenIssuer`], among them tokens that the original server made.

use super::*;
use crate::auth::permission::Permission;
use crate::auth::scope::ScopeInfo;

const SECRET: &str = "interop-secret-for-tests-0123456789abcdef";
/// Long before the vectors' `exp` (year 2226).
const NOW: u64 = 1_800_000_000;

/// Made by hypha 0.21.137 for `ada`, role `user`, with an e-mail address, all parts of a scope, no parent.
const ORIGINAL_USER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2FtdW4uYWkvIiwic3ViIjoiYWRhIiwiYXVkIjoiaHR0cHM6Ly9hbXVuLWFpLmV1LmF1dGgwLmNvbS9hcGkvdjIvIiwiaWF0IjoxNzk1NDU5NTU5LCJleHAiOjgxMDI2NTk1NTksInNjb3BlIjoid3M6bGFiLTEjcncgY2lkOndvcmtlci03IHdpZDpsYWItMSBmaWxlOmRvd25sb2FkIiwiZ3R5IjoiY2xpZW50LWNyZWRlbnRpYWxzIiwiaHR0cHM6Ly9hbXVuLmFpL3JvbGVzIjpbInVzZXIiXSwiaHR0cHM6Ly9hbXVuLmFpL2VtYWlsIjoiYWRhQGV4YW1wbGUub3JnIn0.Uhsl0UEDuOHtJupZC6mObnJpVhpHnMf11ynkvVXNrJ4";
/// Made by hypha 0.21.137 for `kid1`, child of `ada`, roles `user` and `admin`, read on `lab-1`.
const ORIGINAL_CHILD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2FtdW4uYWkvIiwic3ViIjoia2lkMSIsImF1ZCI6Imh0dHBzOi8vYW11bi1haS5ldS5hdXRoMC5jb20vYXBpL3YyLyIsImlhdCI6MTc5NTQ1OTU1OSwiZXhwIjo4MTAyNjU5NTU5LCJzY29wZSI6IndzOmxhYi0xI3IiLCJndHkiOiJjbGllbnQtY3JlZGVudGlhbHMiLCJodHRwczovL2FtdW4uYWkvcm9sZXMiOlsidXNlciIsImFkbWluIl0sImh0dHBzOi8vYW11bi5haS9lbWFpbCI6bnVsbCwiaHR0cHM6Ly9hbXVuLmFpL3BhcmVudCI6ImFkYSJ9.1EgmhoOf__JW5phhtnoOeYIgE-5yNinajgv-InpDSkk";

fn issuer() -> TokenIssuer {
    TokenIssuer::new(TokenOptions::new(SECRET))
}

/// Signs arbitrary claims with the right secret.
fn signed(claims: serde_json::Value) -> String {
    jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &EncodingKey::from_secret(SECRET.as_bytes()),
    )
    .unwrap()
}

fn text(result: Result<UserInfo, AuthError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn tokens_of_the_original_server_verify() {
    let user = issuer().parse(ORIGINAL_USER, NOW).unwrap();
    assert_eq!(
        serde_json::to_value(&user).unwrap(),
        json!({"id": "ada", "roles": ["user"], "is_anonymous": false,
            "scope": {"current_workspace": "lab-1", "workspaces": {"lab-1": "rw", "ws-user-ada": "a"},
                "client_id": "worker-7", "extra_scopes": ["file:download"]},
            "email": "ada@example.org", "parent": null, "expires_at": 8102659559.0, "current_workspace": "lab-1"})
    );
    let child = issuer().parse(ORIGINAL_CHILD, NOW).unwrap();
    assert_eq!(child.parent.as_deref(), Some("ada"));
    assert_eq!(child.scope.workspaces["lab-1"], Permission::Read);
    assert_eq!(child.scope.workspaces["*"], Permission::Admin, "role admin");
}

#[test]
fn a_token_reads_back() {
    let mut user = UserInfo {
        email: Some("ada@example.org".into()),
        parent: Some("eve".into()),
        roles: vec!["user".into()],
        current_workspace: Some("lab".into()),
        scope: ScopeInfo::parse("ws:lab#rw cid:c1 wid:lab a:b").unwrap(),
        ..UserInfo::new("github|123")
    };
    let token = issuer().issue(&user, 60, NOW).unwrap();
    user.scope
        .workspaces
        .insert("ws-user-github|123".into(), Permission::Admin);
    user.expires_at = Some((NOW + 60) as f64);
    assert_eq!(issuer().parse(&token, NOW).unwrap(), user);
}

#[test]
fn the_header_is_that_of_the_original() {
    let token = issuer().issue(&UserInfo::new("a"), 1, NOW).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(
        (header.typ.as_deref(), header.alg),
        (Some("JWT"), Algorithm::HS256)
    );
}

#[test]
fn times() {
    let token = issuer().issue(&UserInfo::new("a"), 60, NOW).unwrap();
    assert!(issuer().parse(&token, NOW + 60).is_ok());
    assert_eq!(
        text(issuer().parse(&token, NOW + 61)),
        "The token has expired. Please fetch a new one"
    );
    assert!(issuer().issue(&UserInfo::new("a"), 0, NOW).is_err());
    assert!(issuer().issue(&UserInfo::new("a"), u64::MAX, NOW).is_ok());
}

#[test]
fn refusals_have_the_known_texts() {
    let token = issuer().issue(&UserInfo::new("a"), 60, NOW).unwrap();
    let parse = |token: &str| text(issuer().parse(token, NOW));
    for garbage in ["garbage", "a.b.c", "..", "é.é.é"] {
        assert_eq!(parse(garbage), "Error decoding token headers.");
    }
    assert_eq!(
        parse(&format!("{}AAAA", &token[..token.len() - 4])),
        "Signature verification failed."
    );
    let other = |change: fn(&mut TokenOptions)| {
        let mut options = TokenOptions::new(SECRET);
        change(&mut options);
        text(TokenIssuer::new(options).parse(&token, NOW))
    };
    assert_eq!(other(|o| o.secret = "x".into()), "Signature verification failed.");
    assert_eq!(other(|o| o.audience = "x".into()), "Invalid audience");
    assert_eq!(other(|o| o.issuer = "x".into()), "Invalid issuer");
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let hs512 = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &json!({"sub": "a"}), &key).unwrap();
    assert_eq!(parse(&hs512), "Invalid algorithm: HS512");
}

#[test]
fn an_unsigned_token_is_refused() {
    // {"alg":"none","typ":"JWT"}
    let body = ORIGINAL_USER.split('.').nth(1).unwrap();
    for signature in ["", "AAAA"] {
        let token = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.{signature}");
        assert!(issuer().parse(&token, NOW).is_err());
    }
}

#[test]
fn claims_are_checked() {
    let base = json!({"iss": "https://amun.ai/", "aud": "https://amun-ai.eu.auth0.com/api/v2/", "exp": NOW + 60, "sub": "a"});
    let with = |key: &str, value: serde_json::Value| {
        let mut claims = base.clone();
        claims[key] = value;
        issuer().parse(&signed(claims), NOW)
    };
    let user = issuer().parse(&signed(base.clone()), NOW).unwrap();
    assert_eq!(
        user.scope.workspaces.len(),
        1,
        "no scope claim is an empty scope, but for the home"
    );
    assert!(with("aud", json!(["https://amun-ai.eu.auth0.com/api/v2/", "b"])).is_ok());
    assert!(with("exp", json!(NOW as f64 + 0.5)).is_ok());
    assert_eq!(
        text(with("nbf", json!(NOW + 1))),
        "The token is not yet valid (nbf)"
    );
    for (key, bad) in [
        ("aud", json!(null)),
        ("iss", json!(null)),
        ("exp", json!(null)),
        ("exp", json!("soon")),
        ("sub", json!(null)),
        ("sub", json!("")),
        ("scope", json!(5)),
        ("scope", json!("ws:x")),
        ("https://amun.ai/roles", json!("admin")),
        ("https://amun.ai/email", json!(5)),
    ] {
        assert!(with(key, bad.clone()).is_err(), "{key} = {bad}");
    }
    assert!(
        with("https://amun.ai/roles", json!(["anonymous"]))
            .unwrap()
            .is_anonymous
    );
}

#[test]
fn secrets_are_not_shown() {
    assert!(!format!("{:?} {:?}", TokenOptions::new(SECRET), issuer()).contains("interop"));
}
