//! How workspaces come into memory and leave it.
//!
//! A workspace is loaded when somebody joins it, and unloaded when its last client has left. Persistent ones stay in
//! the store; others exist only here, and all that belongs to them goes with them.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::UserInfo;
use crate::durable::{CreateOutcome, DurableError, WorkspaceRecord};
use crate::events;
use crate::hub::Hub;
use crate::ids::WorkspaceId;
use crate::registry::{BUILT_IN, ServiceRecord};
use crate::workspace::{Status, Workspace, WorkspaceInfo};

/// Users that nobody has to be: their workspaces are made for the time of a visit.
const ANONYMOUS_HOME: &str = "ws-user-anonymouz-";

/// Why a workspace cannot be joined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// Nobody has it, or not for this user. The quotes are how clients have always seen it.
    #[error("'Workspace {0} does not exist or is not accessible'")]
    NotFound(String),
    #[error(transparent)]
    Store(#[from] DurableError),
}

impl Hub {
    /// Reads the record of a persistent workspace.
    pub(crate) async fn stored_workspace(&self, id: &str) -> Result<Option<WorkspaceInfo>, DurableError> {
        let Some(record) = self.store().workspace(id).await? else {
            return Ok(None);
        };
        let info = serde_json::from_value(record.info)
            .map_err(|error| DurableError::Corrupt(format!("workspace {id}: {error}")))?;
        Ok(Some(info))
    }

    /// Writes the record of a persistent workspace.
    pub(crate) async fn save_workspace(&self, info: &WorkspaceInfo) -> Result<(), DurableError> {
        self.store().put_workspace(&record(info)?).await
    }

    /// The info of a workspace, loaded or stored.
    pub(crate) async fn workspace_info(&self, id: &str) -> Result<Option<WorkspaceInfo>, DurableError> {
        match self.workspace(id) {
            Some(workspace) => Ok(Some(workspace.info.read().clone())),
            None => self.stored_workspace(id).await,
        }
    }

    /// Finds, loads or creates the workspace that `user` asks for. A user's own workspace is made on first use.
    pub(crate) async fn load_or_create(
        &self,
        user: &UserInfo,
        id: &WorkspaceId,
    ) -> Result<Arc<Workspace>, LoadError> {
        if let Some(workspace) = self.workspace(id.as_str()) {
            return Ok(workspace);
        }
        if let Some(info) = self.stored_workspace(id.as_str()).await? {
            return Ok(self.put_in_memory(id, info));
        }
        if user.home() != id.as_str() {
            return Err(LoadError::NotFound(id.to_string()));
        }
        let owner = if user.is_anonymous {
            user.home()
        } else {
            user.id.clone()
        };
        let mut info = WorkspaceInfo {
            id: id.to_string(),
            name: id.to_string(),
            description: Some(
                if user.is_anonymous {
                    "Anonymous workspace"
                } else {
                    "User workspace"
                }
                .into(),
            ),
            persistent: !user.is_anonymous && !id.as_str().starts_with(ANONYMOUS_HOME),
            owners: vec![owner],
            read_only: user.is_anonymous,
            ..Default::default()
        };
        if info.persistent {
            info.owners.push("root".into());
            // Several first connections of a user at once all succeed: whoever comes second finds the record.
            if self.store().create_workspace(&record(&info)?, None).await? == CreateOutcome::Exists {
                info = self.stored_workspace(id.as_str()).await?.unwrap_or(info);
            }
        }
        Ok(self.put_in_memory(id, info))
    }

    /// Makes a workspace usable. If somebody else has just done so, theirs is returned.
    pub(crate) fn put_in_memory(&self, id: &WorkspaceId, info: WorkspaceInfo) -> Arc<Workspace> {
        let info = WorkspaceInfo {
            status: Some(Status::READY),
            ..info
        };
        self.workspaces()
            .entry(id.clone())
            .or_insert_with(|| Workspace::new(info, id.clone()))
            .value()
            .clone()
    }

