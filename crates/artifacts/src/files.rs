//! Files: listing them, URLs to read and write them, reading and writing small ones, removing them.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::Stream;
use hypha_storage::{Base, Meta, Object, PutOptions};
use serde_json::{Value as Json, json};
use sqlx::{AnyConnection, Row, query};

use crate::content::{Content, seconds};
use crate::error::{Error, Result};
use crate::garbage;
use crate::ids::{self, FilePath};
use crate::manager::{Artifacts, may_see_drafts};
use crate::model::{Artifact, Selector, WEIGHTS, number};
use crate::permissions::{Actor, Operation};
use crate::records;

/// Most files in one call.
const MAX_FILES: usize = 1000;
/// Most files in a zip file.
const MAX_ZIP: usize = 100_000;
/// Most entries of one listing.
const MAX_LIST: u64 = 10_000;
/// Most bytes that are read or written through a call, not through a URL.
pub const MAX_INLINE: u64 = 10 << 20;

/// Which state of an artifact's files is meant: those of a version, with or without what is staged over it.
pub(crate) struct View {
    /// Id of the version; empty for none.
    version: String,
    /// Id of the artifact if staged changes count; else empty.
    staged: String,
}

/// A file in a view.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// Its path.
    pub path: FilePath,
    /// Where its bytes are.
    pub object_key: String,
    /// `None` if a staged upload has not come.
    pub meta: Option<FileMeta>,
}

/// What is known about the bytes of a file.
#[derive(Clone, Debug)]
pub struct FileMeta {
    /// Size in bytes.
    pub size: u64,
    /// Changes with the content; without quotes.
    pub etag: String,
    /// What the uploader said it is.
    pub content_type: Option<String>,
    /// Seconds since the Unix epoch.
    pub modified: f64,
}

impl From<Meta> for FileMeta {
    fn from(meta: Meta) -> Self {
        Self {
            size: meta.size,
            modified: seconds(meta.modified),
            etag: meta.etag,
            content_type: meta.content_type,
        }
    }
}

/// A file that is open for reading: its bytes stay, whatever happens to the artifact.
pub struct OpenFile {
    /// Its bytes.
    pub object: Object,
    /// Its path, and what is known about it.
    pub entry: FileEntry,
    /// Type of the artifact.
    pub kind: Option<String>,
}

/// Lines of one folder.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Lines to leave out.
    pub offset: u64,
    /// Most lines.
    pub limit: u64,
    /// Whether to show uploads that were announced and have not come.
    pub include_pending: bool,
}

/// Files of the version $1 that are not staged for $2, and the staged ones, all in the folder $3.
const ENTRIES: &str = "SELECT f.folder, f.name, f.object_key, o.size, o.etag, o.content_type, o.modified, NULL AS weight \
     FROM files f JOIN objects o ON o.object_key = f.object_key WHERE f.version = $1 AND f.folder = $3 AND NOT EXISTS \
     (SELECT 1 FROM staged_files s WHERE s.artifact = $2 AND s.folder = f.folder AND s.name = f.name) \
     UNION ALL SELECT s.folder, s.name, s.object_key, o.size, o.etag, o.content_type, o.modified, s.weight \
     FROM staged_files s LEFT JOIN objects o ON o.object_key = s.object_key \
     WHERE s.artifact = $2 AND s.folder = $3 AND s.object_key IS NOT NULL";

impl Artifacts {
    /// The state that `selector` means, if the caller may do `operation` with it.
    pub(crate) async fn view(
        &self,
        connection: &mut AnyConnection,
        actor: &Actor,
        artifact: &Artifact,
        selector: &Selector,
    ) -> Result<View> {
        let versions = records::versions(connection, &artifact.id).await?;
        let index = selector.find(&versions)?;
        let latest = index.and_then(|index| versions.get(index)).map(|version| version.id.clone());
        if *selector != Selector::Stage {
            return Ok(View {
                version: latest.unwrap_or_default(),
                staged: String::new(),
            });
        }
        if !may_see_drafts(actor, artifact) {
            return Err(Error::denied("read drafts"));
        }
        let staging = records::staging(connection, &artifact.id).await?;
        let keeps = staging.as_ref().is_none_or(|staging| {
            staging.inherits || staging.intent == crate::model::Intent::EditVersion
        });
        Ok(View {
            version: latest.filter(|_| keeps).unwrap_or_default(),
            staged: artifact.id.clone(),
        })
    }

