//! `list_services` and the summary of a workspace.

use std::sync::Arc;

use hypha_rpc::{RemoteFailure, Value};

use super::access::{may_list, visible_info};
use super::{Manager, Result};
use crate::auth::Permission;
use crate::caller::Caller;
use crate::registry::{BUILT_IN, Query, QueryError};
use crate::workspace::Workspace;

impl Manager {
    pub(super) fn services(&self, caller: &Caller, query: &Value, include_unlisted: bool) -> Result<Value> {
        let current = caller.workspace();
        let query = Query::parse(query, current)?;
        match &query.workspace {
            None if query.asks_for_hidden() => {
                let text = "Cannot list protected or unlisted services in all workspaces.";
                return Err(RemoteFailure::assertion(text));
            }
            None if include_unlisted => {
                let text = "Cannot include unlisted services when searching all workspaces.";
                return Err(RemoteFailure::permission(text));
            }
            Some(workspace) if include_unlisted && workspace != current => {
                return Err(RemoteFailure::permission(format!(
                    "Cannot include unlisted services from workspace {workspace}. Only services from your current \
                     workspace ({current}) can include unlisted services."
                )));
            }
            _ if include_unlisted && !caller.may(current, Permission::Read) => {
                return Err(RemoteFailure::permission(format!(
                    "Cannot include unlisted services without read permission for workspace {current}."
                )));
            }
            _ => {}
        }
        let workspaces: Vec<Arc<Workspace>> = match &query.workspace {
            Some(pattern) if pattern.contains('*') => {
                let pattern = Query::workspace_pattern(pattern);
                self.hub
                    .loaded()
                    .into_iter()
                    .filter(|one| pattern.matches(one.id.as_str()))
                    .collect()
            }
            Some(workspace) => self.hub.workspace(workspace).into_iter().collect(),
            None => self.hub.loaded(),
        };
        let mut found = Vec::new();
        for workspace in workspaces {
            let services = workspace.services.read();
            found.extend(
                services
                    .search(&query)
                    .filter(|record| may_list(caller, record, include_unlisted))
                    .map(|record| visible_info(caller, record)),
            );
        }
        Ok(Value::List(found))
    }

    pub(super) fn summary(&self, caller: &Caller) -> Result<Value> {
        let workspace = caller.current();
        let info = workspace.info.read().clone();
        let services = workspace.services.read();
        let clients: Vec<Value> = services
            .named(BUILT_IN)
            .map(|one| Value::from(format!("{}/{}", one.workspace, one.client)))
            .collect();
        let listed: Vec<Value> = services
            .all()
            .filter(|record| may_list(caller, record, false))
            .map(|record| {
                let info = record.info_tree();
                let fields = ["id", "name", "type", "description", "config"];
                Value::Map(
                    fields
                        .into_iter()
                        .map(|field| (field.to_owned(), info.get(field).cloned().unwrap_or(Value::Nil)))
                        .collect(),
                )
            })
            .collect();
        Ok(Value::Map(vec![
            ("name".into(), Value::from(info.name)),
            (
                "description".into(),
                info.description.map_or(Value::Nil, Value::from),
            ),
            ("client_count".into(), Value::from(clients.len() as u64)),
            ("clients".into(), Value::List(clients)),
            ("service_count".into(), Value::from(listed.len() as u64)),
            ("services".into(), Value::List(listed)),
        ]))
    }
}

impl From<QueryError> for RemoteFailure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::BothIds => Self::assertion(error.to_string()),
            QueryError::NotText(_) | QueryError::Form => Self::type_error(error.to_string()),
            _ => Self::value(error.to_string()),
        }
    }
}
