//! One connection of a client: everything that lives and dies with it, in one place.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use hypha_wire::Value;
use hypha_wire::frame::CallerContext;
use parking_lot::Mutex;

use crate::auth::revoked::TokenHash;
use crate::auth::{Permission, UserInfo};
use crate::ids::ClientId;
use crate::load::LoadCounter;
use crate::outbox::{CloseReason, Outbox, PushError};
use crate::pending::PendingCalls;
use crate::transfers::Transfers;
use crate::workspace::Workspace;

/// One authenticated connection. The registry entry of `workspace/client` points to the current one.
pub struct Connection {
    /// Unique in this process: a late clean-up of an old connection never touches its successor.
    pub(crate) generation: u64,
    pub(crate) client: ClientId,
    /// `workspace/client`.
    pub(crate) address: Arc<str>,
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) user: Arc<UserInfo>,
    /// Held so that the connections of one user can be counted by their references.
    pub(crate) _user_slot: Arc<()>,
    /// The caller's `ws`, `from` and `user`, encoded once.
    pub(crate) context: CallerContext,
    pub(crate) permission: Permission,
    pub(crate) remote_ip: IpAddr,
    /// What it was let in with.
    pub(crate) credential: Option<TokenHash>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) subscriptions: Mutex<Vec<Box<str>>>,
    /// Calls to this connection that it has not answered.
    pub(crate) pending: PendingCalls,
    /// Unanswered calls that this connection has made.
    pub(crate) outstanding: AtomicUsize,
    /// Calls of this connection that the hub's own services work on.
    pub(crate) hosted_calls: Arc<AtomicUsize>,
    pub(crate) transfers: Transfers,
    /// Incoming calls a minute, for clients that take part in load balancing.
    pub(crate) load: Option<LoadCounter>,
    started: Instant,
    /// Milliseconds from `started` to the last frame.
    last_frame: AtomicU64,
}

/// What a connection is made of; see the fields of [`Connection`].
pub(crate) struct Parts {
    pub(crate) generation: u64,
    pub(crate) client: ClientId,
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) user: Arc<UserInfo>,
    pub(crate) user_slot: Arc<()>,
    pub(crate) user_value: Value,
    pub(crate) permission: Permission,
    pub(crate) remote_ip: IpAddr,
    pub(crate) credential: Option<TokenHash>,
    pub(crate) outbox: Arc<Outbox>,
}

impl Connection {
    pub(crate) fn new(parts: Parts) -> Self {
        let address: Arc<str> = format!("{}/{}", parts.workspace.id, parts.client).into();
        Self {
            context: CallerContext::new(parts.workspace.id.as_ref(), &address, &parts.user_value),
            load: LoadCounter::for_client(parts.client.as_ref()),
            generation: parts.generation,
            client: parts.client,
            address,
            workspace: parts.workspace,
            user: parts.user,
            _user_slot: parts.user_slot,
            permission: parts.permission,
            remote_ip: parts.remote_ip,
            credential: parts.credential,
            outbox: parts.outbox,
            subscriptions: Mutex::default(),
            pending: PendingCalls::default(),
            outstanding: AtomicUsize::new(0),
            hosted_calls: Arc::default(),
            transfers: Transfers::default(),
            started: Instant::now(),
            last_frame: AtomicU64::new(0),
        }
    }

    /// `workspace/client`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether its user never signed in.
    pub fn is_anonymous(&self) -> bool {
        self.user.is_anonymous
    }

    /// Where this connection's frames wait for its writer.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Notes that a frame has come. Called once per batch that was read, not per frame.
    pub fn touch(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.started).as_millis();
        self.last_frame
            .store(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Seconds since the last frame.
    pub fn idle_seconds(&self) -> f64 {
        let last = self.last_frame.load(Ordering::Relaxed);
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        elapsed.saturating_sub(last) as f64 / 1000.0
    }

    /// Queues a complete frame (both segments) that the hub has made.
    pub(crate) fn send(&self, frame: &Bytes) -> Result<(), PushError> {
        self.outbox.push_message(0, |_| {}, frame)
    }

    /// Ends the connection with a reason.
    pub(crate) fn close(&self, reason: &CloseReason) {
        self.outbox.close(reason);
    }

    pub(crate) fn is_subscribed(&self, event: &str) -> bool {
        self.subscriptions.lock().iter().any(|one| &**one == event)
    }
}
