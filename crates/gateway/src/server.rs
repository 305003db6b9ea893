//! The listener: accepts sockets until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hypha_artifacts::Artifacts;
use hypha_hub::Hub;
use hypha_storage::{Storage, WorkspaceFiles};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::front::Front;
use crate::http1;
use crate::options::Options;
use crate::routes::{Shared, router};

/// How long to wait before accepting again, when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}; choose another --host or --port")]
    Bind {
        /// What was to be bound.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// What a gateway serves.
pub struct Parts {
    /// Clients and services.
    pub hub: Hub,
    /// What signed URLs point to.
    pub storage: Storage,
    /// The files of workspaces.
    pub files: WorkspaceFiles,
    /// The artifact manager.
    pub artifacts: Artifacts,
    /// What `/metrics` shows; without it, there is no such page.
    pub metrics: Option<PrometheusHandle>,
}

/// A bound listener; [`Gateway::run`] serves it.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
}

impl Gateway {
    /// Binds an address. Port 0 takes a free one; see [`Gateway::address`].
    ///
    /// # Errors
    /// [`Error::Bind`].
    pub async fn bind(address: SocketAddr, options: Options) -> Result<Self, Error> {
        let bound = listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| Error::Bind { address, source })?;
        Ok(Self {
            listener,
            address,
            options,
        })
    }

    /// The address that is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`; then accepts no more. Connections that are open are the hub's to drain.
    pub async fn run(self, parts: Parts, shutdown: CancellationToken) {
        let Parts {
            hub,
            storage,
            files,
            artifacts,
            metrics,
        } = parts;
        let shared = Shared {
            hub: hub.clone(),
            storage,
            files,
            artifacts,
            metrics,
            base_path: self.options.base_path.as_str().into(),
        };
        let front = Front::new(router(shared, &self.options), &self.options);
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => {
                    hub.tasks()
                        .spawn(http1::serve(stream, remote.ip(), front.clone(), hub.closing()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    // A restarted hub takes its port back at once; a storm of reconnecting clients finds a long queue.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    TcpListener::from_std(socket.into())
}
