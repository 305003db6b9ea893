//! Environment values of a workspace: secrets and settings for those who may write in it.

use hypha_rpc::RemoteFailure;
use serde_json::{Map, Value as Json};

use super::{Manager, Result};
use crate::auth::Permission;
use crate::caller::Caller;

/// Entries that a workspace may have.
const MAX_ENTRIES: usize = 1000;
/// Longest key, in bytes.
const MAX_KEY: usize = 256;
/// Largest value, in bytes of its JSON.
const MAX_VALUE: usize = 256 * 1024;

impl Manager {
    pub(super) async fn put_env(&self, caller: &Caller, key: String, value: Option<Json>) -> Result<()> {
        caller.require(Permission::ReadWrite)?;
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(RemoteFailure::value(format!(
                "Environment keys have 1 to {MAX_KEY} bytes"
            )));
        }
        if value
            .as_ref()
            .is_some_and(|value| value.to_string().len() > MAX_VALUE)
        {
            return Err(RemoteFailure::value(format!(
                "Environment values have up to {MAX_VALUE} bytes of JSON"
            )));
        }
        let workspace = caller.current();
        self.hub
            .update_workspace(workspace, |info| {
                let environs = info
                    .config
                    .entry("environs")
                    .or_insert_with(|| Json::Object(Map::new()));
                let Json::Object(environs) = environs else {
                    return Err(RemoteFailure::runtime(
                        "config.environs of this workspace is not a map",
                    ));
                };
                match value.filter(|value| !value.is_null()) {
                    None => {
                        environs.remove(&key);
                    }
                    Some(_) if environs.len() >= MAX_ENTRIES && !environs.contains_key(&key) => {
                        let text = format!("A workspace may have {MAX_ENTRIES} environment values");
                        return Err(RemoteFailure::runtime(text));
                    }
                    Some(value) => {
                        environs.insert(key, value);
                    }
                }
                Ok(())
            })
            .await
    }

    pub(super) fn env(&self, caller: &Caller, key: Option<String>) -> Result<Json> {
        caller.require(Permission::ReadWrite)?;
        let info = caller.current().info.read();
        let environs = info.environs();
        match key {
            None => Ok(Json::Object(environs.cloned().unwrap_or_default())),
            Some(key) => environs.and_then(|all| all.get(&key)).cloned().ok_or_else(|| {
                let workspace = caller.workspace();
                RemoteFailure::key(format!(
                    "Environment variable '{key}' not found in workspace {workspace}"
                ))
            }),
        }
    }
}
