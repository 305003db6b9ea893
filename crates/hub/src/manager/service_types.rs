//! Service types: what a service of some kind has to offer.

use hypha_rpc::RemoteFailure;

use super::{Manager, Result, denied};
use crate::auth::Permission;
use crate::caller::Caller;
use crate::workspace::ServiceTypeInfo;

/// Types that a workspace may have.
const MAX_TYPES: usize = 1000;

impl Manager {
    pub(super) async fn add_service_type(
        &self,
        caller: &Caller,
        mut info: ServiceTypeInfo,
    ) -> Result<ServiceTypeInfo> {
        caller.require(Permission::ReadWrite)?;
        if let Some((workspace, id)) = info.id.split_once('/') {
            if workspace != caller.workspace() {
                return Err(denied(workspace));
            }
            info.id = id.to_owned();
        }
        if info.id.is_empty() || info.id.len() > 128 || info.id.contains(['/', ':', '*']) {
            return Err(RemoteFailure::value(format!(
                "Invalid service type id: {:?}",
                info.id
            )));
        }
        self.hub
            .update_workspace(caller.current(), |workspace| {
                if workspace.service_types.contains_key(&info.id) {
                    return Err(RemoteFailure::key(format!(
                        "Service type already exists: {}",
                        info.id
                    )));
                }
                if workspace.service_types.len() >= MAX_TYPES {
                    return Err(RemoteFailure::runtime(format!(
                        "A workspace may have {MAX_TYPES} service types"
                    )));
                }
                workspace.service_types.insert(info.id.clone(), info.clone());
                Ok(info)
            })
            .await
    }

    pub(super) async fn service_type(&self, caller: &Caller, id: &str) -> Result<ServiceTypeInfo> {
        let (workspace, name) = id.split_once('/').unwrap_or((caller.workspace(), id));
        let info = self.hub.workspace_info(workspace).await?;
        let found = info.and_then(|mut info| info.service_types.remove(name));
        let is_public =
            |one: &ServiceTypeInfo| one.config.get("visibility").is_some_and(|word| word == "public");
        if !found.as_ref().is_some_and(is_public) {
            caller.require_on(workspace, Permission::Read)?;
        }
        let mut found = found.ok_or_else(|| RemoteFailure::key(format!("Service type not found: {id}")))?;
        found.id = format!("{workspace}/{name}");
        Ok(found)
    }

    pub(super) async fn service_types(
        &self,
        caller: &Caller,
        workspace: Option<String>,
    ) -> Result<Vec<ServiceTypeInfo>> {
        let id = workspace.as_deref().unwrap_or(caller.workspace());
        caller.require_on(id, Permission::Read)?;
        let info = self.hub.workspace_info(id).await?;
        Ok(info
            .map(|info| info.service_types.into_values().collect())
            .unwrap_or_default())
    }
}