    /// Tells the workspace that a client has gone with these services.
    pub(crate) fn announce_removal(
        &self,
        workspace: &Workspace,
        client: &str,
        removed: &[Arc<ServiceRecord>],
    ) {
        let existed = removed.iter().any(|record| &*record.name == BUILT_IN);
        for record in removed.iter().filter(|record| &*record.name != BUILT_IN) {
            events::emit(workspace, "service_removed", record.info());
        }
        if existed {
            events::emit_client(workspace, "client_disconnected", client);
        }
    }

    /// Unloads a workspace that has no client left, at once or after the grace period.
    pub(crate) fn unload_if_empty(&self, workspace: &Arc<Workspace>) {
        if workspace.id.is_protected() || workspace.connection_count() > 0 {
            return;
        }
        let grace = self.options().workspace_unload_grace_period;
        if grace <= 0.0 || self.is_draining() {
            self.unload_now(workspace);
            return;
        }
        let (hub, workspace) = (self.clone(), workspace.clone());
        self.tasks().spawn(async move {
            tokio::time::sleep(Duration::from_secs_f64(grace.min(86_400.0))).await;
            hub.unload_now(&workspace);
        });
    }

    /// Takes an empty workspace out of memory. Does nothing if somebody has joined it meanwhile.
    fn unload_now(&self, workspace: &Arc<Workspace>) {
        {
            let mut members = workspace.members.write();
            if members.closed || members.peers.values().any(|peer| peer.connection().is_some()) {
                return;
            }
            members.closed = true;
        }
        self.workspaces().remove_if(workspace.id.as_str(), |_, current| {
            Arc::ptr_eq(current, workspace)
        });
        self.queues().forget(workspace.id.as_str());
        if !workspace.info.read().persistent {
            self.workspace_gone(&workspace.id);
        }
        tracing::debug!(workspace = %workspace.id, "workspace unloaded");
    }

    /// Whether this is the workspace that its id means, not one that was deleted or unloaded.
    fn is_loaded(&self, workspace: &Workspace) -> bool {
        self.workspace(workspace.id.as_str())
            .is_some_and(|current| std::ptr::eq(&*current, workspace))
    }

    /// Changes the info of a loaded workspace; acknowledged when it is stored.
    ///
    /// The change is applied to a copy, stored, and only then seen by others.
    pub(crate) async fn update_workspace<T, E: From<DurableError>>(
        &self,
        workspace: &Workspace,
        change: impl FnOnce(&mut WorkspaceInfo) -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = workspace.writing.lock().await;
        if !self.is_loaded(workspace) {
            let text = format!("workspace {} was deleted or unloaded meanwhile", workspace.id);
            return Err(DurableError::Unavailable(text).into());
        }
        let mut info = workspace.info.read().clone();
        let result = change(&mut info)?;
        if info.persistent {
            self.save_workspace(&info).await?;
        }
        *workspace.info.write() = info.clone();
        // Values of the environment are secrets of those who may write.
        let data = hypha_wire::to_value(&info.redacted()).unwrap_or(hypha_wire::Value::Nil);
        events::emit(workspace, "workspace_changed", data);
        Ok(result)
    }
}

/// The stored form of a workspace; its status belongs to the process.
pub(crate) fn record(info: &WorkspaceInfo) -> Result<WorkspaceRecord, DurableError> {
    let info = WorkspaceInfo {
        status: None,
        ..info.clone()
    };
    let corrupt = |error: &dyn std::fmt::Display| DurableError::Corrupt(error.to_string());
    let dump = serde_json::to_value(&info).map_err(|error| corrupt(&error))?;
    Ok(WorkspaceRecord {
        id: WorkspaceId::parse(&info.id).map_err(|error| corrupt(&error))?,
        owners: info.owners.clone(),
        info: dump,
    })
}
