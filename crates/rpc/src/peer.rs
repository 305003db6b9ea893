//! A peer: one address that calls others and is called by them, over any transport.
//!
//! It owns the object store of the protocol (services and sessions), pending calls, heartbeats and the reassembly of
//! chunked messages. It has no socket: frames leave through a [`Link`] and come in through [`Peer::receive`]. The
//! client puts one on a WebSocket; the hub has one for its own services.
//!
//! | module | subject |
//! |---|---|
//! | `link`, `config` | what a peer needs to exist |
//! | `session` | what is kept for a call until it is over |
//! | `registry` | services by id, and who may call them |
//! | `outgoing` | calls to others |
//! | `incoming` | messages from others: which function, may the sender call it |
//! | `serve` | running a function, heartbeats, the answer |
//! | `builtin` | the service every peer has |
//! | `chunks` | messages too large for one frame, both ways |
//! | `events` | messages that are not calls |

mod builtin;
mod chunks;
mod config;
mod events;
mod incoming;
mod link;
mod outgoing;
mod registry;
mod serve;
mod session;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hypha_wire::transfer::Reassembly;
use hypha_wire::{Method, Promise, Value};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::Error;

pub use config::{PeerConfig, PeerLimits};
pub use events::{Event, HandlerId};
pub use link::{Link, LinkError, TrySend};
pub use outgoing::{ActAs, CallOptions};
pub(crate) use registry::DISPOSE;
pub(crate) use session::SessionId;

use events::Events;
use registry::Registry;
use session::Sessions;

/// One address of the protocol. Clones are cheap and are the same peer.
#[derive(Clone)]
pub struct Peer(Arc<Core>);

struct Core {
    config: PeerConfig,
    address: Arc<str>,
    link: Arc<dyn Link>,
    server: RwLock<Server>,
    sessions: Sessions,
    registry: Registry,
    transfers: Mutex<Reassembly>,
    /// Sessions of others that a large answer is being sent to.
    reply_keys: Mutex<HashSet<String>>,
    events: Events,
    running: AtomicUsize,
    tasks: TaskTracker,
    stop: CancellationToken,
    closed: RwLock<Option<String>>,
    runtime: Handle,
}

/// What a reconnection can change.
struct Server {
    base_url: Arc<str>,
    manager: Option<Arc<str>>,
}

impl Peer {
    /// A peer that sends through `link`.
    ///
    /// # Panics
    /// Outside of a Tokio runtime; tasks of the peer run in the one it is made in.
    pub fn new(config: PeerConfig, link: Arc<dyn Link>) -> Self {
        let server = Server {
            base_url: Arc::from(config.server_base_url.as_str()),
            manager: config.manager.as_deref().map(Arc::from),
        };
        Self(Arc::new(Core {
            address: Arc::from(config.address()),
            link,
            server: RwLock::new(server),
            sessions: Sessions::new(config.limits.kept_sessions_per_caller),
            registry: Registry::default(),
            transfers: Mutex::new(Reassembly::new(config.limits.transfers)),
            reply_keys: Mutex::default(),
            events: Events::default(),
            running: AtomicUsize::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            closed: RwLock::new(None),
            runtime: Handle::current(),
            config,
        }))
    }

    /// `workspace/client`.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// What it was made with.
    pub fn config(&self) -> &PeerConfig {
        &self.0.config
    }

    /// The address of the hub's workspace manager, `*/manager-<id>`.
    pub fn manager_address(&self) -> Option<Arc<str>> {
        self.0.server.read().manager.clone()
    }

    /// Notes what a (re)connection has told: the hub's base URL and the address of its manager.
    ///
    /// When the manager has another address than before, calls that wait for the old one fail.
    pub fn set_server(&self, base_url: &str, manager: Option<&str>) {
        let mut server = self.0.server.write();
        server.base_url = Arc::from(base_url);
        let old = std::mem::replace(&mut server.manager, manager.map(Arc::from));
        drop(server);
        if let Some(old) = old.filter(|old| Some(&**old) != manager) {
            self.client_gone(&old);
        }
    }