    /// One file of a view, its bytes looked up if they are not committed.
    pub(crate) async fn file(
        &self,
        connection: &mut AnyConnection,
        view: &View,
        path: &FilePath,
    ) -> Result<Option<FileEntry>> {
        let statement = format!("SELECT * FROM ({ENTRIES}) entries WHERE name = $4");
        let row = query(sqlx::AssertSqlSafe(statement))
            .bind(&view.version)
            .bind(&view.staged)
            .bind(path.folder())
            .bind(path.name())
            .fetch_optional(connection)
            .await?;
        let Some(mut entry) = row.as_ref().map(entry).transpose()? else {
            return Ok(None);
        };
        if entry.meta.is_none() {
            entry.meta = self.content().head(&entry.object_key).await?.map(FileMeta::from);
        }
        Ok(Some(entry))
    }

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
        let (mut entries, kind) = self.readable(actor, id, &[path.to_owned()], selector, silent).await?;
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
            return Err(Error::value(format!("At most {MAX_FILES} files can be asked for at once")));
        }
        let mut connection = self.read().await?;
        let artifact = self.find_for(&mut connection, actor, id, Operation::GetFile).await?;
        let view = self.view(&mut connection, actor, &artifact, selector).await?;
        let mut entries = Vec::with_capacity(paths.len());
        let mut weight = 0.0;
        for text in paths {
            let path = FilePath::parse(text)?;
            let entry = self.file(&mut connection, &view, &path).await?;
            entries.push(entry.filter(|entry| entry.meta.is_some()).ok_or_else(|| Error::no_file(text))?);
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
        let artifact = self.find_for(&mut connection, actor, id, Operation::GetFile).await?;
        let view = self.view(&mut connection, actor, &artifact, selector).await?;
        let mut entries = match paths {
            [] => self.all_files(&mut connection, &view).await?,
            _ => Vec::with_capacity(paths.len()),
        };
        for text in paths {
            let entry = self.file(&mut connection, &view, &FilePath::parse(text)?).await?;
            entries.push(entry.filter(|entry| entry.meta.is_some()).ok_or_else(|| Error::no_file(text))?);
        }
        if !silent {
            let of_zip = weight_of(&artifact, "create-zip-file");
            let of_files = || entries.iter().map(|entry| weight_of(&artifact, entry.path.as_str())).sum();
            let weight = if of_zip > 0.0 { of_zip } else { of_files() };
            self.counters().download(&artifact.id, weight);
        }
        Ok(entries)
    }

    /// All files of a view that are there.
    async fn all_files(&self, connection: &mut AnyConnection, view: &View) -> Result<Vec<FileEntry>> {
        let statement = ENTRIES.replace(" AND f.folder = $3", "").replace(" AND s.folder = $3", "");
        let rows = query(sqlx::AssertSqlSafe(format!("{statement} ORDER BY 1, 2 LIMIT $3")))
            .bind(&view.version)
            .bind(&view.staged)
            .bind(MAX_ZIP as i64 + 1)
            .fetch_all(connection)
            .await?;
        if rows.len() > MAX_ZIP {
            return Err(Error::value(format!("A zip file has at most {MAX_ZIP} files; name those that you want")));
        }
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut entry = entry(row)?;
            if entry.meta.is_none() {
                entry.meta = self.content().head(&entry.object_key).await?.map(FileMeta::from);
            }
            entries.extend(Some(entry).filter(|entry| entry.meta.is_some()));
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
        let urls = entries.iter().map(|entry| self.content().get_url(&entry.object_key, expires_in, base));
        urls.collect()
    }

    /// Stages files and gives URLs to write them to, in the order of `paths`.
    ///
    /// # Errors
    /// Not staged, a wrong path or weight, not permitted.
    pub async fn put_urls(
        &self,
        actor: &Actor,
        id: &str,
        files: &[(String, f64)],
        (expires_in, base): (u64, &Base),
    ) -> Result<Vec<String>> {
        let keys = self.stage_files(actor, id, files).await?;
        keys.iter().map(|key| self.content().put_url(key, expires_in, base)).collect()
    }

    /// Stages a file and receives its bytes. Returns their ETag.
    ///
    /// # Errors
    /// Not staged, the body breaks off, no room, not permitted.
    pub async fn receive_file(
        &self,
        actor: &Actor,
        id: &str,
        (path, weight): (&str, f64),
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin + 'static,
        options: PutOptions,
    ) -> Result<String> {
        let mut keys = self.stage_files(actor, id, &[(path.to_owned(), weight)]).await?;
        let key = keys.pop().ok_or_else(|| Error::no_file(path))?;
        self.content().receive(&key, body, options).await
    }

    /// Stages files; where their bytes are to go.
    pub(crate) async fn stage_files(&self, actor: &Actor, id: &str, files: &[(String, f64)]) -> Result<Vec<String>> {
        if files.len() > MAX_FILES {
            return Err(Error::value(format!("At most {MAX_FILES} files can be uploaded in one call")));
        }
        if files.iter().any(|(_, weight)| !weight.is_finite() || *weight < 0.0) {
            return Err(Error::value("Download weight must be a non-negative number."));
        }
        let mut transaction = self.database().write().await?;
        let artifact = self.find_for(&mut transaction, actor, id, Operation::PutFile).await?;
        require_staged(&mut transaction, &artifact).await?;
        let mut keys = Vec::with_capacity(files.len());
        for (text, weight) in files {
            let path = FilePath::parse(text)?;
            keys.push(stage_file(&mut transaction, &artifact, &path, *weight).await?);
        }
        transaction.commit().await?;
        Ok(keys)
    }

    /// Removes a file: at once if it is staged only, else with the next commit.
    ///
    /// # Errors
    /// Not staged, no such file, not permitted.
    pub async fn remove_file(&self, actor: &Actor, id: &str, path: &str) -> Result<()> {
        let path = FilePath::parse(path)?;
        let mut transaction = self.database().write().await?;
        let artifact = self.find_for(&mut transaction, actor, id, Operation::RemoveFile).await?;
        require_staged(&mut transaction, &artifact).await?;
        let view = self.view(&mut transaction, actor, &artifact, &Selector::Stage).await?;
        let place = (path.folder(), path.name());
        let exists = |table: &str, column: &str| {
            format!("SELECT object_key FROM {table} WHERE {column} = $1 AND folder = $2 AND name = $3")
        };
        let staged = query(sqlx::AssertSqlSafe(exists("staged_files", "artifact")))
            .bind(&artifact.id)
            .bind(place.0)
            .bind(place.1)
            .fetch_optional(&mut *transaction)
            .await?;
        let committed = query(sqlx::AssertSqlSafe(exists("files", "version")))
            .bind(&view.version)
            .bind(place.0)
            .bind(place.1)
            .fetch_optional(&mut *transaction)
            .await?;
        let staged_key = match &staged {
            Some(row) => Some(row.try_get::<Option<String>, _>("object_key")?),
            None => None,
        };
        // What is marked for removal already is not there any more.
        if matches!(staged_key, Some(None)) || (staged_key.is_none() && committed.is_none()) {
            return Err(Error::no_file(path.as_str()));
        }
        if let Some(Some(key)) = staged_key {
            garbage::suspect(&mut transaction, &key).await?;
            query("DELETE FROM staged_files WHERE artifact = $1 AND folder = $2 AND name = $3")
                .bind(&artifact.id)
                .bind(place.0)
                .bind(place.1)
                .execute(&mut *transaction)
                .await?;
        }
        if committed.is_some() {
            write_staged(&mut transaction, &artifact.id, &path, None, None).await?;
        }
        garbage::settle(&mut transaction).await?;
        transaction.commit().await?;
        self.garbage().notify_one();
        Ok(())
    }

    /// The lines of a folder: files first, then folders, each by name.
    ///
    /// # Errors
    /// No such artifact or version, not permitted.
    pub async fn list_files(
        &self,
        actor: &Actor,
        id: &str,
        folder: &str,
        selector: &Selector,
        page: Page,
    ) -> Result<Vec<Json>> {
        if !(1..=MAX_LIST).contains(&page.limit) {
            return Err(Error::value(format!("limit must be between 1 and {MAX_LIST}")));
        }
        let folder = ids::folder(folder)?;
        let mut connection = self.read().await?;
        let artifact = self.find_for(&mut connection, actor, id, Operation::ListFiles).await?;
        let view = self.view(&mut connection, actor, &artifact, selector).await?;
        let is_stage = *selector == Selector::Stage;

        let mut lines = Vec::new();
        let files = self.folder_files(&mut connection, &view, &folder, page).await?;
        let pending = page.include_pending;
        for (entry, weight) in files.0 {
            let mut line = match &entry.meta {
                Some(meta) => json!({
                    "type": "file", "name": entry.path.name(), "size": meta.size, "last_modified": meta.modified,
                    "etag": meta.etag,
                }),
                None if pending => json!({
                    "type": "file", "name": entry.path.as_str(), "size": 0, "last_modified": null, "etag": null,
                    "pending": true,
                }),
                None => continue,
            };
            let weight = weight.or_else(|| Some(weight_of(&artifact, entry.path.as_str())).filter(|w| *w > 0.0));
            if let (true, Some(weight)) = (is_stage, weight) {
                line["download_weight"] = number(weight);
            }
            lines.push(line);
        }
        let shown = lines.len() as u64;
        if shown < page.limit {
            let folders = folders(&mut connection, &view, &folder).await?;
            let skip = page.offset.saturating_sub(files.1);
            let names = folders.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
            let room = usize::try_from(page.limit - shown).unwrap_or(usize::MAX);
            lines.extend(names.take(room).map(|name| json!({"type": "directory", "name": name})));
        }
        Ok(lines)
    }

    /// A page of the files of a folder, and how many there are.
    async fn folder_files(
        &self,
        connection: &mut AnyConnection,
        view: &View,
        folder: &str,
        page: Page,
    ) -> Result<(Vec<(FileEntry, Option<f64>)>, u64)> {
        let bound = |statement: String| {
            query(sqlx::AssertSqlSafe(statement)).bind(view.version.clone()).bind(view.staged.clone()).bind(folder.to_owned())
        };
        let count = bound(format!("SELECT count(*) AS n FROM ({ENTRIES}) entries"));
        let count: i64 = count.fetch_one(&mut *connection).await?.try_get("n")?;
        let rows = bound(format!("{ENTRIES} ORDER BY 2 LIMIT $4 OFFSET $5"))
            .bind(i64::try_from(page.limit).unwrap_or(i64::MAX))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(connection)
            .await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut entry = entry(row)?;
            if entry.meta.is_none() {
                entry.meta = self.content().head(&entry.object_key).await?.map(FileMeta::from);
            }
            entries.push((entry, row.try_get("weight")?));
        }
        Ok((entries, count.unsigned_abs()))
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
        let (mut entries, _) = self.readable(actor, id, &[path.to_owned()], selector, true).await?;
        let entry = entries.pop().ok_or_else(|| Error::no_file(path))?;
        let bytes = self.content().read(&entry.object_key, offset, limit).await?;
        Ok((entry.path.name().to_owned(), bytes))
    }

    /// Stages a file with this content.
    ///
    /// # Errors
    /// Not staged, too large, not permitted.
    pub async fn write_file(&self, actor: &Actor, id: &str, path: &str, content: Bytes) -> Result<()> {
        if content.len() as u64 > MAX_INLINE {
            return Err(Error::value(format!(
                "content must be at most {MAX_INLINE} bytes; use put_file for larger files"
            )));
        }
        let keys = self.stage_files(actor, id, &[(path.to_owned(), 0.0)]).await?;
        for key in keys {
            self.content().write(&key, content.clone(), None).await?;
        }
        Ok(())
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
        let mut artifact = self.find_for(&mut transaction, actor, id, Operation::SetDownloadWeight).await?;
        let mut weights = artifact.config.get(WEIGHTS).and_then(Json::as_object).cloned().unwrap_or_default();
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
    weights.and_then(|weights| weights.get(path)?.as_f64()).unwrap_or_default()
}

