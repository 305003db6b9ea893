//! The handle to all objects, whatever they are stored in.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backend::Backend;
use crate::error::{Error, OpenError};
use crate::gate::{Gate, Permit};
use crate::index::Index;
use crate::key::{Key, Prefix};
use crate::local::{Local, LocalObject, LocalStaged};
use crate::object::{ByteStream, Listing, Meta, PutOptions, SizeRule, to_micros, unix_now};
use crate::s3::{S3, S3Config, S3Object, S3Staged};
use crate::sign::{Grant, SignError, Signer};

/// Most lines that a listing gives at once.
pub const MAX_PAGE: usize = 10_000;

/// What a storage is opened with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the objects are.
    pub place: Place,
    /// What signs URLs: kept secret, and the same after a restart.
    pub secret: String,
    /// The name of the bucket in URLs.
    pub bucket: String,
    /// What may be stored.
    pub limits: Limits,
    /// How often expired objects and uploads are looked for.
    pub sweep: Duration,
}

/// Where objects are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In memory: gone when the storage is closed.
    Memory,
    /// In a folder, which is made.
    Folder(PathBuf),
    /// In a bucket. What is to be known about uploads and times to live is kept in the folder, or in memory.
    S3(S3Config, Option<PathBuf>),
}

/// What may be stored.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest object, in bytes.
    pub max_object: u64,
    /// Bytes of all objects of a workspace; `None` for as many as there is room for.
    pub quota: Option<u64>,
    /// With fewer bytes left on the disk nothing is taken.
    pub min_free: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_object: 5 << 40,
            quota: None,
            min_free: 256 << 20,
        }
    }
}

impl Config {
    /// A configuration with the usual limits.
    pub fn new(place: Place, secret: impl Into<String>) -> Self {
        Self {
            place,
            secret: secret.into(),
            bucket: "hypha-workspaces".into(),
            limits: Limits::default(),
            sweep: Duration::from_secs(300),
        }
    }
}

/// All objects. Cheap to clone; clones are the same storage.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    backend: Backend,
    index: Index,
    limits: Limits,
    signer: Signer,
    gate: OnceLock<Arc<dyn Gate>>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// An object that is open for reading. It stays the same whatever happens to its key; on this machine, readable too.
pub struct Object(Opened);

enum Opened {
    Local(LocalObject),
    S3(S3Object),
}

/// An object that is stored safely, and that nobody sees yet. Dropped without [`publish`](Staged::publish), it is gone.
pub struct Staged {
    storage: Storage,
    key: Key,
    options: PutOptions,
    bytes: StagedBytes,
}

enum StagedBytes {
    Local(LocalStaged),
    S3(S3Staged),
}

