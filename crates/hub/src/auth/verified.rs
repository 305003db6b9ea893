//! Tokens whose signature was checked a moment ago, so that a client with many requests has its token read once.
//!
//! Only what does not change is remembered: the signature and the claims. Whether a token has expired or was revoked is
//! asked every time.

use std::collections::HashMap;

use parking_lot::RwLock;

use super::revoked::TokenHash;
use super::user::UserInfo;

/// Most tokens that are remembered; then all are forgotten.
const MOST: usize = 4096;

/// Longest token that is remembered, in bytes: with [`MOST`] it bounds the memory.
const LONGEST: usize = 2048;

/// Who the bearers of tokens of the hub are.
#[derive(Debug, Default)]
pub(super) struct Verified(RwLock<HashMap<TokenHash, UserInfo>>);

impl Verified {
    /// The bearer of a token that is still valid at `now`, in seconds since the Unix epoch.
    pub(super) fn get(&self, hash: &TokenHash, now: u64) -> Option<UserInfo> {
        let users = self.0.read();
        let user = users.get(hash)?;
        let is_alive = user.expires_at.is_some_and(|end| end >= now as f64);
        is_alive.then(|| user.clone())
    }

    /// Remembers the bearer of a token that was found valid.
    pub(super) fn insert(&self, token: &str, hash: TokenHash, user: &UserInfo) {
        if token.len() > LONGEST || user.expires_at.is_none() {
            return;
        }
        let mut users = self.0.write();
        if users.len() >= MOST {
            users.clear();
        }
        users.insert(hash, user.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::revoked::token_hash;
    use super::*;

    fn user(end: f64) -> UserInfo {
        UserInfo {
            expires_at: Some(end),
            ..UserInfo::new("ada")
        }
    }

    #[test]
    fn bearers_are_known_until_their_token_expires() {
        let verified = Verified::default();
        let hash = token_hash("a");
        assert_eq!(verified.get(&hash, 10), None);
        verified.insert("a", hash, &user(20.0));
        assert_eq!(verified.get(&hash, 20), Some(user(20.0)));
        assert_eq!(verified.get(&hash, 21), None);
        assert_eq!(verified.get(&token_hash("b"), 10), None);
    }

    #[test]
    fn memory_is_bounded() {
        let verified = Verified::default();
        verified.insert(&"x".repeat(LONGEST + 1), token_hash("long"), &user(20.0));
        assert_eq!(verified.get(&token_hash("long"), 10), None);
        for index in 0..=MOST {
            let token = index.to_string();
            verified.insert(&token, token_hash(&token), &user(20.0));
        }
        assert_eq!(verified.0.read().len(), 1);
    }
}
