//! Multipart uploads: many parts, in any order, that become one object.

use bytes::Bytes;
use futures_util::Stream;
use std::io;

use crate::backend::Backend;
use crate::error::Error;
use crate::index::Upload;
use crate::key::Key;
use crate::local::choose;
use crate::object::{Meta, PartRef, SizeRule, unix_now};
use crate::storage::Storage;

/// Most parts of an upload.
pub const MAX_PARTS: u32 = 10_000;
/// Uploads of one workspace under way.
const MAX_UPLOADS: u64 = 1000;
/// An upload lives at least so long, in seconds.
const MIN_LIFE: u64 = 3600;
/// And so long after the URLs of its parts have expired, in seconds.
const GRACE: u64 = 10;

/// What is said about a new upload.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// Whose upload it is: completing it takes the same text. So one who knows the id alone can do nothing with it.
    pub owner: String,
    /// How many parts it has at most, from 1 to [`MAX_PARTS`].
    pub part_count: u32,
    /// How long the URLs of its parts are good, in seconds.
    pub expires_in: u64,
    /// What the object will be.
    pub content_type: Option<String>,
    /// How long the object lives after completion, in seconds.
    pub ttl: Option<u64>,
}

impl Storage {
    /// Starts an upload; its id.
    ///
    /// # Errors
    /// A wrong number of parts, too many uploads in the workspace, or a store that does not answer.
    pub async fn create_upload(&self, key: &Key, options: UploadOptions) -> Result<String, Error> {
        if !(1..=MAX_PARTS).contains(&options.part_count) {
            let text = format!("part_count must be between 1 and {MAX_PARTS}");
            return Err(Error::Parts(text));
        }
        if self.index().count_uploads(key.space()).await? >= MAX_UPLOADS {
            let text = format!(
                "{} has {MAX_UPLOADS} unfinished uploads; complete some first",
                key.space()
            );
            return Err(Error::Parts(text));
        }
        self.check_room()?;
        let remote = self
            .backend()
            .create_upload(key, options.content_type.as_deref())
            .await?;
        let upload = Upload {
            id: format!("{:032x}", rand::random::<u128>()),
            key: key.to_string(),
            owner: options.owner,
            content_type: options.content_type,
            part_count: options.part_count,
            expires: unix_now().saturating_add(options.expires_in.saturating_add(GRACE).max(MIN_LIFE)),
            ttl: options.ttl,
            remote,
        };
        self.index().create_upload(&upload).await?;
        Ok(upload.id)
    }

    /// Takes a part; its ETag. A part that is there already is replaced.
    ///
    /// # Errors
    /// No such upload of this key, a part number beyond its count, or what [`put`](Self::put) fails with.
    pub async fn put_part(
        &self,
        key: &Key,
        upload: &str,
        number: u32,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        size: SizeRule,
    ) -> Result<String, Error> {
        let found = self.upload_of(key, upload).await?;
        if !(1..=found.part_count).contains(&number) {
            let text = format!("The upload has parts 1 to {}, not {number}", found.part_count);
            return Err(Error::Parts(text));
        }
        self.check_room()?;
        let limit = self.limits().max_object;
        match self.backend() {
            Backend::Local(local) => local.put_part(&found, number, body, size, limit).await,
            Backend::S3(s3) => {
                let part = s3.put_part(&found, number, body, size).await?;
                self.index().put_part(&found.id, &part, false).await?;
                Ok(part.etag)
            }
        }
    }

    /// Makes an object of the parts named.
    ///
    /// # Errors
    /// No such upload of this key and owner, a part that is not there or another than named, or no room.
    pub async fn complete_upload(
        &self,
        key: &Key,
        upload: &str,
        owner: &str,
        parts: &[PartRef],
    ) -> Result<Meta, Error> {
        let found = self.upload_of(key, upload).await?;
        if found.owner != owner {
            return Err(Error::NoUpload(upload.to_owned()));
        }
        let limits = self.limits();
        let delete_at = found.ttl.map(|ttl| unix_now().saturating_add(ttl));
        match self.backend() {
            Backend::Local(local) => {
                local
                    .complete(&found, key, parts, delete_at, limits.max_object, limits.quota)
                    .await
            }
            Backend::S3(s3) => {
                let parts = choose(&self.index().parts(&found.id).await?, parts)?;
                let meta = s3.complete(&found, key, parts).await?;
                self.index().end_upload(&found.id, false).await?;
                self.set_expiry(key, delete_at).await?;
                Ok(meta)
            }
        }
    }

    /// The key of an upload of this owner.
    ///
    /// # Errors
    /// No such upload.
    pub async fn upload_key(&self, upload: &str, owner: &str) -> Result<Key, Error> {
        let found = self.index().upload(upload, unix_now()).await?;
        if found.owner != owner {
            return Err(Error::NoUpload(upload.to_owned()));
        }
        Ok(Key::parse(&found.key)?)
    }

    /// Ends an upload without an object. One that is not there has ended.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn abort_upload(&self, upload: &str) -> Result<(), Error> {
        match self.index().upload(upload, 0).await {
            Ok(found) => self.end_upload(&found).await,
            Err(Error::NoUpload(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn end_upload(&self, upload: &Upload) -> Result<(), Error> {
        self.backend().abort_upload(upload).await?;
        let are_files = matches!(self.backend(), Backend::Local(_));
        self.index().end_upload(&upload.id, are_files).await?;
        self.backend().wasted();
        Ok(())
    }

    async fn upload_of(&self, key: &Key, upload: &str) -> Result<Upload, Error> {
        let found = self.index().upload(upload, unix_now()).await?;
        if found.key != key.as_str() {
            return Err(Error::NoUpload(upload.to_owned()));
        }
        Ok(found)
    }
}
