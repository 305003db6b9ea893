//! The files of one workspace, for one user who has been let in.

use std::time::UNIX_EPOCH;

use hypha_rpc::RemoteFailure;

use super::urls::Base;
use crate::error::Error;
use crate::key::{Key, Prefix};
use crate::object::{Entry, Meta, PartRef, PutOptions, SizeRule, unix_now};
use crate::sign::{Access, Grant, MAX_EXPIRY};
use crate::storage::{MAX_PAGE, Storage};
use crate::upload::{MAX_PARTS, UploadOptions};

/// First segment of what belongs to the artifact manager.
const ARTIFACTS: &str = "artifacts";
/// Lines that are read at a time.
const PAGE: usize = 1000;

/// The files of one workspace.
pub struct FileArea {
    pub(super) storage: Storage,
    pub(super) workspace: String,
    pub(super) owner: String,
    pub(super) public_url: String,
    pub(super) local_url: String,
}

/// One line of a folder.
#[derive(Clone, Debug, PartialEq)]
pub enum FolderEntry {
    /// A file.
    File {
        /// Its name, without the folder's.
        name: String,
        /// Size in bytes.
        size: u64,
        /// When it was written, in seconds since the Unix epoch.
        modified: f64,
    },
    /// A folder.
    Folder {
        /// Its name.
        name: String,
    },
}

/// A multipart upload that was started.
pub struct Started {
    /// Its id.
    pub id: String,
    /// Where to put the parts, from the first on.
    pub urls: Vec<String>,
}

impl FileArea {
    /// The key of a file.
    ///
    /// # Errors
    /// The path cannot be one, or is not that of a file of the workspace.
    pub fn key(&self, path: &str) -> Result<Key, Error> {
        // Checked alone too, so that nothing in it can mean something else together with the workspace.
        let path = Key::parse(path.strip_prefix("./").unwrap_or(path))?;
        if path.space() == ARTIFACTS {
            return Err(RemoteFailure::permission(
                "Permission denied: files of artifacts are reached through the artifact manager",
            )
            .into());
        }
        Ok(Key::parse(&format!("{}/{path}", self.workspace))?)
    }

    fn prefix(&self, path: &str) -> Result<Prefix, Error> {
        let path = path.strip_prefix("./").unwrap_or(path);
        match path {
            "" | "." => Ok(Prefix::parse(&self.workspace)?),
            path => Ok(Prefix::parse(
                self.key(path.strip_suffix('/').unwrap_or(path))?.as_str(),
            )?),
        }
    }

