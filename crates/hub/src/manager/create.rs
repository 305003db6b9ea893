//! Creating and deleting workspaces.

use dashmap::Entry;
use hypha_rpc::{RemoteFailure, Value};

use super::{Manager, Result};
use crate::auth::permission::may_act_as_owner;
use crate::auth::{Permission, UserInfo};
use crate::caller::Caller;
use crate::durable::{CreateOutcome, OwnerQuota};
use crate::events;
use crate::ids::{IdError, WorkspaceId, validate_new_workspace_id};
use crate::outbox::CloseReason;
use crate::workspace::lifecycle::record;
use crate::workspace::{Status, Workspace, WorkspaceInfo};

impl Manager {
    pub(super) async fn create(
        &self,
        caller: &Caller,
        mut info: WorkspaceInfo,
        overwrite: bool,
    ) -> Result<WorkspaceInfo> {
        let user = caller.user();
        if user.is_anonymous {
            return Err(RemoteFailure::permission(
                "Only registered user can create workspace.",
            ));
        }
        caller.require_own_hand()?;
        complete(&mut info, user);
        let id = validate_new_workspace_id(&info.id, &user.id)?;
        let existing = self.hub.workspace_info(id.as_str()).await?;
        if let Some(existing) = &existing {
            if !overwrite {
                return Err(RemoteFailure::runtime(format!("Workspace already exists: {id}")));
            }
            let allowed = user.is_root()
                || caller.may(id.as_str(), Permission::Admin)
                || may_act_as_owner(user, id.as_str(), &existing.owners);
            if !allowed {
                let text = format!(
                    "Permission denied: user {} cannot overwrite workspace {id}",
                    user.id
                );
                return Err(RemoteFailure::permission(text));
            }
        }
        if existing.is_some() {
            let loaded = self.hub.workspace(id.as_str());
            let _turn = match &loaded {
                Some(workspace) => Some(workspace.writing.lock().await),
                None => None,
            };
            self.replace_stored(&id, &info).await?;
            if let Some(workspace) = &loaded {
                *workspace.info.write() = WorkspaceInfo {
                    status: Some(Status::READY),
                    ..info.clone()
                };
            }
        } else {
            // Whoever puts its entry in first has the name, whatever the others are about to store.
            if !self.hub.reserve(&id, &info) {
                return Err(RemoteFailure::runtime(format!("Workspace already exists: {id}")));
            }
            if let Err(error) = self.store_new(user, &id, &info).await {
                self.hub.evict(&id);
                return Err(error);
            }
        }
        info.status = Some(Status::READY);
        self.announce(user, &info).await;
        Ok(info)
    }

    /// Writes the record of a workspace that exists already; a temporary one has none.
    async fn replace_stored(&self, id: &WorkspaceId, info: &WorkspaceInfo) -> Result<()> {
        if info.persistent {
            self.hub.save_workspace(info).await?;
        } else {
            self.hub.store().delete_workspace(id.as_str()).await?;
        }
        Ok(())
    }

    /// Writes the record, within the quota of its owner, unless somebody else has just taken the id.
    async fn store_new(&self, user: &UserInfo, id: &WorkspaceId, info: &WorkspaceInfo) -> Result<()> {
        let (owner, max) = (user.attribution(), self.hub.options().limits.workspaces_per_user);
        let exceeded = |owned: u64| {
            Err(RemoteFailure::runtime(format!(
                "Workspace quota exceeded: user {owner} already owns {owned} workspaces (max {max}). Delete unused \
                 workspaces before creating new ones."
            )))
        };
        let temporary = self.hub.loaded().into_iter().filter(|one| {
            let info = one.info.read();
            // The name itself is reserved by now.
            one.id != *id && !info.persistent && info.owners.iter().any(|one| one == owner)
        });
        let temporary = temporary.count() as u64;
        if info.persistent {
            let left = (max as u64).saturating_sub(temporary);
            let quota = (!user.is_root()).then_some(OwnerQuota { owner, max: left });
            match self.hub.store().create_workspace(&record(info)?, quota).await? {
                CreateOutcome::Created => {}
                CreateOutcome::Exists => {
                    return Err(RemoteFailure::runtime(format!("Workspace already exists: {id}")));
                }
                CreateOutcome::QuotaExceeded { owned } => return exceeded(owned + temporary),
            }
        } else if !user.is_root() {
            let owned = self.hub.store().count_workspaces(owner).await? + temporary;
            if owned >= max as u64 {
                return exceeded(owned);
            }
        }
        Ok(())
    }