/// The version that arguments mean.
pub(crate) fn selector_of(name: Option<&str>, index: Option<usize>, stage: bool) -> Result<Selector> {
    let selector = match (name, index) {
        (_, Some(index)) => Selector::Index(index),
        (None | Some("" | "latest"), None) => Selector::Latest,
        (Some("stage"), None) => Selector::Stage,
        (Some(name), None) => Selector::Name(name.to_owned()),
    };
    match (stage, selector) {
        (true, Selector::Latest | Selector::Stage) => Ok(Selector::Stage),
        (true, _) => Err(Error::value("You cannot specify a version when using stage mode.")),
        (false, selector) => Ok(selector),
    }
}

fn entry(row: &sqlx::any::AnyRow) -> Result<FileEntry> {
    let size: Option<i64> = row.try_get("size")?;
    let meta = match size {
        None => None,
        Some(size) => Some(FileMeta {
            size: size.unsigned_abs(),
            etag: row.try_get("etag")?,
            content_type: row.try_get("content_type")?,
            modified: row.try_get("modified")?,
        }),
    };
    Ok(FileEntry {
        path: records::path(row)?,
        object_key: row.try_get("object_key")?,
        meta,
    })
}

/// Names of the folders in a folder.
async fn folders(connection: &mut AnyConnection, view: &View, folder: &str) -> Result<BTreeSet<String>> {
    // '0' follows '/' in byte order; at the top every folder is below.
    let end = folder.strip_suffix('/').map_or_else(|| "\u{10ffff}".to_owned(), |folder| format!("{folder}0"));
    let rows = query(
        "SELECT DISTINCT f.folder FROM files f WHERE f.version = $1 AND f.folder > $3 AND f.folder < $4 AND NOT EXISTS \
         (SELECT 1 FROM staged_files s WHERE s.artifact = $2 AND s.folder = f.folder AND s.name = f.name) \
         UNION SELECT DISTINCT s.folder FROM staged_files s WHERE s.artifact = $2 AND s.folder > $3 AND s.folder < $4 \
         AND s.object_key IS NOT NULL",
    )
    .bind(&view.version)
    .bind(&view.staged)
    .bind(folder)
    .bind(end)
    .fetch_all(connection)
    .await?;
    let mut names = BTreeSet::new();
    for row in &rows {
        let below: &str = row.try_get("folder")?;
        if let Some((name, _)) = below.get(folder.len()..).and_then(|rest| rest.split_once('/')) {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

pub(crate) async fn require_staged(connection: &mut AnyConnection, artifact: &Artifact) -> Result<()> {
    match records::staging(connection, &artifact.id).await? {
        Some(_) => Ok(()),
        None => Err(Error::value("Artifact must be in staging mode.")),
    }
}

/// Stages a file; the key for its bytes. One that is staged already keeps its key and weight, unless its bytes are those
/// of a version: those are never written to.
pub(crate) async fn stage_file(
    connection: &mut AnyConnection,
    artifact: &Artifact,
    path: &FilePath,
    weight: f64,
) -> Result<String> {
    let known = query(
        "SELECT s.object_key, s.weight, o.object_key AS committed FROM staged_files s \
         LEFT JOIN objects o ON o.object_key = s.object_key WHERE s.artifact = $1 AND s.folder = $2 AND s.name = $3",
    )
    .bind(&artifact.id)
    .bind(path.folder())
    .bind(path.name())
    .fetch_optional(&mut *connection)
    .await?;
    let mut weight = Some(weight).filter(|weight| *weight > 0.0);
    if let Some(row) = known {
        let key: Option<String> = row.try_get("object_key")?;
        let committed: Option<String> = row.try_get("committed")?;
        if let (Some(key), None) = (&key, &committed) {
            return Ok(key.clone());
        }
        weight = row.try_get::<Option<f64>, _>("weight")?.or(weight);
    }
    let key = Content::fresh_key(&artifact.workspace, &artifact.id, path);
    write_staged(connection, &artifact.id, path, Some(&key), weight).await?;
    Ok(key)
}

async fn write_staged(
    connection: &mut AnyConnection,
    artifact: &str,
    path: &FilePath,
    key: Option<&str>,
    weight: Option<f64>,
) -> Result<()> {
    query(
        "INSERT INTO staged_files (artifact, folder, name, position, object_key, weight) VALUES ($1, $2, $3, \
         coalesce((SELECT max(position) FROM staged_files WHERE artifact = $1), 0) + 1, $4, $5) \
         ON CONFLICT (artifact, folder, name) DO UPDATE SET object_key = excluded.object_key, weight = excluded.weight",
    )
    .bind(artifact)
    .bind(path.folder())
    .bind(path.name())
    .bind(key.map(str::to_owned))
    .bind(weight)
    .execute(connection)
    .await?;
    Ok(())
}
