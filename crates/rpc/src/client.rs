//! The client: a peer on a connection that is kept open.
//!
//! | module | subject |
//! |---|---|
//! | `options` | how to connect |
//! | `handshake` | opening a connection |
//! | `line` | what a connection is made of: `websocket`, or HTTP, a `stream` with `site` |
//! | `outbox` | the bounded queue to the connection, and back-pressure |
//! | `tls` | encryption, for hubs behind `https://` |
//! | `pump` | a connection while it lasts |
//! | `supervise` | reconnecting, and telling the hub about this client's services again |
//! | `manager` | the hub's workspace manager, typed |
//! | `remote_service` | services of others |

mod backoff;
mod handshake;
mod line;
mod manager;
mod options;
mod outbox;
mod pump;
mod remote_service;
mod site;
mod stream;
mod supervise;
#[cfg(feature = "tls")]
mod tls;
mod websocket;

use std::fmt;
use std::sync::Arc;

use hypha_wire::Value;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::peer::{Event, HandlerId, Peer, PeerConfig};
use crate::scope;
use crate::service::Service;

pub use handshake::ConnectionInfo;
pub use manager::{Manager, ServiceInfo, TokenOptions};
pub use options::{Connect, Transport, connect, connect_from_env};
pub use remote_service::{GetService, RemoteService};

use outbox::Outbox;

/// Whether a client is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The connection is up and the hub knows the client's services.
    Connected,
    /// The connection is down and being re-established. Calls wait.
    Reconnecting {
        /// Why it went down.
        reason: String,
    },
    /// The client is closed for good.
    Closed {
        /// Why.
        reason: String,
    },
}

/// A connected client. Clones are the same client; it disconnects when [`disconnect`](Self::disconnect) is called or
/// the last clone is dropped.
#[derive(Clone)]
pub struct Client(Arc<Handle>);

/// Ends the client when it is dropped, for which the inner part must not refer to it.
struct Handle {
    inner: Arc<Inner>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

struct Inner {
    options: Connect,
    peer: Peer,
    outbox: Arc<Outbox>,
    info: RwLock<ConnectionInfo>,
    token: Arc<Mutex<Option<String>>>,
    status: watch::Sender<Status>,
    /// Set when the hub sends the client away.
    exit: watch::Sender<Option<String>>,
    /// Kinds of broadcast events to subscribe to again after a reconnection.
    subscriptions: Mutex<Vec<String>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The reason that a client gives to itself when it is disconnected on purpose.
const DISCONNECTED: &str = "RPC connection closed";
/// The reason for not being connected before the first connection is up.
const CONNECTING: &str = "connecting";

impl Client {
    async fn connect(options: Connect) -> Result<Self, Error> {
        let client_id = options.client_id.clone().unwrap_or_else(random_client_id);
        let token = options.reconnection_token.clone();
        let opened = handshake::open(
            &options,
            &client_id,
            options.workspace.as_deref(),
            token.as_deref(),
        )
        .await?;
        if let Some(announcement) = &opened.info.announcement {
            tracing::info!("{announcement}");
        }
        let info = &opened.info;
        let outbox = Arc::new(Outbox::new(options.method_timeout));
        let peer = Peer::new(
            PeerConfig {
                server_base_url: info.public_base_url.clone(),
                manager: Some(format!("*/{}", info.manager_id)),
                method_timeout: options.method_timeout,
                encryption: options.encryption.clone(),
                ..PeerConfig::new(&info.workspace, &info.client_id)
            },
            Arc::clone(&outbox) as _,
        );
        let (status, _) = watch::channel(Status::Reconnecting {
            reason: CONNECTING.to_owned(),
        });
        let inner = Arc::new(Inner {
            peer,
            outbox,
            info: RwLock::new(opened.info.clone()),
            token: Arc::new(Mutex::new(info.reconnection_token.clone())),
            status,
            exit: watch::Sender::new(None),
            subscriptions: Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            options,
        });
        let client = Self(Arc::new(Handle {
            inner: Arc::clone(&inner),
        }));
        inner.start(opened).await?;
        Ok(client)
    }

    /// The workspace it is in.
    pub fn workspace(&self) -> &str {
        &self.peer().config().workspace
    }

    /// Its id in the workspace.
    pub fn client_id(&self) -> &str {
        &self.peer().config().client_id
    }

    /// What the hub has said about the current, or last, connection.
    pub fn info(&self) -> ConnectionInfo {
        self.0.inner.info.read().clone()
    }

    /// The peer below.
    pub fn peer(&self) -> &Peer {
        &self.0.inner.peer
    }

    /// The hub's workspace manager.
    pub fn manager(&self) -> Manager {
        Manager::new(self.peer().clone())
    }

