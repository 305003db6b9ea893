//! The workspace manager: the service behind `*/manager-<server id>`, through which clients register and find
//! services, and manage workspaces, tokens and events.
//!
//! This file is its surface: names, parameters and documentation as clients see them. The work is in the modules.

mod access;
mod bookmarks;
mod case;
mod clients;
mod create;
mod environment;
mod event_log;
mod fetch;
mod find;
mod listing;
mod register;
mod service_types;
mod subscriptions;
mod tokens;
mod workspaces;

use hypha_rpc::{CallContext, RemoteFailure, ServiceSpec, Value};
use serde_json::Value as Json;

use crate::auth::{Permission, TokenConfig};
use crate::caller::Caller;
use crate::hub::Hub;
use crate::workspace::{ServiceTypeInfo, WorkspaceInfo};

use crate::caller::denied;

type Result<T, E = RemoteFailure> = std::result::Result<T, E>;

/// See the module documentation.
pub(crate) struct Manager {
    hub: Hub,
}

impl Manager {
    pub(crate) fn new(hub: Hub) -> Self {
        Self { hub }
    }

    /// The config of the service carries what clients want to know about the server.
    fn describe_server(&self, spec: &mut ServiceSpec) {
        let options = self.hub.options();
        let issuer = self.hub.authenticator().issuer();
        let login = format!("{}/public/services/hypha-login", options.public_base_url);
        let entries = [
            ("server_id", options.server_id.as_str()),
            ("hypha_version", crate::COMPATIBLE_VERSION),
            ("server_version", env!("CARGO_PKG_VERSION")),
            ("public_base_url", &options.public_base_url),
            ("local_base_url", &options.local_base_url),
            ("auth0_audience", issuer.audience()),
            ("auth0_issuer", issuer.issuer()),
            ("login_service_url", &login),
        ];
        spec.config
            .extra
            .extend(entries.map(|(key, value)| (key.to_owned(), Value::from(value))));
    }
}

#[hypha_rpc::service(
    id = "default",
    name = "Default workspace management service",
    description = "Services for managing workspace.",
    visibility = "public",
    require_context,
    customize = describe_server
)]
#[expect(clippy::too_many_arguments, reason = "the parameters are the protocol's")]
impl Manager {
    /// Answer with the data that was sent, to test the connection.
    pub async fn echo(&self, ctx: &CallContext, data: Value) -> Result<Value> {
        Caller::of(ctx)?.require(Permission::ReadWrite)?;
        Ok(data)
    }

    /// Log a message as an event of type `log` of the current workspace.
    pub async fn log(&self, ctx: &CallContext, msg: Value) -> Result<()> {
        self.append_event(&Caller::of(ctx)?, "log", &msg).await
    }

    /// Log an event of the current workspace. The type must not contain spaces; the data is anything that JSON can express.
    pub async fn log_event(&self, ctx: &CallContext, event_type: String, data: Option<Value>) -> Result<()> {
        self.append_event(&Caller::of(ctx)?, &event_type, &data.unwrap_or(Value::Nil))
            .await
    }

    /// Count the events that you logged in the current workspace, by type. Times are ISO 8601, both bounds included.
    pub async fn get_event_stats(
        &self,
        ctx: &CallContext,
        event_type: Option<String>,
        start_time: Option<Value>,
        end_time: Option<Value>,
    ) -> Result<Value> {
        self.event_stats(&Caller::of(ctx)?, event_type, start_time, end_time)
            .await
    }

    /// Read the events that you logged in the current workspace, oldest first. Times are ISO 8601, both bounds included.
    pub async fn get_events(
        &self,
        ctx: &CallContext,
        event_type: Option<String>,
        start_time: Option<Value>,
        end_time: Option<Value>,
        limit: Option<u32>,
        #[arg(default = 0u32)] offset: u32,
    ) -> Result<Value> {
        let page = (limit.unwrap_or(event_log::MAX_PAGE), offset);
        self.events(&Caller::of(ctx)?, event_type, start_time, end_time, page)
            .await
    }

    /// Register a service of the calling client in its workspace. Clients call this for each of their services.
    pub async fn register_service(
        &self,
        ctx: &CallContext,
        service: Value,
        config: Option<Value>,
    ) -> Result<()> {
        let _ = config;
        self.register(&Caller::of(ctx)?, &service)
    }

