//! An upload into a bucket that can still be taken back: a small body waits in memory, a large one as an upload in parts.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{ObjectStore, PutOptions as StoreOptions, PutPayload};

use super::{S3, attributes, path, unavailable};
use crate::error::Error;
use crate::key::Key;
use crate::object::{Meta, PutOptions};

/// Bytes of the first parts. Ten thousand parts are possible, so later ones are larger.
const PART: usize = 8 << 20;
/// After so many parts, parts grow by [`PART`].
const STEP: usize = 1000;

/// An object that is in the bucket or in memory, and that nobody sees yet.
pub(crate) struct S3Staged {
    path: Path,
    size: u64,
    bytes: Held,
}

enum Held {
    Memory { s3: S3, payload: Vec<Bytes> },
    Parts(Upload),
}

/// An upload in parts. Dropped before it is complete, it is given up.
struct Upload {
    s3: S3,
    path: Path,
    id: String,
    parts: Vec<PartId>,
    is_complete: bool,
}

impl S3 {
    pub(crate) async fn stage(
        &self,
        key: &Key,
        mut body: impl Stream<Item = io::Result<Bytes>> + Unpin,
        options: &PutOptions,
        limit: u64,
    ) -> Result<S3Staged, Error> {
        let path = path(key)?;
        let most = options.size.most(limit);
        let (mut size, mut gathered, mut piece) = (0, 0, Vec::new());
        let mut upload: Option<Upload> = None;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(Error::Body)?;
            size += chunk.len() as u64;
            if size > most {
                options.size.check(size)?;
                return Err(Error::TooLarge { limit: most });
            }
            gathered += chunk.len();
            piece.push(chunk);
            let done = upload.as_ref().map_or(0, |upload| upload.parts.len());
            if gathered >= PART * (1 + done / STEP) {
                let upload = match &mut upload {
                    Some(upload) => upload,
                    none => none.insert(self.begin(key, &path, options).await?),
                };
                upload.add(std::mem::take(&mut piece)).await?;
                gathered = 0;
            }
        }
        options.size.check(size)?;
        let bytes = match upload {
            None => Held::Memory {
                s3: self.clone(),
                payload: piece,
            },
            Some(mut upload) => {
                if gathered > 0 {
                    upload.add(piece).await?;
                }
                Held::Parts(upload)
            }
        };
        Ok(S3Staged { path, size, bytes })
    }

    async fn begin(&self, key: &Key, path: &Path, options: &PutOptions) -> Result<Upload, Error> {
        Ok(Upload {
            s3: self.clone(),
            path: path.clone(),
            id: self.create_upload(key, options.content_type.as_deref()).await?,
            parts: Vec::new(),
            is_complete: false,
        })
    }
}

impl Upload {
    async fn add(&mut self, piece: Vec<Bytes>) -> Result<(), Error> {
        let payload = PutPayload::from_iter(piece);
        let store = &self.s3.store;
        let part = store
            .put_part(&self.path, &self.id, self.parts.len(), payload)
            .await;
        self.parts.push(part.map_err(unavailable)?);
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_complete {
            return;
        }
        let (s3, path, id) = (self.s3.clone(), self.path.clone(), std::mem::take(&mut self.id));
        // What cannot be given up now is for the rules of the bucket.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = s3.store.abort_multipart(&path, &id).await {
                    tracing::warn!(%error, "cannot give up an upload to the bucket");
                }
            });
        }
    }
}

impl S3Staged {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) async fn publish(self, options: &PutOptions) -> Result<Meta, Error> {
        let put = match self.bytes {
            Held::Memory { s3, payload } => {
                let options = StoreOptions {
                    attributes: attributes(options.content_type.as_deref()),
                    ..StoreOptions::default()
                };
                s3.store
                    .put_opts(&self.path, PutPayload::from_iter(payload), options)
                    .await
            }
            Held::Parts(mut upload) => {
                let parts = std::mem::take(&mut upload.parts);
                let put = upload
                    .s3
                    .store
                    .complete_multipart(&upload.path, &upload.id, parts)
                    .await;
                upload.is_complete = put.is_ok();
                put
            }
        };
        let put = put.map_err(unavailable)?;
        Ok(Meta {
            size: self.size,
            etag: put.e_tag.unwrap_or_default().trim_matches('"').to_owned(),
            content_type: options.content_type.clone(),
            modified: std::time::SystemTime::now(),
        })
    }
}
