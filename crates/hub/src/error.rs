//! What can keep a hub from starting or from storing something.

use crate::cluster::ClusterError;
use crate::durable::DurableError;

/// An error that concerns the operator, not one caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Durable state cannot be read or written.
    #[error(transparent)]
    Store(#[from] DurableError),
    /// The hub cannot join its siblings.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// One of the hub's own services cannot be registered.
    #[error("cannot offer the hub's own service: {0}")]
    Service(String),
}