    /// Remove a service from the current workspace.
    pub async fn unregister_service(&self, ctx: &CallContext, service_id: String) -> Result<()> {
        self.unregister(&Caller::of(ctx)?, &service_id)
    }

    /// List the workspaces that you may read or own. `match` selects by equal fields.
    pub async fn list_workspaces(
        &self,
        ctx: &CallContext,
        r#match: Option<Value>,
        #[arg(default = 0)] offset: i64,
        #[arg(default = 256)] limit: i64,
    ) -> Result<Value> {
        self.workspaces(&Caller::of(ctx)?, r#match, offset, limit).await
    }

    /// List services. The query is null (the current workspace), a workspace (`*`: all), `workspace/service`,
    /// `workspace/client:service`, `client:service`, or a map with any of visibility, workspace, client_id, service_id,
    /// type, app_id; `*` in a part stands for any text.
    pub async fn list_services(
        &self,
        ctx: &CallContext,
        query: Option<Value>,
        #[arg(default = false)] include_unlisted: bool,
        #[arg(default = false)] include_app_services: bool,
        #[arg(default = false)] prioritize_running_services: bool,
    ) -> Result<Value> {
        let _ = (include_app_services, prioritize_running_services);
        self.services(&Caller::of(ctx)?, &query.unwrap_or(Value::Nil), include_unlisted)
    }

    /// Search services by meaning. Needs a server with service search enabled.
    pub async fn search_services(
        &self,
        ctx: &CallContext,
        query: Option<Value>,
        filters: Option<Value>,
        #[arg(default = 5u32)] limit: u32,
        #[arg(default = 0u32)] offset: u32,
        return_fields: Option<Value>,
        order_by: Option<String>,
        #[arg(default = false)] pagination: bool,
        #[arg(default = false)] include_unlisted: bool,
    ) -> Result<Value> {
        let _ = (
            query,
            filters,
            limit,
            offset,
            return_fields,
            order_by,
            pagination,
            include_unlisted,
        );
        Caller::of(ctx)?;
        Err(RemoteFailure::runtime("Service search is not enabled."))
    }

    /// List the clients of a workspace (the current one if not given).
    pub async fn list_clients(&self, ctx: &CallContext, workspace: Option<String>) -> Result<Value> {
        self.clients(&Caller::of(ctx)?, workspace)
    }

    /// Register a service type in the current workspace.
    pub async fn register_service_type(
        &self,
        ctx: &CallContext,
        type_info: ServiceTypeInfo,
    ) -> Result<ServiceTypeInfo> {
        self.add_service_type(&Caller::of(ctx)?, type_info).await
    }

    /// Get a service type by its id: `type` of the current workspace, or `workspace/type`.
    pub async fn get_service_type(&self, ctx: &CallContext, type_id: String) -> Result<ServiceTypeInfo> {
        self.service_type(&Caller::of(ctx)?, &type_id).await
    }

    /// List the service types of a workspace (the current one if not given).
    pub async fn list_service_types(
        &self,
        ctx: &CallContext,
        workspace: Option<String>,
    ) -> Result<Vec<ServiceTypeInfo>> {
        self.service_types(&Caller::of(ctx)?, workspace).await
    }

    /// Get the info of a service. The id is `[workspace/][client:]service[@app]`; config may set `mode`: exact, random,
    /// first, last, min_load, native:random or select:criteria:function.
    pub async fn get_service_info(
        &self,
        ctx: &CallContext,
        service_id: String,
        config: Option<Value>,
    ) -> Result<Value> {
        self.service_info(&Caller::of(ctx)?, &service_id, config.as_ref())
            .await
    }

    /// Get a service, with its functions. The id is `[workspace/][client:]service[@app]`; config may set `mode`,
    /// `timeout` (10 s), `case_conversion` (camel, snake, camel+snake) and `select_timeout` (2 s).
    pub async fn get_service(
        &self,
        ctx: &CallContext,
        service_id: String,
        config: Option<Value>,
    ) -> Result<Value> {
        self.fetch(&Caller::of(ctx)?, &service_id, config.as_ref()).await
    }

    /// Generate a token for a workspace. config: expires_in (seconds, 3600), workspace (the current one), permission
    /// (read, read_write or admin; read_write), extra_scopes, client_id (the only client that may use it), email.
    pub async fn generate_token(&self, ctx: &CallContext, config: Option<TokenConfig>) -> Result<String> {
        self.new_token(&Caller::of(ctx)?, config.unwrap_or_default())
            .await
    }

    /// Revoke a token: it is refused from now on.
    pub async fn revoke_token(&self, ctx: &CallContext, token: String) -> Result<()> {
        self.revoke(&Caller::of(ctx)?, &token).await
    }

    /// Show who a token stands for.
    pub async fn parse_token(&self, ctx: &CallContext, token: String) -> Result<Value> {
        self.read_token(&Caller::of(ctx)?, &token).await
    }

    /// Create a workspace. config needs id or name; persistent, description, owners and others are optional.
    pub async fn create_workspace(
        &self,
        ctx: &CallContext,
        config: WorkspaceInfo,
        #[arg(default = false)] overwrite: bool,
    ) -> Result<WorkspaceInfo> {
        self.create(&Caller::of(ctx)?, config, overwrite).await
    }

    /// Delete a workspace with all that belongs to it. Its clients are disconnected.
    pub async fn delete_workspace(&self, ctx: &CallContext, workspace: String) -> Result<()> {
        self.delete(&Caller::of(ctx)?, &workspace).await
    }

    /// Bookmark a workspace or a service in your personal workspace. item: bookmark_type (workspace or service) and id.
    pub async fn bookmark(&self, ctx: &CallContext, item: Value) -> Result<()> {
        self.add_bookmark(&Caller::of(ctx)?, &item).await
    }

    /// Remove a bookmark.
    pub async fn unbookmark(&self, ctx: &CallContext, item: Value) -> Result<()> {
        self.remove_bookmark(&Caller::of(ctx)?, &item).await
    }

    /// Get the info of a workspace (the current one if not given).
    pub async fn get_workspace_info(
        &self,
        ctx: &CallContext,
        workspace: Option<String>,
    ) -> Result<WorkspaceInfo> {
        self.workspace_info(&Caller::of(ctx)?, workspace).await
    }

    /// Summarize the current workspace: its clients and services.
    pub async fn get_summary(&self, ctx: &CallContext) -> Result<Value> {
        self.summary(&Caller::of(ctx)?)
    }

    /// Ping a client. Answers `pong`, or a text that says why there was no answer.
    pub async fn ping(
        &self,
        ctx: &CallContext,
        client_id: String,
        #[arg(default = 5.0)] timeout: f64,
    ) -> Result<String> {
        self.ping_client(&Caller::of(ctx)?, &client_id, timeout).await
    }

    /// Remove the clients of a workspace that do not answer, and the workspace if it is empty and not persistent.
    pub async fn cleanup(
        &self,
        ctx: &CallContext,
        workspace: Option<String>,
        #[arg(default = 5.0)] timeout: f64,
    ) -> Result<Value> {
        self.remove_silent(&Caller::of(ctx)?, workspace, timeout).await
    }

    /// Whether the current workspace can be used, and what you may do in it.
    pub async fn check_status(&self, ctx: &CallContext) -> Result<Value> {
        self.status(&Caller::of(ctx)?)
    }

    /// Set an environment value of the current workspace; null deletes it.
    pub async fn set_env(&self, ctx: &CallContext, key: String, value: Option<Json>) -> Result<()> {
        self.put_env(&Caller::of(ctx)?, key, value).await
    }

    /// Get an environment value of the current workspace, or all of them.
    pub async fn get_env(&self, ctx: &CallContext, key: Option<String>) -> Result<Json> {
        self.env(&Caller::of(ctx)?, key)
    }

    /// Subscribe to events of the current workspace: one type or a list of types.
    pub async fn subscribe(&self, ctx: &CallContext, event_type: Value) -> Result<bool> {
        self.add_subscriptions(&Caller::of(ctx)?, &event_type)
    }

    /// Unsubscribe from events: one type or a list of types.
    pub async fn unsubscribe(&self, ctx: &CallContext, event_type: Value) -> Result<bool> {
        self.remove_subscriptions(&Caller::of(ctx)?, &event_type)
    }
}
