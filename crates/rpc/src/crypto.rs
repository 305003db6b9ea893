//! End-to-end encryption of payloads: X25519 with XSalsa20-Poly1305, as libsodium's `crypto_box`.
//!
//! Only the payload is encrypted; the header stays readable for the hub. A payload that was encrypted is trusted no
//! more than one that was not: identity is taken from the header alone.

use std::fmt;

use crypto_box::aead::{Aead, AeadCore, OsRng};
use crypto_box::{PublicKey, SalsaBox, SecretKey};

use crate::error::Error;

/// Size of a nonce in bytes.
const NONCE_LEN: usize = 24;

/// A key pair for end-to-end encryption.
#[derive(Clone)]
pub struct KeyPair {
    secret: SecretKey,
}

impl KeyPair {
    /// A new random pair.
    pub fn generate() -> Self {
        Self {
            secret: SecretKey::generate(&mut OsRng),
        }
    }

    /// The pair of a private key.
    pub fn from_secret(secret: [u8; 32]) -> Self {
        Self {
            secret: SecretKey::from(secret),
        }
    }

    /// The pair of a private key in hexadecimal.
    ///
    /// # Errors
    /// The text is not 64 hexadecimal digits.
    pub fn from_hex(secret: &str) -> Result<Self, Error> {
        Ok(Self::from_secret(key_from_hex(secret)?))
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        *self.secret.public_key().as_bytes()
    }

    /// The public key in hexadecimal, as `trusted_keys` and other clients take it.
    pub fn public_hex(&self) -> String {
        hex::encode(self.public())
    }

    /// Encrypts for `receiver`; gives the nonce and the ciphertext.
    pub(crate) fn seal(
        &self,
        receiver: &[u8; 32],
        plaintext: &[u8],
    ) -> Result<([u8; NONCE_LEN], Vec<u8>), Error> {
        let nonce = SalsaBox::generate_nonce(&mut OsRng);
        let ciphertext = self
            .shared(receiver)
            .encrypt(&nonce, plaintext)
            .map_err(|_| Error::Encryption("Encryption failed".to_owned()))?;
        Ok((nonce.into(), ciphertext))
    }

    /// Decrypts what `sender` has encrypted; `None` when the key is wrong or the data was changed.
    pub(crate) fn open(&self, sender: &[u8; 32], nonce: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = nonce.try_into().ok()?;
        self.shared(sender).decrypt(&nonce.into(), ciphertext).ok()
    }

    fn shared(&self, other: &[u8; 32]) -> SalsaBox {
        SalsaBox::new(&PublicKey::from(*other), &self.secret)
    }
}

impl fmt::Debug for KeyPair {
    /// Shows the public key only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("public", &self.public_hex())
            .finish_non_exhaustive()
    }
}

/// Reads a 32-byte key from hexadecimal.
///
/// # Errors
/// The text is not 64 hexadecimal digits.
pub fn key_from_hex(text: &str) -> Result<[u8; 32], Error> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key)
        .map_err(|_| Error::Config("A key must be 64 hexadecimal digits".to_owned()))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_is_opened_by_the_receiver_only() {
        let (alice, bob, eve) = (KeyPair::generate(), KeyPair::generate(), KeyPair::generate());
        let (nonce, mut sealed) = alice.seal(&bob.public(), b"secret").unwrap();
        assert_eq!(
            bob.open(&alice.public(), &nonce, &sealed).as_deref(),
            Some(&b"secret"[..])
        );
        assert_eq!(bob.open(&eve.public(), &nonce, &sealed), None);
        assert_eq!(eve.open(&alice.public(), &nonce, &sealed), None);
        assert_eq!(bob.open(&alice.public(), &nonce[1..], &sealed), None);
        sealed[0] ^= 1;
        assert_eq!(bob.open(&alice.public(), &nonce, &sealed), None);
    }
}