impl Storage {
    /// Opens a storage, and starts what cleans up in it.
    ///
    /// # Errors
    /// The folder or the index cannot be used.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        let (backend, index) = match &config.place {
            Place::Memory => {
                let index = Index::ephemeral().await?;
                (Backend::Local(Local::in_memory(index.clone())), index)
            }
            Place::Folder(folder) => {
                let failed = |source| OpenError::Folder {
                    path: folder.clone(),
                    source,
                };
                let objects = folder.join("objects");
                std::fs::create_dir_all(&objects).map_err(failed)?;
                let index = Index::open(&folder.join("index.db")).await?;
                let local = Local::in_folder(&objects, index.clone()).map_err(failed)?;
                (Backend::Local(local), index)
            }
            Place::S3(s3, folder) => {
                let index = match folder {
                    Some(folder) => {
                        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder {
                            path: folder.clone(),
                            source,
                        })?;
                        Index::open(&folder.join("index.db")).await?
                    }
                    None => Index::ephemeral().await?,
                };
                (Backend::S3(S3::open(s3).await?), index)
            }
        };
        Ok(Self::start(backend, index, &config))
    }

    fn start(backend: Backend, index: Index, config: &Config) -> Self {
        let storage = Self(Arc::new(Inner {
            backend,
            index,
            limits: config.limits,
            signer: Signer::new(&config.secret, &config.bucket),
            gate: OnceLock::new(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        }));
        storage.start_cleaning(config.sweep);
        storage
    }

    /// A storage in memory, for tests.
    ///
    /// # Errors
    /// SQLite cannot start.
    pub async fn memory() -> Result<Self, OpenError> {
        Self::open(Config::new(
            Place::Memory,
            format!("{:032x}", rand::random::<u128>()),
        ))
        .await
    }

    fn start_cleaning(&self, period: Duration) {
        let closing = self.0.closing.clone();
        match &self.0.backend {
            Backend::S3(_) => {}
            Backend::Local(local) => {
                let cleaning = local.clone().clean();
                let closing = closing.clone();
                self.0.tasks.spawn(async move {
                    tokio::select! {
                        () = closing.cancelled() => {}
                        () = cleaning => {}
                    }
                });
            }
        }
        // Does not keep the storage alive.
        let inner = Arc::downgrade(&self.0);
        self.0.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = closing.cancelled() => return,
                    () = tokio::time::sleep(period) => {}
                }
                let Some(storage) = inner.upgrade().map(Self) else {
                    return;
                };
                if let Err(error) = storage.sweep(unix_now()).await {
                    tracing::warn!(%error, "cannot delete expired files");
                }
            }
        });
    }

    /// Stops cleaning and closes the index. Operations fail from then on.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.index.close().await;
    }

    /// Lets `gate` have a say in writes through signed URLs. Only the first one counts.
    pub fn set_gate(&self, gate: Arc<dyn Gate>) {
        if self.0.gate.set(gate).is_err() {
            tracing::error!("a storage has one gate only");
        }
    }

    /// Asks the gate.
    ///
    /// # Errors
    /// It refuses.
    pub async fn admit(&self, key: &Key) -> Result<Permit, Error> {
        match self.0.gate.get() {
            Some(gate) => gate.admit(key).await,
            None => Ok(Box::new(())),
        }
    }

    /// Signs URLs and checks them.
    pub fn signer(&self) -> &Signer {
        &self.0.signer
    }

    /// What a request with a signed URL may do now; see [`Signer::verify`].
    ///
    /// # Errors
    /// [`SignError`].
    pub fn verify(&self, method: &str, bucket: &str, key: &Key, query: &str) -> Result<Grant, SignError> {
        self.0.signer.verify(method, bucket, key, query, unix_now())
    }

    /// What may be stored.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.0.backend
    }

    pub(crate) fn index(&self) -> &Index {
        &self.0.index
    }

    /// Refuses writes when the disk is nearly full: SQLite and the hub need some of it too.
    pub(crate) fn check_room(&self) -> Result<(), Error> {
        let free = match &self.0.backend {
            Backend::Local(local) => local.free(),
            Backend::S3(_) => None,
        };
        match free {
            Some(free) if free < self.0.limits.min_free => Err(Error::DiskFull),
            _ => Ok(()),
        }
    }

    /// Receives a body and stores it safely, without anybody seeing it.
    ///
    /// # Errors
    /// The body breaks off or is too long, or there is no room. Nothing is left behind.
    pub async fn stage(
        &self,
        key: &Key,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        options: PutOptions,
    ) -> Result<Staged, Error> {
        self.check_room()?;
        let mut most = self.0.limits.max_object;
        if let Some(limit) = self.0.limits.quota {
            // The exact check is made when the object is published; this one spares receiving it in vain.
            let space = key.space().to_owned();
            most = most.min(limit);
            if matches!(options.size, SizeRule::Exactly(size) if size > limit) {
                return Err(Error::Quota { space, limit });
            }
        }
        let options = PutOptions {
            content_type: options.content_type.filter(|text| !text.trim().is_empty()),
            ..options
        };
        let bytes = match &self.0.backend {
            Backend::Local(local) => StagedBytes::Local(local.stage(body, options.size, most).await?),
            Backend::S3(s3) => StagedBytes::S3(s3.stage(key, body, &options, most).await?),
        };
        Ok(Staged {
            storage: self.clone(),
            key: key.clone(),
            options,
            bytes,
        })
    }

    /// Receives a body and makes it an object: all of it, or nothing.
    ///
    /// # Errors
    /// See [`stage`](Self::stage) and [`Staged::publish`].
    pub async fn put(
        &self,
        key: &Key,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        options: PutOptions,
    ) -> Result<Meta, Error> {
        self.stage(key, body, options).await?.publish().await
    }

    /// Opens an object.
    ///
    /// # Errors
    /// [`Error::NotFound`], or a store that does not answer.
    pub async fn get(&self, key: &Key) -> Result<Object, Error> {
        match &self.0.backend {
            Backend::Local(local) => Ok(Object(Opened::Local(local.open(key).await?))),
            Backend::S3(s3) => Ok(Object(Opened::S3(s3.open_object(key).await?))),
        }
    }

    /// What is known about an object.
    ///
    /// # Errors
    /// [`Error::NotFound`], or a store that does not answer.
    pub async fn head(&self, key: &Key) -> Result<Meta, Error> {
        match &self.0.backend {
            Backend::Local(_) => {
                let found = self.0.index.object(key.as_str()).await?;
                found
                    .map(|row| row.meta)
                    .ok_or_else(|| Error::NotFound(key.to_string()))
            }
            Backend::S3(s3) => Ok(s3.open_object(key).await?.meta().clone()),
        }
    }

    /// Deletes an object. False when there is none.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn delete(&self, key: &Key) -> Result<bool, Error> {
        match &self.0.backend {
            Backend::Local(local) => {
                let deleted = self.0.index.delete(key).await?;
                local.wasted();
                Ok(deleted)
            }
            Backend::S3(s3) => {
                let deleted = s3.delete(key).await?;
                self.set_expiry(key, None).await?;
                Ok(deleted)
            }
        }
    }

    /// Deletes all objects of a folder; how many there were.
    ///
    /// # Errors
    /// The store does not answer; some may be deleted.
    pub async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64, Error> {
        match &self.0.backend {
            Backend::Local(local) => {
                let deleted = self.0.index.delete_prefix(prefix).await?;
                local.wasted();
                Ok(deleted)
            }
            // Times to live of what is gone do no harm: their sweep finds nothing.
            Backend::S3(s3) => s3.delete_prefix(prefix).await,
        }
    }

    /// A page of at most `limit` (and [`MAX_PAGE`]) lines of a folder, in byte order, after `start_after`. With
    /// `folded`, what lies deeper is one [`Entry::Folder`](crate::Entry::Folder) per folder, else every object is a line.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn list(
        &self,
        prefix: &Prefix,
        folded: bool,
        start_after: Option<&str>,
        limit: usize,
    ) -> Result<Listing, Error> {
        let limit = limit.min(MAX_PAGE);
        match &self.0.backend {
            Backend::Local(_) => self.0.index.list(prefix, folded, start_after, limit).await,
            Backend::S3(s3) => s3.page(prefix, folded, start_after, limit).await,
        }
    }

    /// Makes `target` the same as `source`. On this machine no byte is copied.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the source, or no room.
    pub async fn copy(&self, source: &Key, target: &Key) -> Result<Meta, Error> {
        match &self.0.backend {
            Backend::Local(local) => {
                let now = to_micros(std::time::SystemTime::now());
                let copied = self
                    .0
                    .index
                    .copy(source, target, now, self.0.limits.quota)
                    .await?;
                local.wasted();
                copied
                    .map(|row| row.meta)
                    .ok_or_else(|| Error::NotFound(source.to_string()))
            }
            Backend::S3(s3) => {
                let meta = s3.copy(source, target).await?;
                self.set_expiry(target, None).await?;
                Ok(meta)
            }
        }
    }

    /// Sets or forgets when an object of a bucket is to be deleted. Most have no such time, and then nothing is written.
    pub(crate) async fn set_expiry(&self, key: &Key, at: Option<u64>) -> Result<(), Error> {
        if at.is_none() && !self.0.index.has_expiry(key).await? {
            return Ok(());
        }
        self.0.index.set_expiry(key, at).await
    }

    /// Bytes of the objects of a workspace, which is the first segment of their keys.
    ///
    /// In a bucket they are not counted: 0.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn usage(&self, space: &str) -> Result<u64, Error> {
        self.0.index.usage(space).await
    }
}

