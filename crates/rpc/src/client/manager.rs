//! The hub's workspace manager.

use std::future::Future;

use hypha_wire::{Method, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::args;
use crate::error::Error;
use crate::into_args::IntoArgs;
use crate::peer::{CallOptions, Peer};
use crate::scope;

/// The hub's workspace manager, as this client sees it. Anything it offers can be [`call`](Self::call)ed; the common
/// functions have methods.
#[derive(Clone, Debug)]
pub struct Manager {
    peer: Peer,
}

/// The record of a service in the hub's registry.
#[derive(Clone, Debug, Deserialize)]
pub struct ServiceInfo {
    /// `workspace/client:service`.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub name: Option<String>,
    /// The type, `generic` by default.
    #[serde(default, rename = "type")]
    pub service_type: Option<String>,
    /// In a sentence or two.
    #[serde(default)]
    pub description: Option<String>,
    /// Longer documentation.
    #[serde(default)]
    pub docs: Option<Value>,
    /// The app it belongs to.
    #[serde(default)]
    pub app_id: Option<String>,
    /// Visibility, owner and the like.
    #[serde(default = "nil")]
    pub config: Value,
    /// The schema of each member.
    #[serde(default = "nil")]
    pub service_schema: Value,
}

fn nil() -> Value {
    Value::Nil
}

/// What a new token may do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenOptions {
    /// The workspace; the current one when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Its life time in seconds; an hour when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// `read`, `read_write` (when `None`) or `admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// The only client id it may be used with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

impl Manager {
    pub(super) fn new(peer: Peer) -> Self {
        Self { peer }
    }

    /// Calls a function of the manager by name.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call<T: DeserializeOwned>(
        &self,
        function: &str,
        args: impl IntoArgs,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let target = self.peer.manager_address();
        let call = target.map(|target| {
            let method = Method {
                target: target.to_string(),
                path: format!("services.default.{function}"),
                name: Some(function.to_owned()),
                ..Method::default()
            };
            self.peer.call(&method, args, &CallOptions::default())
        });
        async move {
            let call = call.ok_or_else(|| Error::Config("the hub has no workspace manager".to_owned()))?;
            Ok(scope::decode(&self.peer, None, call.await?)?)
        }
    }

    /// Lists services: of a workspace, of a client, by a map of conditions, or all of the current workspace for `()`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_services(&self, query: &(impl Serialize + Sync)) -> Result<Vec<ServiceInfo>, Error> {
        self.call("list_services", (query,)).await
    }

    /// The record of a service.
    ///
    /// # Errors
    /// A `KeyError` when there is none.
    pub async fn get_service_info(&self, id: &str) -> Result<ServiceInfo, Error> {
        self.call("get_service_info", (id,)).await
    }

    /// Registers a record of a service of this client.
    pub(super) async fn register_service(&self, info: Value) -> Result<(), Error> {
        self.call::<Value>("register_service", (info,)).await.map(|_| ())
    }

    /// The clients of the current workspace.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_clients(&self) -> Result<Vec<Value>, Error> {
        self.call("list_clients", ()).await
    }

    /// Makes a token.
    ///
    /// # Errors
    /// A `PermissionError` when it asks for more than this client may give.
    pub async fn generate_token(&self, options: &TokenOptions) -> Result<String, Error> {
        self.call("generate_token", (options,)).await
    }

    /// Makes a token useless before it expires.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn revoke_token(&self, token: &str) -> Result<(), Error> {
        self.call::<Value>("revoke_token", (token,)).await.map(|_| ())
    }

    /// Makes a workspace; `config` has at least an `id` or a `name`.
    ///
    /// # Errors
    /// The name is malformed or taken, or the user may not.
    pub async fn create_workspace(
        &self,
        config: &(impl Serialize + Sync),
        overwrite: bool,
    ) -> Result<Value, Error> {
        self.call("create_workspace", args![config, overwrite = overwrite])
            .await
    }

    /// Deletes a workspace and everything in it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_workspace(&self, workspace: &str) -> Result<(), Error> {
        self.call::<Value>("delete_workspace", (workspace,))
            .await
            .map(|_| ())
    }

    /// The workspaces this client may read.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_workspaces(&self) -> Result<Vec<Value>, Error> {
        self.call("list_workspaces", ()).await
    }

    /// Subscribes this connection to kinds of broadcast events. It ends with the connection; the client's own
    /// [`subscribe`](crate::Client::subscribe) does not.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn subscribe(&self, kinds: &[&str]) -> Result<(), Error> {
        self.call::<Value>("subscribe", (kinds,)).await.map(|_| ())
    }

    /// Ends subscriptions.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unsubscribe(&self, kinds: &[&str]) -> Result<(), Error> {
        self.call::<Value>("unsubscribe", (kinds,)).await.map(|_| ())
    }
}
