//! Secrets of artifacts: encrypted with a key that the database keeps, never part of what is shown.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::RngCore;
use serde_json::Value as Json;
use sqlx::{query, query_scalar};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::manager::{Artifacts, now};
use crate::model::Object;
use crate::permissions::{Actor, Operation};
use crate::records;

const KEY: &str = "secrets_key";
const NONCE: usize = 24;
/// Most secrets of one artifact.
const MAX_SECRETS: usize = 256;
/// Largest secrets of one artifact, in bytes of JSON.
const MAX_SIZE: usize = 256 << 10;

/// Encrypts and decrypts.
pub(crate) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    /// The cipher with the key that the database keeps; it is made on first use.
    pub(crate) async fn load(database: &Database) -> Result<Self> {
        let mut fresh = [0; 32];
        rand::rng().fill_bytes(&mut fresh);
        let mut transaction = database.write().await?;
        query("INSERT INTO artifact_settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(KEY)
            .bind(BASE64_STANDARD.encode(fresh))
            .execute(&mut *transaction)
            .await?;
        let kept: String = query_scalar("SELECT value FROM artifact_settings WHERE name = $1")
            .bind(KEY)
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let corrupt = || Error::Corrupt("the key of secrets".into());
        let key = BASE64_STANDARD.decode(kept).map_err(|_| corrupt())?;
        Ok(Self(
            XChaCha20Poly1305::new_from_slice(&key).map_err(|_| corrupt())?,
        ))
    }

    /// Encrypts for one artifact; no secrets are nothing.
    pub(crate) fn seal(&self, artifact: &str, secrets: &Object) -> Result<Option<String>> {
        if secrets.is_empty() {
            return Ok(None);
        }
        let plain = records::text(secrets);
        if secrets.len() > MAX_SECRETS || plain.len() > MAX_SIZE {
            return Err(Error::value(format!(
                "An artifact has at most {MAX_SECRETS} secrets with {MAX_SIZE} bytes as JSON"
            )));
        }
        if secrets.contains_key("S3_ENDPOINT_URL") {
            return Err(Error::Unsupported(
                "Artifacts in an S3 store of their own (secret S3_ENDPOINT_URL) are not supported yet".into(),
            ));
        }
        let mut sealed = vec![0; NONCE];
        rand::rng().fill_bytes(&mut sealed);
        let payload = Payload {
            msg: plain.as_bytes(),
            // Bound to the artifact: a row that is copied to another one does not open.
            aad: artifact.as_bytes(),
        };
        let text = self
            .0
            .encrypt(XNonce::from_slice(&sealed), payload)
            .map_err(|_| Error::value("The secrets are too large"))?;
        sealed.extend_from_slice(&text);
        Ok(Some(BASE64_STANDARD.encode(sealed)))
    }

    /// Decrypts what was encrypted for this artifact.
    pub(crate) fn open(&self, artifact: &str, sealed: Option<&str>) -> Result<Object> {
        let Some(sealed) = sealed else {
            return Ok(Object::new());
        };
        let corrupt = || Error::Corrupt(format!("the secrets of artifact {artifact}"));
        let bytes = BASE64_STANDARD.decode(sealed).map_err(|_| corrupt())?;
        let (nonce, text) = bytes.split_at_checked(NONCE).ok_or_else(corrupt)?;
        let payload = Payload {
            msg: text,
            aad: artifact.as_bytes(),
        };
        let plain = self
            .0
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| corrupt())?;
        serde_json::from_slice(&plain).map_err(|_| corrupt())
    }
}

impl Artifacts {
    /// Writes one secret; null removes it.
    ///
    /// # Errors
    /// No such artifact, not permitted.
    pub async fn set_secret(&self, actor: &Actor, id: &str, key: &str, value: Option<Json>) -> Result<()> {
        let mut transaction = self.database().write().await?;
        let mut artifact = self
            .find_for(&mut transaction, actor, id, Operation::SetSecret)
            .await?;
        let mut secrets = self.cipher().open(&artifact.id, artifact.secrets.as_deref())?;
        match value {
            Some(value) => secrets.insert(key.to_owned(), value),
            None => secrets.remove(key),
        };
        artifact.secrets = self.cipher().seal(&artifact.id, &secrets)?;
        artifact.last_modified = now();
        records::update(&mut transaction, &artifact).await?;
        Ok(transaction.commit().await?)
    }

    /// One secret, or all of them as an object. Null when there is none of that name.
    ///
    /// # Errors
    /// No such artifact, not permitted.
    pub async fn get_secret(&self, actor: &Actor, id: &str, key: Option<&str>) -> Result<Json> {
        let mut connection = self.read().await?;
        let artifact = self
            .find_for(&mut connection, actor, id, Operation::GetSecret)
            .await?;
        let mut secrets = self.cipher().open(&artifact.id, artifact.secrets.as_deref())?;
        Ok(match key {
            Some(key) => secrets.remove(key).unwrap_or(Json::Null),
            None => Json::Object(secrets),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn sealed_for_one_artifact() {
        let database = Database::in_memory().await.unwrap();
        let cipher = Cipher::load(&database).await.unwrap();
        let secrets = json!({"token": "hunter2"}).as_object().unwrap().clone();
        let sealed = cipher.seal("a", &secrets).unwrap().unwrap();
        assert!(!sealed.contains("hunter2"));
        let again = Cipher::load(&database).await.unwrap();
        assert_eq!(again.open("a", Some(&sealed)).unwrap(), secrets);
        assert!(again.open("b", Some(&sealed)).is_err());
        assert_eq!(cipher.seal("a", &Object::new()).unwrap(), None);
        assert!(again.open("a", None).unwrap().is_empty());
    }
}
