//! The bytes of files, as far as the artifact manager has to do with them: keys, signed URLs, small reads and writes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use hypha_storage::{
    Access, Base, ByteRange, Error as StorageError, Grant, Key, Meta, PutOptions, SizeRule, Storage,
};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

use crate::error::{Error, Result};
use crate::ids::{FilePath, new_id};

/// Longest life of a signed URL, in seconds.
const MAX_EXPIRY: u64 = hypha_storage::MAX_EXPIRY;
/// Artifacts share so many locks.
const LOCKS: usize = 64;

/// Under which base URLs the server is reached.
#[derive(Clone, Debug)]
pub struct BaseUrls {
    /// By users, without a slash at the end.
    pub public: String,
    /// By programs on this machine.
    pub local: String,
}

/// The file store, with what the artifact manager knows about it.
pub struct Content {
    storage: Storage,
    urls: BaseUrls,
    /// Written while a commit looks at what was uploaded, read while an upload becomes visible.
    locks: Arc<[Arc<RwLock<()>>]>,
    hasher: RandomState,
}

impl Content {
    /// Files in this store, whose signed URLs start with these.
    pub fn new(storage: Storage, urls: BaseUrls) -> Self {
        Self {
            storage,
            urls,
            locks: (0..LOCKS).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The store.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    fn lock(&self, artifact: &str) -> Arc<RwLock<()>> {
        // The remainder fits.
        let index = self.hasher.hash_one(artifact) % LOCKS as u64;
        self.locks[index as usize].clone()
    }

    /// Waits until no upload of the artifact is about to become visible, and keeps others from it.
    pub(crate) async fn hold(&self, artifact: &str) -> OwnedRwLockWriteGuard<()> {
        self.lock(artifact).write_owned().await
    }

    /// Waits for a commit of the artifact, and keeps others from starting.
    pub(crate) async fn share(&self, artifact: &str) -> tokio::sync::OwnedRwLockReadGuard<()> {
        self.lock(artifact).read_owned().await
    }

    /// A key that nothing was ever stored under.
    pub(crate) fn fresh_key(workspace: &str, artifact: &str, path: &FilePath) -> String {
        format!(
            "{workspace}/artifacts/{artifact}/objects/{}/{}",
            new_id(),
            path.name()
        )
    }

    /// The artifact that a key belongs to; `None` for keys of others.
    pub(crate) fn artifact_of(key: &str) -> Option<&str> {
        let mut parts = key.split('/').skip(1);
        (parts.next() == Some("artifacts")).then(|| parts.next().unwrap_or_default())
    }

    /// What is stored under a key, if anything is.
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Meta>> {
        match self.storage.head(&parse(key)?).await {
            Ok(meta) => Ok(Some(meta)),
            Err(StorageError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens an object.
    pub(crate) async fn open(&self, key: &str) -> Result<hypha_storage::Object> {
        Ok(self.storage.get(&parse(key)?).await?)
    }

    /// Receives a body for a staged key, unless the gate objects. Returns its ETag.
    pub(crate) async fn receive(
        &self,
        key: &str,
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin + 'static,
        options: PutOptions,
    ) -> Result<String> {
        let key = parse(key)?;
        let staged = self.storage.stage(&key, body, options).await?;
        // Held until the object is visible.
        let _permit = self.storage.admit(&key).await?;
        Ok(staged.publish().await?.etag)
    }

    /// Deletes an object, if it is there.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        self.storage.delete(&parse(key)?).await?;
        Ok(())
    }

    /// Stores bytes that are in memory, unless the gate objects.
    pub(crate) async fn write(&self, key: &str, bytes: Bytes, content_type: Option<String>) -> Result<()> {
        let options = PutOptions {
            content_type,
            size: SizeRule::Exactly(bytes.len() as u64),
            ..PutOptions::default()
        };
        let body = Box::pin(stream::iter([Ok(bytes)]));
        self.receive(key, body, options).await.map(|_| ())
    }

    /// A part of an object, which is short enough for memory.
    pub(crate) async fn read(&self, key: &str, offset: u64, limit: u64) -> Result<Bytes> {
        let object = self.storage.get(&parse(key)?).await?;
        let end = offset.saturating_add(limit).saturating_sub(1);
        if limit == 0 || object.meta().size <= offset {
            return Ok(Bytes::new());
        }
        let range = ByteRange::Between(offset, end).within(object.meta().size)?;
        let mut stream = object.read(range).await?;
        let mut all = BytesMut::new();
        while let Some(piece) = stream.next().await {
            all.extend_from_slice(&piece.map_err(StorageError::Body)?);
        }
        Ok(all.freeze())
    }

    fn sign(&self, grant: &Grant, expires_in: u64, base: &Base) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let base = match base {
            Base::Public => &self.urls.public,
            Base::Local => &self.urls.local,
            Base::Other(base) => base,
        };
        let expires = since.as_secs() + expires_in.clamp(1, MAX_EXPIRY);
        self.storage.signer().sign(grant, expires, base)
    }

    /// A URL to read from.
    pub(crate) fn get_url(&self, key: &str, expires_in: u64, base: &Base) -> Result<String> {
        let grant = Grant {
            key: parse(key)?,
            access: Access::Get,
        };
        Ok(self.sign(&grant, expires_in, base))
    }

    /// A URL to write to.
    pub(crate) fn put_url(&self, key: &str, expires_in: u64, base: &Base) -> Result<String> {
        let grant = Grant {
            key: parse(key)?,
            access: Access::Put(PutOptions::default()),
        };
        Ok(self.sign(&grant, expires_in, base))
    }

    /// A URL to write a part of a multipart upload to.
    pub(crate) fn part_url(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        expires_in: u64,
        base: &Base,
    ) -> Result<String> {
        let access = Access::Part {
            upload: upload.to_owned(),
            number,
            size: SizeRule::Any,
        };
        let grant = Grant {
            key: parse(key)?,
            access,
        };
        Ok(self.sign(&grant, expires_in, base))
    }
}

/// A key that the database keeps.
pub(crate) fn parse(key: &str) -> Result<Key> {
    Key::parse(key).map_err(|_| Error::Corrupt("the key of an object".into()))
}

/// Seconds since the Unix epoch, with fractions.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