    /// One level of a folder: `limit` lines after the first `offset`, in byte order; among those, files first.
    ///
    /// # Errors
    /// The path cannot be one, or the store does not answer.
    pub async fn list(&self, path: &str, limit: usize, offset: usize) -> Result<Vec<FolderEntry>, Error> {
        let prefix = self.prefix(path)?;
        let limit = limit.min(MAX_PAGE);
        let hidden = format!("{}/{ARTIFACTS}/", self.workspace);
        let (mut after, mut skip) = (None, offset);
        let mut lines: Vec<Entry> = Vec::new();
        while lines.len() < limit {
            let page = self.storage.list(&prefix, true, after.as_deref(), PAGE).await?;
            let shown: Vec<_> = page
                .entries
                .into_iter()
                .filter(|entry| entry.position() != hidden)
                .collect();
            let skipped = skip.min(shown.len());
            skip -= skipped;
            lines.extend(shown.into_iter().skip(skipped));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        lines.truncate(limit);
        let (files, folders): (Vec<_>, Vec<_>) = lines
            .into_iter()
            .partition(|line| matches!(line, Entry::File { .. }));
        let name = |position: &str| position[prefix.as_str().len()..].trim_end_matches('/').to_owned();
        Ok(files
            .into_iter()
            .chain(folders)
            .map(|line| match line {
                Entry::File { key, meta } => FolderEntry::File {
                    name: name(&key),
                    size: meta.size,
                    modified: meta
                        .modified
                        .duration_since(UNIX_EPOCH)
                        .unwrap_or_default()
                        .as_secs_f64(),
                },
                Entry::Folder(folder) => FolderEntry::Folder { name: name(&folder) },
            })
            .collect())
    }

    /// Deletes a file or, with a slash at the end, a folder with all that is in it. False when there is none.
    ///
    /// # Errors
    /// The path cannot be one, or the store does not answer.
    pub async fn remove(&self, path: &str) -> Result<bool, Error> {
        match path.strip_suffix('/') {
            Some(folder) => {
                let prefix = Prefix::parse(self.key(folder)?.as_str())?;
                Ok(self.storage.delete_prefix(&prefix).await? > 0)
            }
            None => self.storage.delete(&self.key(path)?).await,
        }
    }

    fn sign(&self, grant: &Grant, expires_in: u64, base: &Base) -> String {
        let base = match base {
            Base::Public => &self.public_url,
            Base::Local => &self.local_url,
            Base::Other(url) => url,
        };
        let expires = unix_now().saturating_add(expires_in.clamp(1, MAX_EXPIRY));
        self.storage.signer().sign(grant, expires, base)
    }

    /// A URL to read a file from. Whether there is one is not checked.
    ///
    /// # Errors
    /// The path cannot be one.
    pub fn get_url(&self, path: &str, expires_in: u64, base: &Base) -> Result<String, Error> {
        let grant = Grant {
            key: self.key(path)?,
            access: Access::Get,
        };
        Ok(self.sign(&grant, expires_in, base))
    }

    /// A URL to write a file to, which is deleted `ttl` seconds from now.
    ///
    /// # Errors
    /// The path cannot be one.
    pub fn put_url(
        &self,
        path: &str,
        expires_in: u64,
        ttl: Option<u64>,
        base: &Base,
    ) -> Result<String, Error> {
        let options = PutOptions {
            delete_at: ttl.map(|ttl| unix_now().saturating_add(ttl)),
            ..PutOptions::default()
        };
        let grant = Grant {
            key: self.key(path)?,
            access: Access::Put(options),
        };
        Ok(self.sign(&grant, expires_in, base))
    }

    /// Starts a multipart upload. The file is deleted `ttl` seconds after its completion.
    ///
    /// # Errors
    /// The path or the number of parts cannot be one.
    pub async fn start_upload(
        &self,
        path: &str,
        part_count: u64,
        expires_in: u64,
        ttl: Option<u64>,
        base: &Base,
    ) -> Result<Started, Error> {
        let key = self.key(path)?;
        let too_many = || Error::Parts(format!("part_count must be between 1 and {MAX_PARTS}"));
        let expires_in = expires_in.clamp(1, MAX_EXPIRY);
        let options = UploadOptions {
            owner: self.owner.clone(),
            part_count: u32::try_from(part_count).map_err(|_| too_many())?,
            expires_in,
            content_type: None,
            ttl,
        };
        let count = options.part_count;
        let id = self.storage.create_upload(&key, options).await?;
        let url = |number| {
            let access = Access::Part {
                upload: id.clone(),
                number,
                size: SizeRule::Any,
            };
            let key = key.clone();
            self.sign(&Grant { key, access }, expires_in, base)
        };
        let urls = (1..=count).map(url).collect();
        Ok(Started { id, urls })
    }

    /// Makes a file of the parts of an upload of the same user; its key.
    ///
    /// # Errors
    /// No such upload, or a part that is not there.
    pub async fn complete_upload(&self, id: &str, parts: &[PartRef]) -> Result<(Key, Meta), Error> {
        let key = self.storage.upload_key(id, &self.owner).await?;
        let meta = self.storage.complete_upload(&key, id, &self.owner, parts).await?;
        Ok((key, meta))
    }
}