impl Object {
    /// What is known about it.
    pub fn meta(&self) -> &Meta {
        match &self.0 {
            Opened::Local(object) => object.meta(),
            Opened::S3(object) => object.meta(),
        }
    }

    /// Its bytes from `range`, which lies within its size (see [`ByteRange::within`](crate::ByteRange::within)).
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn read(&self, range: Range<u64>) -> Result<ByteStream, Error> {
        match &self.0 {
            Opened::Local(object) => object.read(range).await,
            Opened::S3(object) => object.read(range).await,
        }
    }
}

impl Staged {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        match &self.bytes {
            StagedBytes::Local(staged) => staged.size(),
            StagedBytes::S3(staged) => staged.size(),
        }
    }

    /// Lets everybody see it, in place of what was there. It is on disk for good when this returns.
    ///
    /// # Errors
    /// No room. What was there before stays.
    pub async fn publish(self) -> Result<Meta, Error> {
        let quota = self.storage.0.limits.quota;
        match self.bytes {
            StagedBytes::Local(staged) => staged.publish(&self.key, &self.options, quota).await,
            StagedBytes::S3(staged) => {
                let meta = staged.publish(&self.options).await?;
                self.storage.set_expiry(&self.key, self.options.delete_at).await?;
                Ok(meta)
            }
        }
    }
}
