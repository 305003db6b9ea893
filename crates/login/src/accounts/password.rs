//! Hashing passwords: argon2id, on threads of its own, a few at a time.
//!
//! Checking a password costs the same whatever the outcome: an unknown account, an old kind of hash and a wrong
//! password all take one argon2 hash.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::RngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, TryAcquireError};

use super::error::AccountError;
use super::store::StoredPassword;

/// Memory of one hash in KiB, and passes over it: what OWASP recommends for argon2id with one lane.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes at a time; each holds its memory and a thread.
const AT_ONCE: usize = 2;
/// Hashes that wait for their turn. More are refused, so that a flood of passwords does not queue up.
const WAITING: usize = 32;

/// See the module documentation.
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    running: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// How a password compares.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Not the one.
    Wrong,
    /// The one.
    Right,
    /// The one, and what to keep of it from now on.
    Upgrade(StoredPassword),
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let params = Params::new(MEMORY, PASSES, 1, None).unwrap_or_default();
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            running: Arc::new(Semaphore::new(AT_ONCE)),
            room: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
        }
    }

    /// What to keep of a new password.
    ///
    /// # Errors
    /// There is more to do than there is room for.
    pub(crate) async fn hash(&self, password: &str) -> Result<StoredPassword, AccountError> {
        let password = password.to_owned();
        self.run(move |argon2| hash(argon2, &password)).await?
    }

    /// Compares a password with what is kept; with nothing, when there is no such account.
    ///
    /// # Errors
    /// There is more to do than there is room for.
    pub(crate) async fn verify(
        &self,
        kept: Option<StoredPassword>,
        password: &str,
    ) -> Result<Verdict, AccountError> {
        let password = password.to_owned();
        self.run(move |argon2| match kept {
            Some(StoredPassword::Argon2(text)) => {
                let right = PasswordHash::new(&text)
                    .is_ok_and(|kept| argon2.verify_password(password.as_bytes(), &kept).is_ok());
                Ok(if right { Verdict::Right } else { Verdict::Wrong })
            }
            Some(StoredPassword::Sha256 { hash: kept, salt }) => {
                let found = hex::encode(Sha256::digest(format!("{password}{salt}")));
                let right = bool::from(found.as_bytes().ct_eq(kept.to_ascii_lowercase().as_bytes()));
                let upgrade = hash(argon2, &password)?;
                Ok(if right {
                    Verdict::Upgrade(upgrade)
                } else {
                    Verdict::Wrong
                })
            }
            None => hash(argon2, &password).map(|_| Verdict::Wrong),
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'_>) -> T + Send + 'static,
    ) -> Result<T, AccountError> {
        let place = self
            .room
            .clone()
            .try_acquire_owned()
            .map_err(|error| match error {
                TryAcquireError::NoPermits | TryAcquireError::Closed => AccountError::Busy,
            })?;
        let turn = self
            .running
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| AccountError::Busy)?;
        let argon2 = self.argon2.clone();
        // The permits go with the work: it goes on when the caller has gone.
        tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work(&argon2)
        })
        .await
        .map_err(|_| AccountError::Busy)
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<StoredPassword, AccountError> {
    let mut salt = [0; 16];
    rand::rng().fill_bytes(&mut salt);
    let failed = |error: argon2::password_hash::Error| {
        tracing::error!(%error, "cannot hash a password");
        AccountError::Busy
    };
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    let text = argon2.hash_password(password.as_bytes(), &salt).map_err(failed)?;
    Ok(StoredPassword::Argon2(text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn argon2id() {
        let passwords = Passwords::new();
        let kept = passwords.hash("correct horse").await.unwrap();
        let StoredPassword::Argon2(text) = &kept else {
            panic!("argon2")
        };
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        assert!(!format!("{kept:?}").contains("argon2id"));
        let verify = async |password: &str| passwords.verify(Some(kept.clone()), password).await.unwrap();
        assert_eq!(verify("correct horse").await, Verdict::Right);
        assert_eq!(verify("correct hors").await, Verdict::Wrong);
        assert_eq!(passwords.verify(None, "x").await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn records_of_the_original_are_upgraded() {
        let passwords = Passwords::new();
        let kept = StoredPassword::Sha256 {
            hash: hex::encode(Sha256::digest("hunter22salt")),
            salt: "salt".into(),
        };
        let wrong = passwords.verify(Some(kept.clone()), "hunter23").await.unwrap();
        assert_eq!(wrong, Verdict::Wrong);
        let Verdict::Upgrade(new) = passwords.verify(Some(kept), "hunter22").await.unwrap() else {
            panic!("an upgrade")
        };
        assert_eq!(
            passwords.verify(Some(new), "hunter22").await.unwrap(),
            Verdict::Right
        );
    }

    #[tokio::test]
    async fn a_flood_is_refused() {
        let passwords = Passwords::new();
        let held = passwords
            .room
            .clone()
            .acquire_many_owned((AT_ONCE + WAITING) as u32)
            .await
            .unwrap();
        assert_eq!(passwords.hash("x").await, Err(AccountError::Busy));
        drop(held);
        assert!(passwords.hash("x").await.is_ok());
    }
}
