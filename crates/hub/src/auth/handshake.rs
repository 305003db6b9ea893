//! What a connecting client becomes, or why it is refused: the decision between the first frame and the
//! look-up of the workspace.
//!
//! [`admit`] looks at the first frame, [`join`] at the workspace once it is there.

use rand::Rng;
use serde::Deserialize;

use crate::ids::{ClientId, WorkspaceId};

use super::error::{AuthError, ErrorKind};
use super::permission::{Permission, effective, scope_for_workspace};
use super::user::UserInfo;

/// The first frame of a client. Missing keys count as null.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct HandshakeRequest {
    /// The id that the client wants.
    pub client_id: Option<String>,
    /// The workspace that it wants to join.
    pub workspace: Option<String>,
    /// Its credential.
    pub token: Option<String>,
    /// A token that the hub gave it on an earlier connection. Wins over `token`.
    pub reconnection_token: Option<String>,
}

/// A client that may go on to join a workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    /// Who it is. The scope is still that of the credential.
    pub user: UserInfo,
    /// The workspace to join.
    pub workspace: WorkspaceId,
    /// The client's id.
    pub client_id: ClientId,
    /// Whether it comes back: then it supersedes an older connection of its id instead of being refused as a
    /// duplicate.
    pub reconnecting: bool,
}

/// What kind of refusal it is, for transports that have a status for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The credential is no good, or is missing.
    Credential,
    /// The credential is good, and not for this.
    Permission,
    /// There is no such workspace.
    NotFound,
    /// A field of the request is malformed.
    Invalid,
    /// The client id is in use.
    Taken,
    /// As much as is allowed is open already.
    Limit,
    /// Not now; trying again may help.
    Busy,
}

impl From<ErrorKind> for RefusalKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Authentication => Self::Credential,
            ErrorKind::Permission => Self::Permission,
            ErrorKind::Value => Self::Invalid,
            ErrorKind::Internal | ErrorKind::Unavailable => Self::Busy,
        }
    }
}

/// Why a client is turned away for good: `{"type":"error","message":<message>}`, then a close frame.
///
/// Clients stop reconnecting on such a frame, so this is never for what may pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// Code of the close frame.
    pub code: u16,
    /// The full text. As the reason of the close frame it has to be cut to 123 bytes.
    pub message: String,
}

impl Refusal {
    /// A policy violation: bad credentials, limits, blocked.
    pub const POLICY: u16 = 1008;
    /// Everything else that ends a handshake.
    pub const GOING_AWAY: u16 = 1001;

    /// A failure after authentication.
    pub fn setup(kind: RefusalKind, detail: impl std::fmt::Display) -> Self {
        Self {
            kind,
            code: Self::GOING_AWAY,
            message: format!("Failed to establish connection: {detail}"),
        }
    }

    fn authentication(kind: RefusalKind, detail: impl std::fmt::Display) -> Self {
        Self::setup(kind, format_args!("Failed to authenticate user: {detail}"))
    }

    fn invalid(detail: impl std::fmt::Display) -> Self {
        Self::setup(RefusalKind::Invalid, detail)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        if error.kind() == ErrorKind::Authentication && error != AuthError::Revoked {
            return Self {
                kind: RefusalKind::Credential,
                code: Self::POLICY,
                message: format!("Authentication error: {error}"),
            };
        }
        Self::authentication(error.kind().into(), error)
    }
}

fn given(field: &Option<String>) -> Option<&str> {
    field.as_deref().filter(|text| !text.is_empty())
}

impl HandshakeRequest {
    /// What the client presents: the reconnection token, else the token. Empty ones do not count.
    pub fn credential(&self) -> Option<&str> {
        given(&self.reconnection_token).or_else(|| given(&self.token))
    }
}

