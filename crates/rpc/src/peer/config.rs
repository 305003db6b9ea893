//! What a peer is configured with.

use std::time::Duration;

use hypha_wire::transfer::{CHUNK_SIZE, ReassemblyLimits};

use crate::crypto::KeyPair;

/// Bounds on what others can make a peer hold.
#[derive(Clone, Debug)]
pub struct PeerLimits {
    /// Calls from others that run at the same time, not counting those that answer at once. Past it a call is refused
    /// as overloaded.
    pub running_calls: usize,
    /// Results with functions in them that one caller may hold at a time; past it the oldest are forgotten.
    pub kept_sessions_per_caller: usize,
    /// Bounds on unfinished chunked messages.
    pub transfers: ReassemblyLimits,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            running_calls: 16_384,
            kept_sessions_per_caller: 4096,
            transfers: ReassemblyLimits::default(),
        }
    }
}

/// Who a peer is and how it behaves.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// The workspace it lives in; `*` for a peer of the hub that serves all of them.
    pub workspace: String,
    /// Its id, unique in the workspace.
    pub client_id: String,
    /// The public base URL of the hub, without a trailing slash. Decides whether a remote function that is passed on
    /// is handed over or proxied.
    pub server_base_url: String,
    /// The address of the hub's workspace manager, `*/manager-<id>`, if there is one.
    pub manager: Option<String>,
    /// How long a call waits for an answer or a heartbeat.
    pub method_timeout: Duration,
    /// The same for calls of an interface's functions.
    pub interface_timeout: Duration,
    /// Frames up to this size (plus 1 KiB) are sent whole, larger ones in chunks of it. Bytes.
    pub chunk_size: usize,
    /// Chunks of one message in flight at the same time.
    pub max_concurrent_chunks: usize,
    /// The key pair for end-to-end encryption; `None` turns it off.
    pub encryption: Option<KeyPair>,
    /// Bounds on what others can make the peer hold.
    pub limits: PeerLimits,
}

impl PeerConfig {
    /// The defaults of the protocol for a peer with this identity.
    pub fn new(workspace: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            workspace: workspace.into(),
            client_id: client_id.into(),
            server_base_url: String::new(),
            manager: None,
            method_timeout: Duration::from_secs(30),
            interface_timeout: Duration::from_secs(10),
            chunk_size: CHUNK_SIZE,
            max_concurrent_chunks: 30,
            encryption: None,
            limits: PeerLimits::default(),
        }
    }

    /// `workspace/client`.
    pub fn address(&self) -> String {
        format!("{}/{}", self.workspace, self.client_id)
    }
}
