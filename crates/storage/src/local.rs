//! Objects on this machine: files with made-up names, and the index that knows them.

mod blobs;
mod clean;
mod deliver;
mod pins;
mod receive;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::Stream;
use md5::{Digest, Md5};
use tokio::sync::Notify;

use blobs::{Blobs, Writing};
use pins::{Pin, Pins};
use receive::{Received, receive};

use crate::error::Error;
use crate::index::{Content, Index, NewObject, Part, Row, Segment, Upload};
use crate::key::Key;
use crate::object::{ByteStream, Meta, PartRef, PutOptions, SizeRule, from_micros, to_micros};

/// The local store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Local {
    blobs: Arc<Blobs>,
    index: Index,
    pins: Pins,
    /// Something may have become waste.
    wasted: Arc<Notify>,
}

/// An object that is being read.
pub(crate) struct LocalObject {
    local: Local,
    row: Row,
    pin: Arc<Pin>,
}

/// An object that is on disk, and that nobody sees yet.
pub(crate) struct LocalStaged {
    local: Local,
    received: Received,
}

impl Local {
    pub(crate) fn in_folder(folder: &Path, index: Index) -> io::Result<Self> {
        Ok(Self::new(Blobs::in_folder(folder)?, index))
    }

    pub(crate) fn in_memory(index: Index) -> Self {
        Self::new(Blobs::in_memory(), index)
    }

    fn new(blobs: Blobs, index: Index) -> Self {
        Self {
            blobs: Arc::new(blobs),
            index,
            pins: Pins::default(),
            wasted: Arc::new(Notify::new()),
        }
    }

    /// Bytes left on the disk for everybody; `None` if there is no disk or it does not say.
    pub(crate) fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.blobs.folder()?).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    pub(crate) async fn open(&self, key: &Key) -> Result<LocalObject, Error> {
        let missing = || Error::NotFound(key.to_string());
        loop {
            let epoch = self.pins.epoch();
            let row = self.index.object(key.as_str()).await?.ok_or_else(missing)?;
            // A content that is being deleted is not that of the key any more.
            if let Some(pin) = self.pins.pin(row.content, epoch) {
                return Ok(LocalObject {
                    local: self.clone(),
                    row,
                    pin: Arc::new(pin),
                });
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn stage(
        &self,
        body: impl Stream<Item = io::Result<Bytes>> + Unpin,
        rule: SizeRule,
        limit: u64,
    ) -> Result<LocalStaged, Error> {
        let received = receive(&self.blobs, body, rule, limit).await?;
        Ok(LocalStaged {
            local: self.clone(),
            received,
        })
    }

    pub(crate) async fn put_part(
        &self,
        upload: &Upload,
        number: u32,
        body: impl Stream<Item = io::Result<Bytes>> + Unpin,
        rule: SizeRule,
        limit: u64,
    ) -> Result<String, Error> {
        let Received { file, size, md5 } = receive(&self.blobs, body, rule, limit).await?;
        let part = Part {
            number,
            blob: file.name().to_owned(),
            size,
            etag: hex::encode(md5),
        };
        let (local, id, etag) = (self.clone(), upload.id.clone(), part.etag.clone());
        unbroken(async move {
            let entered = local.index.put_part(&id, &part, true).await;
            local.settle(file, entered)
        })
        .await?;
        Ok(etag)
    }

    /// Puts the parts together by naming their files.
    pub(crate) async fn complete(
        &self,
        upload: &Upload,
        key: &Key,
        wanted: &[PartRef],
        delete_at: Option<u64>,
        limit: u64,
        quota: Option<u64>,
    ) -> Result<Meta, Error> {
        let parts = choose(&self.index.parts(&upload.id).await?, wanted)?;
        let mut md5 = Md5::new();
        for part in &parts {
            md5.update(hex::decode(&part.etag).map_err(|error| Error::Unavailable(error.to_string()))?);
        }
        let content = Content {
            etag: format!("{}-{}", hex::encode(md5.finalize()), parts.len()),
            segments: parts
                .into_iter()
                .map(|part| Segment {
                    blob: part.blob,
                    size: part.size,
                })
                .collect(),
        };
        if content.size() > limit {
            return Err(Error::TooLarge { limit });
        }
        let modified_us = to_micros(SystemTime::now());
        let object = NewObject {
            key,
            content_type: upload.content_type.as_deref(),
            modified_us,
            delete_at,
        };
        self.index
            .insert(object, &content, quota, Some(&upload.id))
            .await?;
        self.wasted.notify_one();
        Ok(Meta {
            size: content.size(),
            etag: content.etag,
            content_type: upload.content_type.clone(),
            modified: from_micros(modified_us),
        })
    }

    /// Keeps a file if the index has taken it in, or may have: what it has not taken in goes at the next start.
    fn settle(&self, file: Writing, entered: Result<(), Error>) -> Result<(), Error> {
        if matches!(entered, Ok(()) | Err(Error::Unavailable(_) | Error::DiskFull)) {
            file.keep();
        }
        self.wasted.notify_one();
        entered
    }

    /// Something may have become waste.
    pub(crate) fn wasted(&self) {
        self.wasted.notify_one();
    }
}

/// Runs to the end even if nobody waits any more: a request may end while the index is being written.
async fn unbroken<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|error| Err(Error::Unavailable(error.to_string())))
}

