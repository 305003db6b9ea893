//! The listener: accepts sockets, reads requests within bounds, and answers them with the routes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hypha_hub::Hub;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{health, socket, ws};

/// How long a client may take to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes.
const HEADER_BYTES: usize = 64 * 1024;
/// Most headers of one request.
const HEADERS: usize = 100;
/// How long to wait before accepting again, when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What an operator can set.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address to bind.
    pub bind: SocketAddr,
    /// Prefix of all routes: empty, or `/a/b` without a slash at the end.
    pub base_path: String,
}

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

/// What every route can reach.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) hub: Hub,
    pub(crate) metrics: Option<PrometheusHandle>,
}

/// The address that a request came from.
#[derive(Clone, Copy)]
pub(crate) struct Remote(pub(crate) IpAddr);

/// A bound listener; [`Gateway::run`] serves it.
pub struct Gateway {
    listener: TcpListener,
    options: Options,
}

impl Gateway {
    /// Binds the address. Port 0 takes a free one; see [`Gateway::address`].
    ///
    /// # Errors
    /// [`Error::Bind`].
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let listener = listen(options.bind).map_err(|source| Error::Bind {
            address: options.bind,
            source,
        })?;
        Ok(Self { listener, options })
    }

    /// The address that is bound.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.options.bind)
    }

    /// Serves until `shutdown`; then accepts no more. Connections that are open are the hub's to drain.
    pub async fn run(self, hub: Hub, metrics: Option<PrometheusHandle>, shutdown: CancellationToken) {
        let app = router(
            Shared {
                hub: hub.clone(),
                metrics,
            },
            &self.options.base_path,
        );
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => {
                    let serving = serve_socket(stream, remote.ip(), app.clone());
                    let shutdown = shutdown.clone();
                    hub.tasks().spawn(async move {
                        tokio::select! {
                            () = serving => {}
                            () = shutdown.cancelled() => {}
                        }
                    });
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

fn router(shared: Shared, base_path: &str) -> Router {
    let routes = Router::new()
        .route("/ws", any(websocket))
        .route("/health", get(health::health))
        .route("/health/readiness", get(health::readiness))
        .route("/health/liveness", get(health::liveness))
        .route("/metrics", get(health::metrics))
        .with_state(shared);
    if base_path.is_empty() {
        routes
    } else {
        Router::new().nest(base_path, routes)
    }
}

async fn websocket(
    State(shared): State<Shared>,
    Extension(Remote(remote)): Extension<Remote>,
    request: Request,
) -> Response {
    ws::upgrade(shared.hub, remote, request)
}

async fn serve_socket(stream: TcpStream, remote: IpAddr, app: Router) {
    if let Err(error) = socket::configure(&stream) {
        tracing::debug!(%error, "cannot configure a socket");
    }
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Remote(remote));
        app.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%remote, %error, "HTTP connection ended");
    }
}