/// Decides who a connecting client is and which workspace it is to join. `user` is whom its credential stands for;
/// `now` is seconds since the Unix epoch; `rng` names anonymous users.
///
/// # Errors
/// A credential for another workspace or client, a malformed id.
pub fn admit(
    request: &HandshakeRequest,
    user: Option<UserInfo>,
    now: u64,
    rng: &mut impl Rng,
) -> Result<Admission, Refusal> {
    let announced = request.client_id.as_deref().unwrap_or_default();
    let asked = given(&request.workspace);
    let is_reconnecting = given(&request.reconnection_token).is_some();
    let (user, workspace) = match user {
        Some(user) if is_reconnecting => reconnecting(user, asked, announced)?,
        Some(user) => with_token(user, asked, announced)?,
        None => {
            let user = UserInfo::anonymous(rng, now);
            let workspace = asked.map_or_else(|| user.home(), ToOwned::to_owned);
            (user, workspace)
        }
    };
    if workspace == "*" {
        return Err(Refusal::invalid(
            "Dynamic workspace is not allowed for this endpoint",
        ));
    }
    let workspace = WorkspaceId::parse(&workspace).map_err(Refusal::invalid)?;
    if announced.is_empty() {
        return Err(Refusal::invalid(format_args!(
            "Failed to authenticate user to workspace: {workspace}"
        )));
    }
    let client_id = ClientId::parse(announced).map_err(Refusal::invalid)?;
    Ok(Admission {
        user,
        workspace,
        client_id,
        reconnecting: is_reconnecting,
    })
}

/// A reconnection token is for one client in one workspace.
fn reconnecting(user: UserInfo, asked: Option<&str>, announced: &str) -> Result<(UserInfo, String), Refusal> {
    user.scope.general_access()?;
    let Some(pinned) = user.scope.current_workspace.clone() else {
        return Err(Refusal::authentication(
            RefusalKind::Credential,
            "Invalid scope, current_workspace is required",
        ));
    };
    if let Some(asked) = asked.filter(|asked| *asked != pinned) {
        let detail = format_args!("Invalid scope, workspace mismatch: {asked} != {pinned}");
        return Err(Refusal::authentication(RefusalKind::Credential, detail));
    }
    let Some(client) = user.scope.client_id.as_deref() else {
        return Err(Refusal::authentication(
            RefusalKind::Credential,
            "Invalid scope, client_id is required",
        ));
    };
    if effective(&user, &pinned) < Some(Permission::Read) {
        return Err(Refusal::authentication(
            RefusalKind::Permission,
            format_args!("Permission denied for workspace: {pinned}"),
        ));
    }
    if client != announced {
        return Err(Refusal::authentication(
            RefusalKind::Credential,
            "Client id mismatch, disconnecting",
        ));
    }
    Ok((user, pinned))
}

/// A token may be for one client, and may be pinned to one workspace.
fn with_token(user: UserInfo, asked: Option<&str>, announced: &str) -> Result<(UserInfo, String), Refusal> {
    user.scope.general_access()?;
    if let Some(client) = user
        .scope
        .client_id
        .as_deref()
        .filter(|client| *client != announced)
    {
        return Err(Refusal::authentication(
            RefusalKind::Permission,
            format_args!("Client id mismatch: this token is restricted to client with client_id='{client}'"),
        ));
    }
    let pinned = user.scope.current_workspace.as_deref();
    if let (Some(pinned), Some(asked)) = (pinned, asked)
        && pinned != asked
    {
        return Err(Refusal::authentication(
            RefusalKind::Permission,
            format_args!(
                "Current workspace encoded in the token ({pinned}) does not match the specified workspace ({asked})"
            ),
        ));
    }
    // Nobody works in `public`; older clients ask for it when they mean "anywhere".
    let workspace = match asked.or(pinned) {
        Some("public") if pinned != Some("public") => user.home(),
        Some(workspace) => workspace.to_owned(),
        None => user.home(),
    };
    Ok((user, workspace))
}

/// Lets an admitted client into its workspace, whose owners are `owners`: the user as it is there.
///
/// # Errors
/// The user may not even read in that workspace.
pub fn join(admission: &Admission, owners: &[String]) -> Result<UserInfo, Refusal> {
    let Admission {
        user,
        workspace,
        client_id,
        ..
    } = admission;
    let joined = UserInfo {
        scope: scope_for_workspace(user, workspace, owners, Some(client_id)),
        current_workspace: Some(workspace.to_string()),
        ..user.clone()
    };
    if effective(&joined, workspace) < Some(Permission::Read) {
        return Err(Refusal::setup(
            RefusalKind::Permission,
            format_args!("Permission denied for workspace: {workspace}"),
        ));
    }
    Ok(joined)
}

#[cfg(test)]
#[path = "tests/handshake.rs"]
mod tests;
