//! The root token: a configured secret that makes its bearer the super user.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::AuthError;

/// Shortest root token, in bytes.
const MIN_LEN: usize = 32;

/// From this length on, words in the token do not matter.
const LONG_LEN: usize = 64;

/// What made-up tokens contain.
const SIMPLE: [&str; 10] = [
    "test", "root", "admin", "password", "token", "secret", "123", "abc", "hypha", "default",
];

/// The configured root token. Holds only its hash, and shows nothing of it.
#[derive(Clone)]
pub struct RootToken([u8; 32]);

impl fmt::Debug for RootToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootToken(..)")
    }
}

impl RootToken {
    /// Accepts a configured token (blanks at its ends are dropped) if it is strong enough.
    ///
    /// # Errors
    /// Shorter than 32 characters, or shorter than 64 with a word of made-up tokens in it.
    pub fn new(token: &str) -> Result<Self, AuthError> {
        let token = token.trim();
        let len = token.chars().count();
        if len < MIN_LEN {
            return Err(AuthError::RootTokenShort);
        }
        let lower = token.to_lowercase();
        if len < LONG_LEN
            && let Some(word) = SIMPLE.into_iter().find(|word| lower.contains(word))
        {
            return Err(AuthError::RootTokenSimple(word));
        }
        Ok(Self(Sha256::digest(token).into()))
    }

    /// Whether `presented` is the root token. Takes the same time wherever they differ (hashes are compared).
    pub fn matches(&self, presented: &str) -> bool {
        let presented: [u8; 32] = Sha256::digest(presented.trim()).into();
        presented.ct_eq(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "q7Zk0vXn4wRb2yLm9sPf6uJd8eGhTaVi";

    #[test]
    fn strength() {
        assert!(RootToken::new(GOOD).is_ok());
        assert!(
            RootToken::new(&GOOD[1..])
                .unwrap_err()
                .to_string()
                .contains("at least 32 characters long")
        );
        let simple = RootToken::new(&format!("{GOOD}AdMin")).unwrap_err().to_string();
        assert!(simple.contains("too simple (contains 'admin')"), "{simple}");
        assert!(
            RootToken::new(&format!("{GOOD}{GOOD}admin")).is_ok(),
            "long ones may contain anything"
        );
    }

    #[test]
    fn comparison() {
        let token = RootToken::new(&format!(" {GOOD}\n")).unwrap();
        assert!(token.matches(GOOD) && token.matches(&format!("{GOOD} ")));
        assert!(!token.matches("") && !token.matches(&GOOD[1..]));
        assert!(!format!("{token:?}").contains(&GOOD[..4]));
    }
}
