//! Everything over HTTP: the WebSocket endpoint, health and metrics.
//!
//! The gateway owns sockets and framing; who may do what, and where messages go, is the hub's.

mod credentials;
mod error;
mod framing;
mod front;
mod health;
mod http1;
mod metrics;
mod options;
mod pump;
mod query;
mod remote;
mod routes;
mod server;
mod services;
mod socket;
mod throttle;
mod ws;

pub use metrics::install as install_metrics;
pub use options::Options;
pub use server::{Error, Gateway};
