//! Who calls one of the hub's own services: taken from the connection or the request, never from the message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hypha_rpc::{CallContext, RemoteFailure};

use crate::auth::{AuthError, ErrorKind, Permission, UserInfo, effective};
use crate::connection::Connection;
use crate::durable::DurableError;
use crate::ids::WorkspaceId;
use crate::visitor::Visit;
use crate::workspace::Workspace;

/// The caller of a service function that the hub hosts.
pub struct Caller {
    origin: Origin,
    _running: Running,
}

/// Counts the call for as long as it runs.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where a call of a hosted function came from.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A client's connection, which may have so many unfinished calls.
    Connection(Arc<Connection>, usize),
    /// An HTTP request.
    Visit(Arc<Visit>),
}

impl Caller {
    /// The caller of a service function.
    ///
    /// # Errors
    /// The call came from inside the hub, or the caller has too many unfinished ones.
    pub fn of(context: &CallContext) -> Result<Self, RemoteFailure> {
        let origin = context
            .extension::<Origin>()
            .ok_or_else(|| RemoteFailure::permission("This function is for connected clients only"))?
            .clone();
        let (calls, max) = match &origin {
            Origin::Connection(connection, max) => (connection.hosted_calls.clone(), *max),
            Origin::Visit(visit) => (visit.hosted_calls.clone(), usize::MAX),
        };
        let running = calls.fetch_add(1, Ordering::Relaxed);
        let guard = Running(calls);
        if running >= max {
            let text = format!("Too many unfinished calls to the server (at most {max}); wait for answers");
            return Err(RemoteFailure::runtime(text));
        }
        Ok(Self {
            origin,
            _running: guard,
        })
    }

    /// A visitor that the hub itself looks something up for.
    pub(crate) fn visiting(visit: Arc<Visit>) -> Self {
        visit.hosted_calls.fetch_add(1, Ordering::Relaxed);
        let _running = Running(visit.hosted_calls.clone());
        Self {
            origin: Origin::Visit(visit),
            _running,
        }
    }

    /// The caller's connection, for functions that change it.
    pub(crate) fn connection(&self) -> Result<&Arc<Connection>, RemoteFailure> {
        match &self.origin {
            Origin::Connection(connection, _) => Ok(connection),
            Origin::Visit(_) => Err(RemoteFailure::permission(
                "This function is for connected clients only, not for HTTP requests",
            )),
        }
    }

    /// Who it is.
    pub fn user(&self) -> &UserInfo {
        match &self.origin {
            Origin::Connection(connection, _) => &connection.user,
            Origin::Visit(visit) => &visit.user,
        }
    }

    /// The loaded workspace that the caller is in.
    pub(crate) fn current(&self) -> &Arc<Workspace> {
        match &self.origin {
            Origin::Connection(connection, _) => &connection.workspace,
            Origin::Visit(visit) => &visit.workspace,
        }
    }

    /// The address the call came from.
    pub fn remote_ip(&self) -> std::net::IpAddr {
        match &self.origin {
            Origin::Connection(connection, _) => connection.remote_ip,
            Origin::Visit(visit) => visit.remote_ip,
        }
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_gone(&self) -> bool {
        match &self.origin {
            Origin::Connection(connection, _) => connection.outbox.is_closed(),
            Origin::Visit(visit) => visit.is_over(),
        }
    }

    /// The caller's current workspace.
    pub fn workspace(&self) -> &str {
        self.current().id.as_str()
    }

    /// The caller's current workspace as an id.
    pub fn workspace_id(&self) -> &WorkspaceId {
        &self.current().id
    }

    /// Needs this permission in the current workspace.
    ///
    /// # Errors
    /// It is not there.
    pub fn require(&self, permission: Permission) -> Result<(), RemoteFailure> {
        self.require_on(self.workspace(), permission)
    }

    /// Needs this permission in a workspace.
    ///
    /// # Errors
    /// It is not there.
    pub fn require_on(&self, workspace: &str, permission: Permission) -> Result<(), RemoteFailure> {
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

    /// Whether the caller has at least this permission in a workspace.
    pub fn may(&self, workspace: &str, permission: Permission) -> bool {
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
