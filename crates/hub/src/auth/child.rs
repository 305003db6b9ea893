//! Tokens that a client asks for (`generate_token`), for others to use in its name: child tokens.
//!
//! A child has an id of its own, names its parent, is pinned to one workspace, and never carries more than
//! was asked for or than its parent had.

use rand::Rng;
use serde::Deserialize;

use crate::ids::{ClientId, WorkspaceId, random_id};

use super::error::AuthError;
use super::permission::{Permission, effective, may_act_as_owner};
use super::scope::{ScopeInfo, check_extra_scope};
use super::user::UserInfo;

/// Life of a token, in seconds, when none is asked for.
pub const DEFAULT_EXPIRES_IN: u64 = 3600;

/// Longest life of a child token, in seconds: ten years. A longer one asked for is cut to this.
pub const MAX_EXPIRES_IN: u64 = 10 * 365 * 24 * 3600;

/// Most extra scopes of a token.
const MAX_EXTRA_SCOPES: usize = 64;

/// Longest extra scope, in bytes.
const MAX_EXTRA_SCOPE_LEN: usize = 1024;

/// Longest e-mail address, in bytes.
const MAX_EMAIL_LEN: usize = 254;

/// Extra scopes that open a file without any further check of rights: only the hub puts them into tokens.
const RESERVED_SCOPES: [&str; 2] = ["get_file:", "put_file:"];

/// What a caller asks for. Missing and null fields have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct TokenConfig {
    /// Life in seconds; unset or 0 is [`DEFAULT_EXPIRES_IN`].
    pub expires_in: Option<i64>,
    /// The workspace; unset is the caller's current one. Whoever calls [`child_token`] resolves it.
    pub workspace: Option<String>,
    /// `read`, `read_write` (when unset) or `admin`.
    pub permission: Option<String>,
    /// Further words in the scope; those with a colon make a token for that purpose only.
    pub extra_scopes: Option<Vec<String>>,
    /// The only client id that may use the token.
    pub client_id: Option<String>,
    /// Another e-mail address in the token; for callers with role `admin`.
    pub email: Option<String>,
}

/// What to issue with [`TokenIssuer::issue`](super::token::TokenIssuer::issue).
#[derive(Clone, Debug, PartialEq)]
pub struct ChildToken {
    /// The bearer.
    pub user: UserInfo,
    /// Life in seconds, at least 1.
    pub expires_in: u64,
}

impl TokenConfig {
    fn level(&self) -> Result<Permission, AuthError> {
        match self.permission.as_deref() {
            None => Ok(Permission::ReadWrite),
            Some("read") => Ok(Permission::Read),
            Some("read_write") => Ok(Permission::ReadWrite),
            Some("admin") => Ok(Permission::Admin),
            Some(_) => Err(AuthError::Field {
                field: "permission",
                expected: "read, read_write or admin",
            }),
        }
    }

    fn life(&self) -> Result<u64, AuthError> {
        match self.expires_in {
            None | Some(0) => Ok(DEFAULT_EXPIRES_IN),
            Some(seconds) => u64::try_from(seconds)
                .map(|seconds| seconds.min(MAX_EXPIRES_IN))
                .map_err(|_| AuthError::Field {
                    field: "expires_in",
                    expected: "a number of seconds above 0",
                }),
        }
    }

    fn extras(&self) -> Result<Vec<String>, AuthError> {
        let extras = self.extra_scopes.clone().unwrap_or_default();
        if extras.len() > MAX_EXTRA_SCOPES || extras.iter().any(|extra| extra.len() > MAX_EXTRA_SCOPE_LEN) {
            return Err(AuthError::Field {
                field: "extra_scopes",
                expected: "at most 64 words of at most 1024 bytes",
            });
        }
        for extra in &extras {
            check_extra_scope(extra)?;
            if let Some(reserved) = RESERVED_SCOPES
                .iter()
                .find(|reserved| extra.starts_with(**reserved))
            {
                return Err(AuthError::ScopeReserved((*reserved).to_owned()));
            }
        }
        Ok(extras)
    }

    fn email(&self, parent: &UserInfo) -> Result<Option<String>, AuthError> {
        match &self.email {
            None => Ok(parent.email.clone()),
            Some(_) if !parent.has_role("admin") => Err(AuthError::EmailOverride),
            Some(email) if email.len() <= MAX_EMAIL_LEN && is_email(email) => Ok(Some(email.clone())),
            Some(_) => Err(AuthError::Field {
                field: "email",
                expected: "an e-mail address",
            }),
        }
    }
}

/// Whether a text can be an e-mail address; that it is somebody's is for the operator who writes it to know.
fn is_email(text: &str) -> bool {
    let printable = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.split_once('@');
    printable && parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
}

/// Decides what a caller gets who asks for a token for `workspace`, whose owners are `owners`.
///
/// - The caller needs admin there, or to be an owner with a token of its own (not a child token); an owner's
///   child token that has read_write on this workspace may hand on that much.
/// - Role `admin` is not handed on: it would make any token one for everything.
/// - The token ends with its parent's credential at the latest, unless the caller acts as owner.
///   `parent.expires_at` of a live connection is that of the newest credential that the hub gave it (a
///   refreshed reconnection token counts).
///
/// `now` is seconds since the Unix epoch.
///
/// # Errors
/// A malformed request, a specialised or expired parent, too little permission.
pub fn child_token(
    parent: &UserInfo,
    request: &TokenConfig,
    workspace: &WorkspaceId,
    owners: &[String],
    now: u64,
    rng: &mut impl Rng,
) -> Result<ChildToken, AuthError> {
    let asked = request.level()?;
    let mut expires_in = request.life()?;
    let client_id = request.client_id.as_deref().map(ClientId::parse).transpose()?;
    let extra_scopes = request.extras()?;
    let email = request.email(parent)?;
    parent.scope.general_access()?;

    let as_owner = may_act_as_owner(parent, workspace, owners);
    let has = if as_owner {
        Some(Permission::Admin)
    } else {
        effective(parent, workspace)
    };
    let has = has.ok_or_else(|| AuthError::NoPermission(workspace.to_string()))?;
    let owners_child = super::permission::owned_by(parent, workspace, owners) && has >= Permission::ReadWrite;
    if has < Permission::Admin && !owners_child {
        return Err(AuthError::NotAdmin);
    }
    if asked > has {
        return Err(AuthError::Exceeds {
            workspace: workspace.to_string(),
            asked,
            has,
        });
    }
    if !as_owner && let Some(end) = parent.expires_at {
        // Whole seconds left; a fraction of one is nothing.
        let left = (end - now as f64).max(0.0) as u64;
        if left == 0 {
            return Err(AuthError::Expired);
        }
        expires_in = expires_in.min(left);
    }

    let user = UserInfo {
        roles: parent
            .roles
            .iter()
            .filter(|role| *role != "admin")
            .cloned()
            .collect(),
        is_anonymous: parent.is_anonymous,
        scope: ScopeInfo {
            current_workspace: Some(workspace.to_string()),
            workspaces: [(workspace.to_string(), asked)].into(),
            client_id: client_id.map(|id| id.to_string()),
            extra_scopes,
        },
        email,
        parent: Some(parent.attribution().to_owned()),
        expires_at: Some(now.saturating_add(expires_in) as f64),
        current_workspace: Some(workspace.to_string()),
        ..UserInfo::new(random_id(rng))
    };
    Ok(ChildToken { user, expires_in })
}

#[cfg(test)]
#[path = "tests/child.rs"]
mod tests;
