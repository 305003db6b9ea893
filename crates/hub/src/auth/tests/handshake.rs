//! Tests of [`admit`] and [`join`]: every way in, every refusal with its code and text.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::auth::authenticator::Authenticator;
use crate::auth::revoked::{RevokedTokens, token_hash};
use crate::auth::root::RootToken;
use crate::auth::scope::ScopeInfo;
use crate::auth::token::TokenOptions;

const NOW: u64 = 1_800_000_000;
const ROOT: &str = "q7Zk0vXn4wRb2yLm9sPf6uJd8eGhTaVi";

fn authenticator() -> Authenticator {
    Authenticator::new(
        TokenOptions::new("s"),
        Some(RootToken::new(ROOT).unwrap()),
        RevokedTokens::default(),
    )
}

fn token(scope: &str) -> String {
    let user = UserInfo {
        scope: ScopeInfo::parse(scope).unwrap(),
        ..UserInfo::new("ada")
    };
    authenticator().issuer().issue(&user, 60, NOW).unwrap()
}

fn try_admit(request: &HandshakeRequest) -> Result<Admission, Refusal> {
    admit_at(request, &authenticator(), NOW)
}

/// As the door does it: first who it is, then where to.
fn admit_at(request: &HandshakeRequest, auth: &Authenticator, now: u64) -> Result<Admission, Refusal> {
    let user = request
        .credential()
        .map(|token| auth.authenticate_locally(token, now))
        .transpose()?;
    admit(request, user, now, &mut StdRng::seed_from_u64(3))
}

fn frame(json: serde_json::Value) -> HandshakeRequest {
    serde_json::from_value(json).unwrap()
}

fn enters(json: serde_json::Value) -> String {
    try_admit(&frame(json)).unwrap().workspace.to_string()
}

fn refused(json: serde_json::Value) -> (u16, String) {
    let refusal = try_admit(&frame(json)).unwrap_err();
    (refusal.code, refusal.message)
}

macro_rules! req {
    ($($tokens:tt)*) => { serde_json::json!({$($tokens)*}) };
}

#[test]
fn with_a_token() {
    assert_eq!(enters(req!("client_id": "c", "token": token(""))), "ws-user-ada");
    assert_eq!(enters(req!("client_id": "c", "token": token("wid:lab"))), "lab");
    assert_eq!(
        enters(req!("client_id": "c", "token": token(""), "workspace": "lab")),
        "lab"
    );
    assert_eq!(
        enters(req!("client_id": "c", "token": token(""), "workspace": "public")),
        "ws-user-ada"
    );
    assert_eq!(
        enters(req!("client_id": "c", "token": token("wid:public"), "workspace": "public")),
        "public"
    );
    assert_eq!(enters(req!("client_id": "c", "token": ROOT)), "ws-user-root");
    assert!(enters(req!("client_id": "c", "token": "", "workspace": null)).starts_with("ws-user-anonymouz-"));
}

#[test]
fn anonymous() {
    let admission = try_admit(&frame(req!("client_id": "c"))).unwrap();
    assert!(admission.user.is_anonymous && !admission.reconnecting);
    assert_eq!(admission.workspace.as_str(), admission.user.home());
    assert_eq!(
        enters(req!("client_id": "c", "workspace": "lab")),
        "lab",
        "whether it may is for join to say"
    );
}

#[test]
fn coming_back() {
    let again = token("ws:lab#r cid:c wid:lab");
    let admission = try_admit(&frame(
        req!("client_id": "c", "reconnection_token": again, "token": "junk"),
    ))
    .unwrap();
    assert!(admission.reconnecting);
    assert_eq!(admission.workspace.as_str(), "lab");
}