/// The parts that are wanted, in order of their numbers.
pub(crate) fn choose(there: &[Part], wanted: &[PartRef]) -> Result<Vec<Part>, Error> {
    let mut wanted: Vec<_> = wanted.iter().collect();
    wanted.sort_by_key(|part| part.number);
    if wanted.is_empty() {
        return Err(Error::Parts("No parts are named".into()));
    }
    if wanted.windows(2).any(|pair| pair[0].number == pair[1].number) {
        return Err(Error::Parts("A part is named twice".into()));
    }
    let choose = |part: &&PartRef| {
        let found = there.iter().find(|there| there.number == part.number);
        let found = found.ok_or_else(|| Error::Parts(format!("Part {} was not uploaded", part.number)))?;
        let etag = part.etag.trim_matches('"');
        if !etag.is_empty() && etag != found.etag {
            let text = format!("Part {} has another ETag than the one named", part.number);
            return Err(Error::Parts(text));
        }
        Ok(found.clone())
    };
    wanted.iter().map(choose).collect()
}

impl LocalObject {
    pub(crate) fn meta(&self) -> &Meta {
        &self.row.meta
    }

    pub(crate) async fn read(&self, range: std::ops::Range<u64>) -> Result<ByteStream, Error> {
        let segments = self.local.index.segments(self.row.content).await?;
        let stream = deliver::deliver(self.local.blobs.clone(), segments, range, self.pin.clone()).await;
        stream.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
                tracing::error!(etag = self.row.meta.etag, "the content of an object is lost");
                Error::Damaged(format!("the object with ETag {}", self.row.meta.etag))
            }
            _ => Error::disk(&error),
        })
    }
}

impl LocalStaged {
    pub(crate) fn size(&self) -> u64 {
        self.received.size
    }

    /// Makes the object what readers find under the key.
    pub(crate) async fn publish(
        self,
        key: &Key,
        options: &PutOptions,
        quota: Option<u64>,
    ) -> Result<Meta, Error> {
        let (key, options) = (key.clone(), options.clone());
        unbroken(async move { self.enter(&key, &options, quota).await }).await
    }

    async fn enter(self, key: &Key, options: &PutOptions, quota: Option<u64>) -> Result<Meta, Error> {
        let Self { local, received } = self;
        let modified_us = to_micros(SystemTime::now());
        let content = Content {
            etag: hex::encode(received.md5),
            segments: vec![Segment {
                blob: received.file.name().to_owned(),
                size: received.size,
            }],
        };
        let object = NewObject {
            key,
            content_type: options.content_type.as_deref(),
            modified_us,
            delete_at: options.delete_at,
        };
        let entered = local.index.insert(object, &content, quota, None).await;
        local.settle(received.file, entered)?;
        Ok(Meta {
            size: received.size,
            etag: content.etag,
            content_type: options.content_type.clone(),
            modified: from_micros(modified_us),
        })
    }
}
