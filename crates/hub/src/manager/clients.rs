//! The clients of a workspace: list, ping, remove those that are gone.

use std::time::Duration;

use futures_util::StreamExt;
use hypha_rpc::{RemoteFailure, Value};

use super::{Manager, Result};
use crate::auth::{Permission, effective};
use crate::caller::Caller;
use crate::outbox::CloseReason;
use crate::registry::BUILT_IN;

/// Pings that are out at once.
const PINGS: usize = 50;
/// Longest time that one ping may be made to wait, in seconds.
const MAX_PING: f64 = 60.0;

impl Manager {
    pub(super) fn clients(&self, caller: &Caller, workspace: Option<String>) -> Result<Value> {
        let id = workspace.as_deref().unwrap_or(caller.workspace());
        caller.require_on(id, Permission::Read)?;
        let Some(workspace) = self.hub.workspace(id) else {
            return Ok(Value::List(vec![]));
        };
        let services = workspace.services.read();
        let clients = services.named(BUILT_IN).map(|record| {
            let user = record
                .info_tree()
                .get("config")
                .and_then(|config| config.get("created_by").cloned());
            Value::Map(vec![
                (
                    "id".into(),
                    Value::from(format!("{}/{}", record.workspace, record.client)),
                ),
                ("user".into(), user.unwrap_or(Value::Nil)),
            ])
        });
        Ok(Value::List(clients.collect()))
    }

    pub(super) async fn ping_client(&self, caller: &Caller, client: &str, timeout: f64) -> Result<String> {
        let address = match client.split_once('/') {
            Some((workspace, _)) => {
                caller.require_on(workspace, Permission::Read)?;
                client.to_owned()
            }
            None => format!("{}/{client}", caller.workspace()),
        };
        Ok(match self.hub.probe(&address, ping_timeout(timeout)).await {
            Ok(()) => "pong".into(),
            Err(error) => format!("Failed to ping client {address}: {error}"),
        })
    }

    pub(super) async fn remove_silent(
        &self,
        caller: &Caller,
        workspace: Option<String>,
        timeout: f64,
    ) -> Result<Value> {
        caller.require(Permission::Admin)?;
        let id = workspace.as_deref().unwrap_or(caller.workspace());
        caller.require_on(id, Permission::Admin)?;
        let Some(workspace) = self.hub.workspace(id) else {
            return Err(RemoteFailure::key(format!(
                "Workspace {id} does not exist or is not accessible"
            )));
        };
        let timeout = ping_timeout(timeout);
        let own = caller.connection().ok().map(|own| own.generation);
        let connections = workspace
            .connections()
            .into_iter()
            .filter(|one| Some(one.generation) != own);
        let mut removed: Vec<Value> = futures_util::stream::iter(connections)
            .map(|connection| async move {
                let answer = self.hub.probe(connection.address(), timeout).await;
                answer.is_err().then_some(connection)
            })
            .buffer_unordered(PINGS)
            .filter_map(|silent| async move { silent })
            .map(|silent| {
                silent.close(&CloseReason::new(1001, "No answer to a ping"));
                self.hub.disconnected(&silent);
                Value::from(silent.address())
            })
            .collect()
            .await;
        let mut answer = Value::empty_map();
        let is_temporary = !workspace.info.read().persistent && !workspace.id.is_protected();
        if is_temporary && workspace.connection_count() == 0 {
            self.hub.unload_if_empty(&workspace);
            answer.insert("removed_workspace", id);
            answer.insert("removed_clients", Value::List(removed));
        } else if !removed.is_empty() {
            answer.insert("removed_clients", Value::List(std::mem::take(&mut removed)));
        }
        Ok(answer)
    }

    pub(super) fn status(&self, caller: &Caller) -> Result<Value> {
        caller.require(Permission::Read)?;
        let permission = effective(caller.user(), caller.workspace());
        Ok(Value::Map(vec![
            ("status".into(), "ready".into()),
            ("errors".into(), Value::Nil),
            (
                "user_permission".into(),
                permission.map_or(Value::Nil, |level| level.as_str().into()),
            ),
        ]))
    }
}

fn ping_timeout(seconds: f64) -> Duration {
    Duration::from_secs_f64(if seconds.is_finite() {
        seconds.clamp(0.0, MAX_PING)
    } else {
        MAX_PING
    })
}