    /// The hub's base URL.
    pub(crate) fn server_base_url(&self) -> Arc<str> {
        Arc::clone(&self.0.server.read().base_url)
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// A reference to a function of this peer that others can call.
    pub(crate) fn local_method(&self, path: String, promise: Promise) -> Method {
        Method {
            target: self.address().to_owned(),
            path,
            promise,
            server: Some(self.server_base_url().to_string()),
            ..Method::default()
        }
    }

    /// The public key that calls of this peer's callbacks are to be encrypted for.
    pub(crate) fn public_key_bytes(&self) -> Option<Bytes> {
        self.0
            .config
            .encryption
            .as_ref()
            .map(|pair| Bytes::copy_from_slice(&pair.public()))
    }

    /// Puts a workspace in front of an address that has none.
    pub(crate) fn absolute(&self, address: &str) -> String {
        if address.contains('/') {
            address.to_owned()
        } else {
            format!("{}/{address}", self.0.config.workspace)
        }
    }

    /// Calls `handler` for each event of a kind, in the order of arrival. It must not block.
    pub fn on(&self, kind: impl Into<String>, handler: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
        self.0.events.on(kind.into(), Arc::new(handler))
    }

    /// Takes a handler off; false when it was not there.
    pub fn off(&self, id: HandlerId) -> bool {
        self.0.events.off(id)
    }

    /// Calls this peer's own handlers of an event.
    pub fn fire(&self, event: &Event) {
        self.0.events.fire(event);
    }

    /// Tells the peer that another one is gone: calls that wait for it fail at once.
    ///
    /// `address` is `workspace/client`. Interfaces that were given to it are taken back.
    pub fn client_gone(&self, address: &str) {
        self.0.sessions.fail(
            |target| target == address,
            |target| Error::PeerGone {
                peer: target.to_owned(),
                message: format!("Client disconnected: {target}"),
            },
        );
        self.0.transfers.lock().remove_sender(address);
        self.0.registry.remove_interfaces_of(address);
    }

    /// Ends the peer: calls that wait fail with `reason`, functions that run are dropped, nothing is sent any more.
    pub fn close(&self, reason: &str) {
        {
            let mut closed = self.0.closed.write();
            if closed.is_some() {
                return;
            }
            *closed = Some(reason.to_owned());
        }
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.sessions.fail(
            |_| true,
            |_| Error::Closed {
                reason: reason.to_owned(),
            },
        );
        self.0.registry.clear();
        self.0.events.clear();
    }

    /// Why the peer was closed; `None` while it is not.
    pub fn closed(&self) -> Option<String> {
        self.0.closed.read().clone()
    }

    /// How many calls of other peers run now, not counting those that answered at once.
    pub fn running_calls(&self) -> usize {
        self.0.running.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many sessions there are: pending calls, and calls whose callbacks or results may still be used.
    pub fn open_sessions(&self) -> usize {
        self.0.sessions.len()
    }

    /// Runs a task that ends when the peer is closed.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.0.stop.clone();
        self.0.tasks.spawn_on(
            async move {
                stop.run_until_cancelled_owned(task).await;
            },
            &self.0.runtime,
        );
    }

    /// Sends a frame that fits into one, waiting for room if need be.
    pub(crate) async fn send_frame(&self, frame: Bytes) -> Result<(), LinkError> {
        match self.try_send_frame(frame) {
            Ok(()) => Ok(()),
            Err(TrySend::Full(frame)) => self.wait_and_send(frame).await,
            Err(TrySend::Failed(error)) => Err(error),
        }
    }

    fn try_send_frame(&self, frame: Bytes) -> Result<(), TrySend> {
        if let Some(reason) = &*self.0.closed.read() {
            return Err(TrySend::Failed(LinkError::new(reason.clone())));
        }
        self.0.link.try_send(frame)
    }

    fn wait_and_send(&self, frame: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        self.0.link.send(frame)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("address", &self.0.address)
            .finish_non_exhaustive()
    }
}

/// The workspace part of `workspace/client`.
pub(crate) fn workspace_of(address: &str) -> &str {
    address.split_once('/').map_or("", |(workspace, _)| workspace)
}

/// Makes the targets of received functions absolute: a bare one is relative to the sender's workspace.
pub(crate) fn qualify(value: &mut Value, workspace: &str) {
    match value {
        Value::Method(method) => qualify_target(&mut method.target, workspace),
        Value::Generator(generator) => qualify_target(&mut generator.target, workspace),
        Value::List(items) | Value::Set(items) => items.iter_mut().for_each(|item| qualify(item, workspace)),
        Value::Map(entries) | Value::IoStream(entries) => {
            entries
                .iter_mut()
                .for_each(|(_, value)| qualify(value, workspace));
        }
        Value::OrderedMap(pairs) => pairs.iter_mut().for_each(|(_, value)| qualify(value, workspace)),
        Value::PydanticModel { fields, .. } => qualify(fields, workspace),
        _ => {}
    }
}

fn qualify_target(target: &mut String, workspace: &str) {
    if !target.contains('/') {
        target.insert(0, '/');
        target.insert_str(0, workspace);
    }
}
