//! What an operator can set. Every value has a default that needs no thought.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Options of one hub.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Identity of this hub among its siblings; stable across restarts, so that the manager keeps its address.
    pub server_id: String,
    /// URL prefix under which users reach this hub, without a trailing slash; also the `_rserver` of every client.
    pub public_base_url: String,
    /// URL prefix under which programs on this machine reach it.
    pub local_base_url: String,
    /// Limits on connections, messages and stored things.
    pub limits: Limits,
    /// Life of a reconnection token in seconds.
    pub reconnection_token_life_time: f64,
    /// Seconds an empty workspace is kept before it is unloaded.
    pub workspace_unload_grace_period: f64,
    /// A text that clients print when they connect.
    pub announcement: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_id: "hypha".into(),
            public_base_url: "http://127.0.0.1:9527".into(),
            local_base_url: "http://127.0.0.1:9527".into(),
            limits: Limits::default(),
            reconnection_token_life_time: 172_800.0,
            workspace_unload_grace_period: 0.0,
            announcement: None,
        }
    }
}

/// Bounds on what clients may take. Names and defaults are those of the original, where it has them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Handshakes that are worked on at once (`HYPHA_MAX_CONCURRENT_CONNECTIONS`).
    pub concurrent_handshakes: usize,
    /// Open connections of one user (`HYPHA_MAX_CONNECTIONS_PER_USER`).
    pub connections_per_user: usize,
    /// Connected clients in one workspace (`HYPHA_MAX_CLIENTS_PER_WORKSPACE`).
    pub clients_per_workspace: usize,
    /// Services of one client, without its built-in one (`HYPHA_MAX_SERVICES_PER_CLIENT`).
    pub services_per_client: usize,
    /// Workspaces that one user owns (`HYPHA_MAX_WORKSPACES_PER_USER`).
    pub workspaces_per_user: usize,
    /// Messages per second and connection that are read without delay (`HYPHA_WS_MSG_RATE_LIMIT`).
    pub messages_per_second: f64,
    /// Messages that may come at once before the rate applies (`HYPHA_WS_MSG_BURST_LIMIT`).
    pub message_burst: f64,
    /// Seconds without a frame after which a connection is closed (`HYPHA_WS_IDLE_TIMEOUT`).
    pub idle_timeout: f64,
    /// Seconds without a message after which a client on an HTTP stream is asked whether it is there
    /// (`HYPHA_STREAM_IDLE_THRESHOLD`).
    pub stream_idle: f64,
    /// Seconds between looks at how long it has been silent (`HYPHA_STREAM_SWEEP_INTERVAL`).
    pub stream_sweep: f64,
    /// Seconds that it may take to answer (`HYPHA_STREAM_PING_TIMEOUT`).
    pub stream_ping_timeout: f64,
    /// Questions without an answer, one after another, after which it counts as gone (`HYPHA_STREAM_MAX_PING_MISSES`).
    pub stream_ping_misses: usize,
    /// Largest frame in bytes.
    pub frame_bytes: usize,
    /// Bytes that may wait in the outbox of one connection (`HYPHA_WS_OUTBOX_BYTES`).
    pub outbox_bytes: usize,
    /// Calls to the hub's own services that one connection may have unfinished.
    pub hosted_calls: usize,
    /// Chunked transfers that one connection may have unfinished.
    pub transfers: usize,
    /// Event subscriptions of one connection.
    pub subscriptions: usize,
    /// Entries of one queue.
    pub queue_entries: usize,
    /// Bytes of all queues of one workspace.
    pub queue_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent_handshakes: 10,
            connections_per_user: 200,
            clients_per_workspace: 1000,
            services_per_client: 1000,
            workspaces_per_user: 100,
            // The original closes at 200 a second; here the rate only delays, and a message costs a fiftieth.
            messages_per_second: 10_000.0,
            message_burst: 20_000.0,
            idle_timeout: 600.0,
            stream_idle: 60.0,
            stream_sweep: 30.0,
            stream_ping_timeout: 5.0,
            stream_ping_misses: 3,
            frame_bytes: 16 * 1024 * 1024,
            outbox_bytes: 64 * 1024 * 1024,
            hosted_calls: 1024,
            transfers: 256,
            subscriptions: 1024,
            queue_entries: 100_000,
            queue_bytes: 64 * 1024 * 1024,
        }
    }
}

impl Options {
    /// How long a client may take to answer a question of the hub that decides whether it is alive.
    pub const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

    /// Client id of the peer that visitors share.
    pub(crate) fn visitors_id(&self) -> String {
        format!("http-{}", self.server_id)
    }

    /// Client id of the manager.
    pub fn manager_id(&self) -> String {
        format!("manager-{}", self.server_id)
    }
}
