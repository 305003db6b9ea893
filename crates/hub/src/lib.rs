//! The switch: connections, outboxes, routing, workspaces, the service registry, tokens and permissions, events, limits.
//!
//! A transport (the gateway) hands the first frame of a client to [`Hub::admit`] and gets a [`Session`]; from then on
//! it hands binary frames to [`Hub::route`], text frames to [`Hub::control`], and writes what waits in the
//! connection's [`outbox`]. Dropping the session is the one way in which a connection ends.
//!
//! There is no HTTP, no SQL and no application logic here. Durable state is behind [`durable::DurableStore`], sibling
//! hubs are behind [`cluster::Cluster`].
//!
//! | who | what |
//! |---|---|
//! | `admission` | the door: from the first frame to a registered connection |
//! | `router` | the hot path: one frame to one peer or to the subscribers of a workspace |
//! | `connection`, [`outbox`], `pending`, `transfers` | what lives and dies with a connection |
//! | `workspace`, `registry` | workspaces in memory, their clients and services |
//! | `access` | what others ask about workspaces |
//! | `visitor` | callers that are no clients: HTTP requests |
//! | `hosted`, `manager`, `queue`, `admin` | the hub's own services |
//! | [`auth`], [`ids`], `blocklist`, `own` | who may do what |

mod access;
mod admin;
mod admission;
pub mod auth;
mod blocklist;
mod caller;
pub mod cluster;
mod connection;
pub mod durable;
mod error;
mod events;
mod hosted;
mod hub;
pub mod ids;
mod load;
mod manager;
mod metrics;
mod options;
pub mod outbox;
mod own;
mod pending;
mod queue;
mod registry;
mod router;
mod subject;
mod transfers;
mod visitor;
mod workspace;

pub use access::{GoneHook, WorkspaceAccess};
pub use admission::{COMPATIBLE_VERSION, Refusal, Session};
pub use caller::Caller;
pub use connection::Connection;
pub use error::Error;
pub use hub::{Hub, Parts, Usage};
pub use metrics::Metrics;
pub use options::{Limits, Options};
pub use own::OwnClient;
pub use subject::{Shown, Subject};
pub use visitor::{Identity, IdentityError, Target, Visitor};
