//! Everything over HTTP: the WebSocket endpoint, pages and assets, health and metrics.
//!
//! The gateway owns sockets and framing; who may do what, and where messages go, is the hub's.

mod apps;
mod artifacts;
mod assets;
mod body;
mod compression;
mod cors;
mod credentials;
mod error;
mod files;
mod framing;
mod front;
mod health;
mod http1;
mod metrics;
mod options;
mod ordinary;
mod pages;
mod pump;
mod query;
mod rate_limit;
mod redirect;
mod remote;
mod routes;
mod server;
mod services;
mod socket;
mod static_mounts;
mod stream;
mod throttle;
mod wakes;
mod ws;

pub use metrics::install as install_metrics;
pub use options::{Options, Origins, Rate, StaticMount};
pub use server::{Error, Gateway, Parts};
