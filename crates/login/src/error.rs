//! What can go wrong in this crate.

use hypha_hub::durable::DurableError;

/// Why the login service cannot start or do its part.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `AUTH0_DOMAIN` and the like: the value cannot be used.
    #[error("{setting}: expected {expected}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The hub did not take the service.
    #[error("Cannot offer the login service: {0}")]
    Offer(#[from] hypha_hub::Error),
    /// Another server did not answer, or not with what was expected.
    #[error("{0}")]
    Remote(String),
    /// Accounts cannot be read or written.
    #[error(transparent)]
    Store(#[from] DurableError),
}
