//! Workspaces as other parts of the server see them: who may do what in one, and that one is gone.

use hypha_rpc::RemoteFailure;

use crate::auth::{Permission, UserInfo, effective, scope_for_workspace};
use crate::caller::denied;
use crate::hub::Hub;
use crate::ids::WorkspaceId;
use crate::workspace::WorkspaceInfo;

/// Called with the id of a workspace whose data is to go too.
pub type GoneHook = Box<dyn Fn(&WorkspaceId) + Send + Sync>;

/// What a user may do in a workspace, and what kind of workspace it is.
#[derive(Clone, Debug)]
pub struct WorkspaceAccess {
    /// The workspace.
    pub id: WorkspaceId,
    /// The user's permission there, if any.
    pub permission: Option<Permission>,
    /// Whether it outlives its clients.
    pub persistent: bool,
    /// Whether nothing is to be stored for it.
    pub read_only: bool,
}

impl WorkspaceAccess {
    /// Needs this permission.
    ///
    /// # Errors
    /// It is not there.
    pub fn require(&self, permission: Permission) -> Result<(), RemoteFailure> {
        if self.permission >= Some(permission) {
            return Ok(());
        }
        Err(denied(self.id.as_str()))
    }
}

impl Hub {
    /// What a user may do in a workspace. A user's own workspace is made on first use.
    ///
    /// # Errors
    /// No such workspace, a credential that is for one purpose only, or the store does not answer.
    pub async fn access(&self, user: &UserInfo, workspace: &str) -> Result<WorkspaceAccess, RemoteFailure> {
        user.scope.general_access()?;
        let missing = || RemoteFailure::key(format!("Workspace '{workspace}' not found"));
        let id = WorkspaceId::parse(workspace).map_err(|_| missing())?;
        let info = match self.workspace_info(workspace).await? {
            Some(info) => info,
            None if user.home() == workspace => {
                let made = self.load_or_create(user, &id).await?;
                let info = made.info.read();
                info.clone()
            }
            None => return Err(missing()),
        };
        Ok(access_to(&info, user, id))
    }

    /// Asks to be told when a workspace is deleted, or unloaded without having been stored. Called for as long as the
    /// hub lives; must not block.
    pub fn on_workspace_gone(&self, hook: GoneHook) {
        self.gone_hooks().write().push(hook);
    }

    pub(crate) fn workspace_gone(&self, id: &WorkspaceId) {
        for hook in self.gone_hooks().read().iter() {
            hook(id);
        }
    }
}

fn access_to(info: &WorkspaceInfo, user: &UserInfo, id: WorkspaceId) -> WorkspaceAccess {
    // A token for another workspace gets nothing by its bearer's owning this one.
    let pinned = user.scope.current_workspace.as_deref();
    let is_elsewhere = pinned.is_some_and(|pinned| pinned != id.as_str());
    let permission = if is_elsewhere {
        effective(user, id.as_str())
    } else {
        let scope = scope_for_workspace(user, &id, &info.owners, None);
        let joined = UserInfo {
            scope,
            ..user.clone()
        };
        effective(&joined, id.as_str())
    };
    WorkspaceAccess {
        permission,
        persistent: info.persistent,
        read_only: info.read_only,
        id,
    }
}
