//! The admin service `ws-user-root/<server id>:admin-utils`, for members of the root workspace.

use std::collections::BTreeMap;
use std::time::Duration;

use hypha_rpc::{CallContext, RemoteFailure, Value};
use serde_json::{Value as Json, json};

use crate::auth::Permission;
use crate::caller::Caller;
use crate::durable::{BlockEntry, BlockKind};
use crate::hub::{Hub, unix_now};
use crate::ids::WorkspaceId;
use crate::outbox::CloseReason;

type Result<T, E = RemoteFailure> = std::result::Result<T, E>;

/// See the module documentation.
pub(crate) struct AdminService {
    hub: Hub,
}

impl AdminService {
    pub(crate) fn new(hub: Hub) -> Self {
        Self { hub }
    }

    /// Disconnects a user and whoever uses a token made by it. Returns how many connections that were.
    fn kick_user(&self, user: &str, reason: &CloseReason) -> usize {
        let all = self
            .hub
            .loaded()
            .into_iter()
            .flat_map(|workspace| workspace.connections());
        let of_user = all.filter(|one| one.user.id == user || one.user.attribution() == user);
        of_user.inspect(|connection| connection.close(reason)).count()
    }

    async fn block(&self, kind: BlockKind, key: &str, duration: u64, reason: &str) -> Result<()> {
        self.hub
            .blocklist()
            .block(self.hub.store(), kind, key, duration, reason, unix_now())
            .await?;
        Ok(())
    }
}

/// Members of the root workspace who may change everything.
fn admin(ctx: &CallContext) -> Result<Caller> {
    let caller = Caller::of(ctx)?;
    caller.require_on(WorkspaceId::root().as_str(), Permission::Admin)?;
    Ok(caller)
}

#[hypha_rpc::service(
    id = "admin-utils",
    name = "Admin utilities",
    description = "Operate this server: clients, workspaces, blocks, usage",
    visibility = "protected",
    require_context
)]
impl AdminService {
    /// List the ids of the running servers.
    pub async fn list_servers(&self, ctx: &CallContext) -> Result<Vec<String>> {
        admin(ctx)?;
        Ok(vec![self.hub.options().server_id.clone()])
    }

    /// Disconnect a client, with a WebSocket close code and a reason.
    pub async fn kickout_client(
        &self,
        ctx: &CallContext,
        workspace: String,
        client_id: String,
        #[arg(default = 1000u16)] code: u16,
        #[arg(default = "Admin requested disconnect".to_owned())] reason: String,
    ) -> Result<()> {
        admin(ctx)?;
        let connection = self
            .hub
            .workspace(&workspace)
            .and_then(|workspace| workspace.connection(&client_id));
        let connection = connection
            .ok_or_else(|| RemoteFailure::value(format!("Client not connected: {workspace}/{client_id}")))?;
        if !(1000..5000).contains(&code) {
            return Err(RemoteFailure::value(
                "code must be a WebSocket close code from 1000 to 4999",
            ));
        }
        connection.close(&CloseReason::new(code, reason));
        Ok(())
    }

    /// List the loaded workspaces.
    pub async fn list_workspaces(&self, ctx: &CallContext) -> Result<Vec<Json>> {
        admin(ctx)?;
        let rows = self.hub.loaded().into_iter().filter(|one| one.id != WorkspaceId::manager()).map(|workspace| {
            let info = workspace.info.read();
            json!({
                "id": info.id, "name": info.id, "description": info.description, "read_only": info.read_only,
                "persistent": info.persistent, "owners": info.owners, "clients": workspace.connection_count(),
            })
        });
        Ok(rows.collect())
    }