    /// Offers a service: others can find and call it, also after a reconnection.
    ///
    /// # Errors
    /// The id is taken or malformed, or the hub refuses the registration; the service is not offered then.
    pub async fn register_service(&self, service: impl Service) -> Result<ServiceInfo, Error> {
        self.register(Arc::new(service), false).await
    }

    /// Like [`register_service`](Self::register_service), taking the place of an own service of the same id.
    ///
    /// # Errors
    /// As for [`register_service`](Self::register_service).
    pub async fn replace_service(&self, service: impl Service) -> Result<ServiceInfo, Error> {
        self.register(Arc::new(service), true).await
    }

    async fn register(&self, service: Arc<dyn Service>, replace: bool) -> Result<ServiceInfo, Error> {
        let inner = &self.0.inner;
        let spec = inner.peer.add_service(service, replace)?;
        let info = inner.service_info(&spec);
        if !inner.options.silent
            && let Err(error) = self.manager().register_service(info.clone()).await
        {
            inner.peer.remove_service(&spec.id);
            return Err(match error {
                Error::Remote { kind, message, trace } => Error::Remote {
                    kind,
                    message: format!("Failed to notify workspace manager: {message}"),
                    trace,
                },
                other => other,
            });
        }
        Ok(scope::decode(&inner.peer, None, info)?)
    }

    /// Withdraws a service.
    ///
    /// # Errors
    /// There is no such service, or the hub cannot be told.
    pub async fn unregister_service(&self, id: &str) -> Result<(), Error> {
        let local = id.rsplit_once(':').map_or(id, |(_, id)| id);
        let local = local.split_once('@').map_or(local, |(id, _)| id);
        if !self.peer().remove_service(local) {
            return Err(Error::Config(format!("Service not found: {id}")));
        }
        if self.0.inner.options.silent {
            return Ok(());
        }
        let full_id = format!("{}:{local}", self.peer().address());
        self.manager()
            .call::<Value>("unregister_service", (full_id,))
            .await
            .map(|_| ())
    }

    /// Begins to get a service by its id: `[workspace/][client:]service[@app]`. Awaiting it gets the service.
    pub fn get_service(&self, id: impl Into<String>) -> GetService {
        GetService::new(self.peer().clone(), id.into())
    }

    /// Subscribes to a kind of broadcast events and calls `handler` for each. It must not block.
    ///
    /// The subscription is made again after a reconnection.
    ///
    /// # Errors
    /// The hub refuses the subscription.
    pub async fn subscribe(
        &self,
        kind: &str,
        handler: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Result<HandlerId, Error> {
        let id = self.peer().on(kind, handler);
        match self.manager().subscribe(&[kind]).await {
            Ok(()) => {
                let mut subscriptions = self.0.inner.subscriptions.lock();
                if !subscriptions.iter().any(|known| known == kind) {
                    subscriptions.push(kind.to_owned());
                }
                Ok(id)
            }
            Err(error) => {
                self.peer().off(id);
                Err(error)
            }
        }
    }

    /// Calls `handler` for each event of a kind that is sent to this client. It must not block.
    pub fn on(&self, kind: &str, handler: impl Fn(&Event) + Send + Sync + 'static) -> HandlerId {
        self.peer().on(kind, handler)
    }

    /// Takes a handler off; false when it was not there.
    pub fn off(&self, id: HandlerId) -> bool {
        self.peer().off(id)
    }

    /// Sends an event with `data` to a client, or with `*` to all subscribers in the workspace.
    ///
    /// # Errors
    /// The data has no wire form or is too large, or the connection is closed.
    pub async fn emit(&self, kind: &str, to: &str, data: &(impl Serialize + Sync)) -> Result<(), Error> {
        let fields = vec![("data".to_owned(), hypha_wire::to_value(data)?)];
        self.peer().emit(kind, to, fields, None).await
    }

    /// Whether it is connected, now and as it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.inner.status.subscribe()
    }

    /// Disconnects: own calls fail, functions that run are dropped, the hub forgets the client.
    pub async fn disconnect(&self) {
        self.0.inner.stop.cancel();
        self.0.inner.tasks.wait().await;
    }

    /// Waits until the client is closed for good; gives the reason.
    pub async fn wait_closed(&self) -> String {
        let mut status = self.status();
        let closed = status
            .wait_for(|status| matches!(status, Status::Closed { .. }))
            .await;
        match closed.as_deref() {
            Ok(Status::Closed { reason }) => reason.clone(),
            _ => DISCONNECTED.to_owned(),
        }
    }
}

fn random_client_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.peer().address())
            .finish_non_exhaustive()
    }
}
