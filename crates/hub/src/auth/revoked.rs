//! The revoked tokens, in memory, for the check that every presented credential goes through.
//!
//! The durable list is the [`DurableStore`](crate::durable::DurableStore)'s. The hub loads it at start, and
//! puts a token there before it puts it here.

use std::collections::HashMap;

use parking_lot::RwLock;
use sha2::{Digest, Sha256};

/// What is kept of a revoked token: the SHA-256 of its text, so that a look into the store shows no usable
/// token.
pub type TokenHash = [u8; 32];

/// The hash under which a token (without `Bearer`) is revoked.
pub fn token_hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

/// Revoked tokens and when they would have expired, in seconds since the Unix epoch.
#[derive(Debug, Default)]
pub struct RevokedTokens(RwLock<HashMap<TokenHash, u64>>);

impl RevokedTokens {
    /// A list with the tokens that the store knows.
    pub fn new(tokens: impl IntoIterator<Item = (TokenHash, u64)>) -> Self {
        Self(RwLock::new(tokens.into_iter().collect()))
    }

    /// Refuses a token from now on.
    pub fn insert(&self, token: TokenHash, expires_at: u64) {
        self.0.write().insert(token, expires_at);
    }

    /// Whether a token is refused.
    pub fn contains(&self, token: &TokenHash) -> bool {
        self.0.read().contains_key(token)
    }

    /// Forgets tokens that have expired by themselves. The list stays as small as the number of revoked
    /// tokens still alive.
    pub fn purge(&self, now: u64) {
        self.0.write().retain(|_, expires_at| *expires_at >= now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_refused_until_they_expire() {
        let (a, b) = (token_hash("a"), token_hash("b"));
        let revoked = RevokedTokens::new([(a, 10)]);
        revoked.insert(b, 20);
        revoked.purge(10);
        assert!(
            revoked.contains(&a) && revoked.contains(&b),
            "valid up to and including its last second"
        );
        revoked.purge(11);
        assert!(!revoked.contains(&a) && revoked.contains(&b));
    }
}