    /// Unload a workspace: its clients are disconnected. With `wait`, answers when they are gone or after `timeout` seconds.
    pub async fn unload_workspace(
        &self,
        ctx: &CallContext,
        workspace: String,
        #[arg(default = false)] wait: bool,
        #[arg(default = 10.0)] timeout: f64,
    ) -> Result<()> {
        admin(ctx)?;
        let id = WorkspaceId::parse(&workspace).map_err(RemoteFailure::from)?;
        if id.is_protected() || id == WorkspaceId::manager() {
            return Err(RemoteFailure::permission(format!(
                "Workspace {id} belongs to the server and stays loaded"
            )));
        }
        let loaded = self.hub.workspace(id.as_str());
        let loaded = loaded.ok_or_else(|| RemoteFailure::key(format!("Workspace {id} is not loaded")))?;
        self.hub.evict(&id);
        if wait {
            let gone = async {
                while loaded.connection_count() > 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let timeout = Duration::from_secs_f64(if timeout.is_finite() {
                timeout.clamp(0.0, 600.0)
            } else {
                600.0
            });
            let _ = tokio::time::timeout(timeout, gone).await;
        }
        Ok(())
    }

    /// What this server holds: the same numbers as `get_resource_usage`.
    pub async fn get_metrics(&self, ctx: &CallContext) -> Result<Json> {
        self.get_resource_usage(ctx).await
    }

    /// Refuse a user for `duration` seconds (0: 30 days) and disconnect it.
    pub async fn block_user(
        &self,
        ctx: &CallContext,
        user_id: String,
        #[arg(default = 3600u64)] duration: u64,
        #[arg(default = String::new())] reason: String,
    ) -> Result<String> {
        admin(ctx)?;
        if user_id == "root" {
            return Err(RemoteFailure::value("The root user cannot be blocked"));
        }
        self.block(BlockKind::User, &user_id, duration, &reason).await?;
        let kicked = self.kick_user(
            &user_id,
            &CloseReason::new(1008, format!("User blocked: {reason}")),
        );
        Ok(format!("Blocked user {user_id}, kicked {kicked} connections"))
    }

    /// Let a user in again.
    pub async fn unblock_user(&self, ctx: &CallContext, user_id: String) -> Result<String> {
        admin(ctx)?;
        let was = self
            .hub
            .blocklist()
            .unblock(self.hub.store(), BlockKind::User, &user_id)
            .await?;
        Ok(if was {
            format!("Unblocked user {user_id}")
        } else {
            format!("User {user_id} was not blocked")
        })
    }

    /// Refuse new connections from an address for `duration` seconds (0: 30 days).
    pub async fn block_ip(
        &self,
        ctx: &CallContext,
        ip: String,
        #[arg(default = 3600u64)] duration: u64,
        #[arg(default = String::new())] reason: String,
    ) -> Result<String> {
        admin(ctx)?;
        let address: std::net::IpAddr = ip
            .parse()
            .map_err(|_| RemoteFailure::value(format!("ip must be an IP address, got {ip:?}")))?;
        self.block(BlockKind::Ip, &address.to_string(), duration, &reason)
            .await?;
        Ok(format!("Blocked IP {address}"))
    }

    /// Let an address in again.
    pub async fn unblock_ip(&self, ctx: &CallContext, ip: String) -> Result<String> {
        admin(ctx)?;
        let was = self
            .hub
            .blocklist()
            .unblock(self.hub.store(), BlockKind::Ip, &ip)
            .await?;
        Ok(if was {
            format!("Unblocked IP {ip}")
        } else {
            format!("IP {ip} was not blocked")
        })
    }

    /// List who is refused, why, and for how many seconds more.
    pub async fn list_blocked(&self, ctx: &CallContext) -> Result<Value> {
        admin(ctx)?;
        let now = unix_now();
        let entries = self.hub.blocklist().list(now);
        let rows = |kind: BlockKind| {
            let of_kind = entries.iter().filter(|entry| entry.kind == kind);
            Value::List(of_kind.map(|entry| block_row(entry, now)).collect())
        };
        Ok(Value::Map(vec![
            ("users".into(), rows(BlockKind::User)),
            ("ips".into(), rows(BlockKind::Ip)),
        ]))
    }

    /// What this server holds, by user, workspace and client, and the limits.
    pub async fn get_resource_usage(&self, ctx: &CallContext) -> Result<Json> {
        admin(ctx)?;
        let usage = self.hub.usage();
        let (mut users, mut workspaces, mut clients) = (Counts::new(), Counts::new(), Counts::new());
        for workspace in self.hub.loaded() {
            for connection in workspace.connections() {
                *users.entry(connection.user.id.clone()).or_default() += 1;
                *workspaces.entry(workspace.id.to_string()).or_default() += 1;
                let services = workspace.services.read().count_of(connection.client.as_str());
                clients.insert(connection.address().to_owned(), services);
            }
        }
        let limits = &self.hub.options().limits;
        Ok(json!({
            "server_id": self.hub.options().server_id,
            "uptime_seconds": usage.uptime.as_secs(),
            "connections": usage.connections,
            "workspaces": usage.workspaces,
            "services": usage.services,
            "connections_per_user": users,
            "connections_per_workspace": workspaces,
            "services_per_client": clients,
            "limits": {
                "max_connections_per_user": limits.connections_per_user,
                "max_clients_per_workspace": limits.clients_per_workspace,
                "max_services_per_client": limits.services_per_client,
                "max_workspaces_per_user": limits.workspaces_per_user,
            },
        }))
    }
}

/// Numbers by id.
type Counts = BTreeMap<String, usize>;

fn block_row(entry: &BlockEntry, now: u64) -> Value {
    Value::Map(vec![
        ("id".into(), Value::from(entry.key.as_str())),
        ("reason".into(), Value::from(entry.reason.as_str())),
        (
            "ttl_seconds".into(),
            Value::from(entry.expires_at.saturating_sub(now)),
        ),
    ])
}
