//! Reading files: URLs, bytes, and what downloads count.

use bytes::Bytes;
use hypha_storage::{Base, Object};
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::ids::FilePath;
use crate::manager::Artifacts;
use crate::model::{Artifact, Selector, WEIGHTS, number};
use crate::permissions::{Actor, Operation};
use crate::records;
use crate::view::FileEntry;

/// Most files in one call.
pub(crate) const MAX_FILES: usize = 1000;
/// Most bytes that are read or written through a call, not through a URL.
pub const MAX_INLINE: u64 = 10 << 20;
/// A file that is open for reading: its bytes stay, whatever happens to the artifact.
pub struct OpenFile {
    /// Its bytes.
    pub object: Object,
    /// Its path, and what is known about it.
    pub entry: FileEntry,
    /// Type of the artifact.
    pub kind: Option<String>,
}

impl Artifacts {
    /// A file that is open for reading. Counts a download unless `silent`.
    ///
    /// # Errors
    /// No such artifact, version or file; not permitted.
    pub async fn open_file(
        &self,
        actor: &Actor,
        id: &str,
        path: &str,
        selector: &Selector,
        silent: bool,
    ) -> Result<OpenFile> {
        let (mut entries, kind) = self
            .readable(actor, id, &[path.to_owned()], selector, silent)
            .await?;
        let entry = entries.pop().ok_or_else(|| Error::no_file(path))?;
        let object = self.content().open(&entry.object_key).await?;
        Ok(OpenFile { object, entry, kind })
    }

    async fn readable(
        &self,
        actor: &Actor,
        id: &str,
        paths: &[String],
        selector: &Selector,
        silent: bool,
    ) -> Result<(Vec<FileEntry>, Option<String>)> {
        if paths.len() > MAX_FILES {
            return Err(Error::value(format!(
                "At most {MAX_FILES} files can be asked for at once"
            )));
        }
        let mut connection = self.read().await?;
        let artifact = self
            .find_for(&mut connection, actor, id, Operation::GetFile)
            .await?;
        let view = self.view(&mut connection, actor, &artifact, selector).await?;
        let mut entries = Vec::with_capacity(paths.len());
        let mut weight = 0.0;
        for text in paths {
            let path = FilePath::parse(text)?;
            let entry = self.file(&mut connection, &view, &path).await?;
            entries.push(
                entry
                    .filter(|entry| entry.meta.is_some())
                    .ok_or_else(|| Error::no_file(text))?,
            );
            weight += weight_of(&artifact, path.as_str());
        }
        if !silent {
            self.counters().download(&artifact.id, weight);
        }
        Ok((entries, artifact.kind))
    }

    /// The files of a version for a zip file: those named, or all. Counts a download unless `silent`.
    ///
    /// # Errors
    /// No such artifact, version or file; too many; not permitted.
    pub async fn files_to_zip(
        &self,
        actor: &Actor,
        id: &str,
        paths: &[String],
        selector: &Selector,
        silent: bool,
    ) -> Result<Vec<FileEntry>> {
        let mut connection = self.read().await?;
        let artifact = self
            .find_for(&mut connection, actor, id, Operation::GetFile)
            .await?;
        let view = self.view(&mut connection, actor, &artifact, selector).await?;
        let mut entries = match paths {
            [] => self.all_files(&mut connection, &view).await?,
            _ => Vec::with_capacity(paths.len()),
        };
        for text in paths {
            let entry = self.file(&mut connection, &view, &FilePath::parse(text)?).await?;
            entries.push(
                entry
                    .filter(|entry| entry.meta.is_some())
                    .ok_or_else(|| Error::no_file(text))?,
            );
        }
        if !silent {
            let of_zip = weight_of(&artifact, "create-zip-file");
            let of_files = || {
                entries
                    .iter()
                    .map(|entry| weight_of(&artifact, entry.path.as_str()))
                    .sum()
            };
            let weight = if of_zip > 0.0 { of_zip } else { of_files() };
            self.counters().download(&artifact.id, weight);
        }
        Ok(entries)
    }

    /// URLs to read files from, in the order of `paths`.
    ///
    /// # Errors
    /// No such artifact, version or file; not permitted.
    pub async fn get_urls(
        &self,
        actor: &Actor,
        id: &str,
        paths: &[String],
        selector: &Selector,
        silent: bool,
        (expires_in, base): (u64, &Base),
    ) -> Result<Vec<String>> {
        let (entries, _) = self.readable(actor, id, paths, selector, silent).await?;
        let urls = entries
            .iter()
            .map(|entry| self.content().get_url(&entry.object_key, expires_in, base));
        urls.collect()
    }

    /// A part of a file.
    ///
    /// # Errors
    /// No such artifact, version or file; too much at once; not permitted.
    pub async fn read_file(
        &self,
        actor: &Actor,
        id: &str,
        path: &str,
        selector: &Selector,
        (offset, limit): (u64, u64),
    ) -> Result<(String, Bytes)> {
        if limit > MAX_INLINE {
            return Err(Error::value(format!(
                "limit must be at most {MAX_INLINE} bytes; use get_file for larger parts"
            )));
        }
        let (mut entries, _) = self
            .readable(actor, id, &[path.to_owned()], selector, true)
            .await?;
        let entry = entries.pop().ok_or_else(|| Error::no_file(path))?;
        let bytes = self.content().read(&entry.object_key, offset, limit).await?;
        Ok((entry.path.name().to_owned(), bytes))
    }

    /// Says what a download of a file counts; 0 for nothing.
    ///
    /// # Errors
    /// A negative weight, not permitted.
    pub async fn set_download_weight(&self, actor: &Actor, id: &str, path: &str, weight: f64) -> Result<()> {
        if !weight.is_finite() || weight < 0.0 {
            return Err(Error::value("Download weight must be a non-negative number."));
        }
        let path = FilePath::parse(path)?;
        let mut transaction = self.database().write().await?;
        let mut artifact = self
            .find_for(&mut transaction, actor, id, Operation::SetDownloadWeight)
            .await?;
        let mut weights = artifact
            .config
            .get(WEIGHTS)
            .and_then(Json::as_object)
            .cloned()
            .unwrap_or_default();
        if weight > 0.0 {
            weights.insert(path.as_str().to_owned(), number(weight));
        } else {
            weights.remove(path.as_str());
        }
        artifact.config.insert(WEIGHTS.into(), Json::Object(weights));
        records::update(&mut transaction, &artifact).await?;
        Ok(transaction.commit().await?)
    }
}

/// What a download of a file counts.
pub(crate) fn weight_of(artifact: &Artifact, path: &str) -> f64 {
    let weights = artifact.config.get(WEIGHTS).and_then(Json::as_object);
    weights
        .and_then(|weights| weights.get(path)?.as_f64())
        .unwrap_or_default()
}
