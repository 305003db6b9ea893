//! Listing workspaces and reading their info.

use std::collections::BTreeMap;

use hypha_rpc::{RemoteFailure, Value};

use super::{Manager, Result, denied};
use crate::auth::Permission;
use crate::auth::permission::may_act_as_owner;
use crate::caller::Caller;
use crate::durable::{DurableError, WorkspaceQuery};
use crate::workspace::{Status, WorkspaceInfo};

/// Records read from the store at a time.
const PAGE: u32 = 500;

impl Manager {
    pub(super) async fn workspace_info(
        &self,
        caller: &Caller,
        workspace: Option<String>,
    ) -> Result<WorkspaceInfo> {
        caller.require(Permission::Read)?;
        let id = workspace.as_deref().unwrap_or(caller.workspace());
        let info = self.hub.workspace_info(id).await?;
        let owned = info
            .as_ref()
            .is_some_and(|info| may_act_as_owner(caller.user(), &info.id, &info.owners));
        if !owned && !caller.may(id, Permission::Read) {
            return Err(denied(id));
        }
        let missing = || RemoteFailure::key(format!("Workspace {id} does not exist or is not accessible"));
        let info = info.ok_or_else(missing)?;
        let may_write = owned || caller.may(id, Permission::ReadWrite);
        Ok(if may_write { info } else { info.redacted() })
    }

    pub(super) async fn workspaces(
        &self,
        caller: &Caller,
        wanted: Option<Value>,
        offset: i64,
        limit: i64,
    ) -> Result<Value> {
        caller.require(Permission::Read)?;
        let offset = usize::try_from(offset)
            .map_err(|_| RemoteFailure::value("Offset number must be greater than or equal to 0"))?;
        if !(1..=256).contains(&limit) {
            return Err(RemoteFailure::value(
                "Limit must be greater than 0 and less than 256",
            ));
        }
        let wanted = match wanted.as_ref() {
            None | Some(Value::Nil) => &[],
            Some(Value::Map(entries)) => entries.as_slice(),
            Some(_) => return Err(RemoteFailure::type_error("Argument 'match' must be a map")),
        };
        let visible = self.visible(caller).await?;
        let rows = visible
            .into_values()
            .map(|info| {
                Value::Map(vec![
                    ("id".into(), Value::from(info.id.as_str())),
                    ("name".into(), Value::from(info.id.as_str())),
                    (
                        "description".into(),
                        info.description.map_or(Value::Nil, Value::from),
                    ),
                    ("read_only".into(), Value::Bool(info.read_only)),
                    ("persistent".into(), Value::Bool(info.persistent)),
                    ("owners".into(), Value::from(info.owners)),
                ])
            })
            .filter(|row| wanted.iter().all(|(key, value)| row.get(key) == Some(value)));
        Ok(Value::List(
            rows.skip(offset).take(limit.unsigned_abs() as usize).collect(),
        ))
    }

    /// The workspaces that the caller may read or owns with a token of its own, by id.
    async fn visible(&self, caller: &Caller) -> Result<BTreeMap<String, WorkspaceInfo>, DurableError> {
        let user = caller.user();
        let mut visible = BTreeMap::new();
        for workspace in self.hub.loaded() {
            let info = workspace.info.read();
            let id = workspace.id.as_str();
            if id != "*" && (caller.may(id, Permission::Read) || may_act_as_owner(user, id, &info.owners)) {
                visible.insert(id.to_owned(), info.clone());
            }
        }
        if caller.may("*", Permission::Read) {
            self.add_stored(None, &mut visible).await?;
            return Ok(visible);
        }
        // A child token may do what its scope says, not what its parent owns.
        let owners = [Some(user.id.as_str()), user.email.as_deref()];
        for owner in owners.into_iter().flatten().filter(|_| user.parent.is_none()) {
            self.add_stored(Some(owner), &mut visible).await?;
        }
        for id in user.scope.workspaces.keys() {
            if !visible.contains_key(id)
                && let Some(info) = self.hub.stored_workspace(id).await?
            {
                visible.insert(id.clone(), info);
            }
        }
        Ok(visible)
    }

    async fn add_stored(
        &self,
        owner: Option<&str>,
        found: &mut BTreeMap<String, WorkspaceInfo>,
    ) -> Result<(), DurableError> {
        let mut after: Option<String> = None;
        loop {
            let query = WorkspaceQuery {
                owner,
                after: after.as_deref(),
                limit: PAGE,
            };
            let records = self.hub.store().workspaces(query).await?;
            let is_last = records.len() < PAGE as usize;
            for record in records {
                let info = serde_json::from_value(record.info)
                    .map_err(|error| DurableError::Corrupt(format!("workspace {}: {error}", record.id)))?;
                after = Some(record.id.to_string());
                found.entry(record.id.to_string()).or_insert(WorkspaceInfo {
                    status: None::<Status>,
                    ..info
                });
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