#[test]
fn refusals_of_tokens() {
    let nested = "Failed to establish connection: Failed to authenticate user: ";
    let cases: &[(serde_json::Value, u16, String)] = &[
        (
            req!("token": "junk"),
            1008,
            "Authentication error: Error decoding token headers.".into(),
        ),
        (
            req!("reconnection_token": "junk"),
            1008,
            "Authentication error: Error decoding token headers.".into(),
        ),
        (
            req!("token": token("cid:d")),
            1001,
            format!("{nested}Client id mismatch: this token is restricted to client with client_id='d'"),
        ),
        (
            req!("token": token("wid:a"), "workspace": "b"),
            1001,
            format!(
                "{nested}Current workspace encoded in the token (a) does not match the specified workspace (b)"
            ),
        ),
        (
            req!("token": token("a:b")),
            1001,
            format!(
                "{nested}Specialized token with scopes [a:b] cannot be used for general workspace access. \
                 This token can only be used for its intended purpose."
            ),
        ),
        (
            req!("reconnection_token": token("")),
            1001,
            format!("{nested}Invalid scope, current_workspace is required"),
        ),
        (
            req!("reconnection_token": token("wid:a"), "workspace": "b"),
            1001,
            format!("{nested}Invalid scope, workspace mismatch: b != a"),
        ),
        (
            req!("reconnection_token": token("wid:a")),
            1001,
            format!("{nested}Invalid scope, client_id is required"),
        ),
        (
            req!("reconnection_token": token("wid:a cid:c")),
            1001,
            format!("{nested}Permission denied for workspace: a"),
        ),
        (
            req!("reconnection_token": token("wid:a cid:d ws:a#r")),
            1001,
            format!("{nested}Client id mismatch, disconnecting"),
        ),
    ];
    for (request, code, message) in cases {
        let mut request = request.clone();
        request["client_id"] = "c".into();
        assert_eq!(refused(request), (*code, message.clone()));
    }
}

#[test]
fn refusals_of_ids() {
    let prefix = "Failed to establish connection: ";
    for (client, detail) in [
        ("", "Failed to authenticate user to workspace: lab"),
        ("*", "Invalid client id: *"),
        ("a/b", "Invalid client id: a/b"),
        ("x ws:ws-user-root#a", "Invalid client id: x ws:ws-user-root#a"),
    ] {
        let expected = (1001, format!("{prefix}{detail}"));
        assert_eq!(refused(req!("client_id": client, "workspace": "lab")), expected);
    }
    let star = refused(req!("client_id": "c", "workspace": "*"));
    assert_eq!(
        star,
        (
            1001,
            format!("{prefix}Dynamic workspace is not allowed for this endpoint")
        )
    );
    assert_eq!(refused(req!("client_id": "c", "workspace": "a/b")).0, 1001);
}

#[test]
fn expired_and_revoked() {
    let old = token("");
    let request = frame(req!("client_id": "c", "token": old.clone()));
    let refusal = admit_at(&request, &authenticator(), NOW + 61).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.message.as_str()),
        (
            1008,
            "Authentication error: The token has expired. Please fetch a new one"
        )
    );
    let auth = authenticator();
    auth.revoked().insert(token_hash(&old), NOW + 60);
    let refusal = admit_at(&request, &auth, NOW).unwrap_err();
    assert_eq!(refusal.code, 1001);
    assert!(refusal.message.ends_with("Token has been revoked"));
}

#[test]
fn joining_narrows_the_user_to_the_workspace() {
    let admission = try_admit(&frame(
        req!("client_id": "c", "token": token(""), "workspace": "lab"),
    ))
    .unwrap();
    let refusal = join(&admission, &[]).unwrap_err();
    assert_eq!(
        refusal.message,
        "Failed to establish connection: Permission denied for workspace: lab"
    );
    assert_eq!(refusal.code, 1001);
    let user = join(&admission, &["ada".into()]).unwrap();
    assert_eq!(user.current_workspace.as_deref(), Some("lab"));
    assert_eq!(
        user.scope.to_text().unwrap(),
        "ws:lab#a ws:ws-user-ada#a cid:c wid:lab"
    );
    assert_eq!(user.expires_at, Some((NOW + 60) as f64));
}

#[test]
fn the_frame_is_checked() {
    assert!(serde_json::from_str::<HandshakeRequest>("[1]").is_err());
    assert!(serde_json::from_str::<HandshakeRequest>(r#"{"client_id": 5}"#).is_err());
    assert!(serde_json::from_str::<HandshakeRequest>(r#"{"client_id": "c", "other": 1}"#).is_ok());
}
