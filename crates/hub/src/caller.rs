//! Who calls one of the hub's own services: taken from the connection, never from the message.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hypha_rpc::{CallContext, RemoteFailure};

use crate::auth::{AuthError, ErrorKind, Permission, UserInfo, effective};
use crate::connection::Connection;
use crate::durable::DurableError;
use crate::ids::WorkspaceId;

/// The connection that a call came over.
pub(crate) struct Caller {
    pub(crate) connection: Arc<Connection>,
    _running: Running,
}

/// Counts the call for as long as it runs.
struct Running(Arc<Connection>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.hosted_calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bound on unfinished calls of one connection; kept here because the connection does not know the options.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) connection: Arc<Connection>,
    pub(crate) max_calls: usize,
}

impl Caller {
    /// The caller of a service function.
    pub(crate) fn of(context: &CallContext) -> Result<Self, RemoteFailure> {
        let origin = context
            .extension::<Origin>()
            .ok_or_else(|| RemoteFailure::permission("This function is for connected clients only"))?;
        let connection = origin.connection.clone();
        let running = connection.hosted_calls.fetch_add(1, Ordering::Relaxed);
        let guard = Running(connection.clone());
        if running >= origin.max_calls {
            let text = format!(
                "Too many unfinished calls to the server (at most {}); wait for answers",
                origin.max_calls
            );
            return Err(RemoteFailure::runtime(text));
        }
        Ok(Self {
            connection,
            _running: guard,
        })
    }

    pub(crate) fn user(&self) -> &UserInfo {
        &self.connection.user
    }

    /// The caller's current workspace.
    pub(crate) fn workspace(&self) -> &str {
        self.connection.workspace.id.as_str()
    }

    pub(crate) fn workspace_id(&self) -> &WorkspaceId {
        &self.connection.workspace.id
    }

    /// Needs this permission in the current workspace.
    pub(crate) fn require(&self, permission: Permission) -> Result<(), RemoteFailure> {
        self.require_on(self.workspace(), permission)
    }

    /// Needs this permission in a workspace.
    pub(crate) fn require_on(&self, workspace: &str, permission: Permission) -> Result<(), RemoteFailure> {
        if self.may(workspace, permission) {
            return Ok(());
        }
        Err(denied(workspace))
    }

    /// Needs more than a child token that may only read: it changes what belongs to the user as a person.
    pub(crate) fn require_own_hand(&self) -> Result<(), RemoteFailure> {
        if self.user().parent.is_none() {
            Ok(())
        } else {
            self.require(Permission::ReadWrite)
        }
    }

    pub(crate) fn may(&self, workspace: &str, permission: Permission) -> bool {
        effective(self.user(), workspace) >= Some(permission)
    }
}

/// Access to a workspace that the caller has no permission for.
pub(crate) fn denied(workspace: &str) -> RemoteFailure {
    RemoteFailure::permission(format!("Permission denied for workspace {workspace}"))
}

impl From<AuthError> for RemoteFailure {
    fn from(error: AuthError) -> Self {
        let text = error.to_string();
        match error.kind() {
            ErrorKind::Permission => Self::permission(text),
            ErrorKind::Value => Self::value(text),
            _ => Self::runtime(text),
        }
    }
}

impl From<DurableError> for RemoteFailure {
    fn from(error: DurableError) -> Self {
        tracing::error!(%error, "durable state failed");
        Self::runtime(
            "The server cannot store or read its data at the moment; nothing was changed. Try again later.",
        )
    }
}