    /// Tells the creator's personal workspace, and bookmarks the new one there. The workspace exists either way.
    async fn announce(&self, user: &UserInfo, info: &WorkspaceInfo) {
        let event = hypha_wire::to_value(&info.redacted()).unwrap_or(Value::Nil);
        if let Some(home) = self.hub.workspace(&format!("ws-user-{}", user.attribution())) {
            events::emit(&home, "workspace_loaded", event);
        }
        let bookmark = super::bookmarks::of_workspace(info);
        if let Err(error) = self.hub.save_bookmark(user, bookmark).await {
            tracing::warn!(%error, workspace = info.id, "a new workspace was not bookmarked");
        }
    }

    pub(super) async fn delete(&self, caller: &Caller, id: &str) -> Result<()> {
        let user = caller.user();
        let Some(info) = self.hub.workspace_info(id).await? else {
            return Err(RemoteFailure::key(format!(
                "Workspace {id} does not exist or is not accessible"
            )));
        };
        if !caller.may(id, Permission::Admin) && !may_act_as_owner(user, id, &info.owners) {
            return Err(super::denied(id));
        }
        let workspace_id = WorkspaceId::parse(id).map_err(|error| RemoteFailure::value(error.to_string()))?;
        if workspace_id.is_protected() {
            return Err(RemoteFailure::permission(format!(
                "Workspace {id} belongs to the server and cannot be deleted"
            )));
        }
        // After changes that are being stored, and before those that wait: they find it gone.
        let loaded = self.hub.workspace(id);
        let _turn = match &loaded {
            Some(workspace) => Some(workspace.writing.lock().await),
            None => None,
        };
        self.hub.store().delete_workspace(id).await?;
        self.hub.evict(&workspace_id);
        if info.persistent {
            self.hub.workspace_gone(&workspace_id);
        }
        let event = hypha_wire::to_value(&info.redacted()).unwrap_or(Value::Nil);
        if let Some(home) = self.hub.workspace(&format!("ws-user-{}", user.attribution())) {
            events::emit(&home, "workspace_deleted", event);
        }
        self.hub.drop_bookmark(user, "workspace", id).await?;
        Ok(())
    }
}

/// Fills in what a caller may leave out, and makes the caller an owner.
fn complete(info: &mut WorkspaceInfo, user: &UserInfo) {
    if info.id.is_empty() {
        info.id = info.name.clone();
    }
    if info.name.is_empty() {
        info.name = info.id.clone();
    }
    info.r#type = "workspace".into();
    info.status = None;
    info.owners.retain(|owner| !owner.trim().is_empty());
    if !info.owned_by(user) {
        info.owners.push(user.attribution().to_owned());
    }
}

impl crate::hub::Hub {
    /// Puts a new workspace into memory, unless there is one with its id.
    fn reserve(&self, id: &WorkspaceId, info: &WorkspaceInfo) -> bool {
        match self.workspaces().entry(id.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                let info = WorkspaceInfo {
                    status: Some(Status::READY),
                    ..info.clone()
                };
                entry.insert(Workspace::new(info, id.clone()));
                true
            }
        }
    }

    /// Takes a workspace out of memory with all its clients.
    pub(crate) fn evict(&self, id: &WorkspaceId) {
        let Some((_, workspace)) = self.workspaces().remove(id.as_str()) else {
            return;
        };
        workspace.members.write().closed = true;
        self.queues().forget(id.as_str());
        if !workspace.info.read().persistent {
            self.workspace_gone(id);
        }
        for connection in workspace.connections() {
            connection.close(&CloseReason::new(1001, format!("Workspace unloaded: {id}")));
        }
    }
}

impl From<IdError> for RemoteFailure {
    fn from(error: IdError) -> Self {
        Self::value(error.to_string())
    }
}
