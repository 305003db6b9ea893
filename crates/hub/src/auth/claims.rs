//! The claims of a token: from a [`UserInfo`] and back.

use serde_json::{Map, Value, json};

use super::error::AuthError;
use super::permission::Permission;
use super::scope::ScopeInfo;
use super::user::UserInfo;

/// The claims of a token as JSON.
pub(super) type Claims = Map<String, Value>;

/// Writes the claims that say who `user` is and what the token allows. `namespace` goes before the names of
/// custom claims.
pub(super) fn from_user(user: &UserInfo, namespace: &str) -> Result<Claims, AuthError> {
    let mut claims = Claims::new();
    claims.insert("sub".into(), json!(user.id));
    claims.insert("scope".into(), json!(user.scope.to_text()?));
    claims.insert("gty".into(), json!("client-credentials"));
    claims.insert(format!("{namespace}roles"), json!(user.roles));
    claims.insert(format!("{namespace}email"), json!(user.email));
    if let Some(parent) = &user.parent {
        claims.insert(format!("{namespace}parent"), json!(parent));
    }
    Ok(claims)
}

/// Reads the identity from verified claims: every user is admin at home, and role `admin` is admin
/// everywhere.
pub(super) fn to_user(claims: &Claims, namespace: &str) -> Result<UserInfo, AuthError> {
    let id = match claims.get("sub") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        _ => {
            return Err(AuthError::Claim {
                claim: "sub",
                expected: "a user id",
            });
        }
    };
    let mut scope = match claims.get("scope") {
        None | Some(Value::Null) => ScopeInfo::default(),
        Some(Value::String(text)) => ScopeInfo::parse(text)?,
        Some(_) => {
            return Err(AuthError::Claim {
                claim: "scope",
                expected: "a text",
            });
        }
    };
    let roles: Vec<String> = match claims.get(&format!("{namespace}roles")) {
        None | Some(Value::Null) => Vec::new(),
        Some(roles) => serde_json::from_value(roles.clone()).map_err(|_| AuthError::Claim {
            claim: "roles",
            expected: "a list of texts",
        })?,
    };
    let optional = |claim: &'static str| match claims.get(&format!("{namespace}{claim}")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(AuthError::Claim {
            claim,
            expected: "a text or null",
        }),
    };
    let (email, parent) = (optional("email")?, optional("parent")?);
    scope
        .workspaces
        .insert(format!("ws-user-{id}"), Permission::Admin);
    if roles.iter().any(|role| role == "admin") {
        scope.workspaces.insert("*".into(), Permission::Admin);
    }
    Ok(UserInfo {
        is_anonymous: roles.iter().any(|role| role == "anonymous"),
        current_workspace: scope.current_workspace.clone(),
        expires_at: Some(seconds(claims, "exp")?.ok_or(AuthError::Claim {
            claim: "exp",
            expected: "a time",
        })?),
        id,
        roles,
        scope,
        email,
        parent,
    })
}

/// A claim that is a time in seconds since the Unix epoch.
pub(super) fn seconds(claims: &Claims, claim: &'static str) -> Result<Option<f64>, AuthError> {
    match claims.get(claim) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if seconds.is_finite() => Ok(Some(seconds)),
            _ => Err(AuthError::Claim {
                claim,
                expected: "seconds since the Unix epoch",
            }),
        },
    }
}
