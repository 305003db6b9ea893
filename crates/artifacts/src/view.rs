//! States of an artifact's files: those of a version, with or without what is staged over it.

use hypha_storage::Meta;
use sqlx::{AnyConnection, Row, query};

use crate::content::seconds;
use crate::error::{Error, Result};
use crate::ids::FilePath;
use crate::manager::{Artifacts, may_see_drafts};
use crate::model::{Artifact, Intent, Selector};
use crate::permissions::Actor;
use crate::records;

/// Most files in a zip file.
const MAX_ZIP: usize = 100_000;
/// Which state of an artifact's files is meant: those of a version, with or without what is staged over it.
pub(crate) struct View {
    /// Id of the version; empty for none.
    pub(crate) version: String,
    /// Id of the artifact if staged changes count; else empty.
    pub(crate) staged: String,
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

/// Files of the version $1 that are not staged for $2, and the staged ones, all in the folder $3.
pub(crate) const ENTRIES: &str = "SELECT f.folder, f.name, f.object_key, o.size, o.etag, o.content_type, o.modified, NULL AS weight \
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
        let latest = index
            .and_then(|index| versions.get(index))
            .map(|version| version.id.clone());
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
        let keeps = staging
            .as_ref()
            .is_none_or(|staging| staging.inherits || staging.intent == Intent::EditVersion);
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

    /// All files of a view that are there.
    pub(crate) async fn all_files(
        &self,
        connection: &mut AnyConnection,
        view: &View,
    ) -> Result<Vec<FileEntry>> {
        let statement = ENTRIES
            .replace(" AND f.folder = $3", "")
            .replace(" AND s.folder = $3", "");
        let rows = query(sqlx::AssertSqlSafe(format!("{statement} ORDER BY 1, 2 LIMIT $3")))
            .bind(&view.version)
            .bind(&view.staged)
            .bind(MAX_ZIP as i64 + 1)
            .fetch_all(connection)
            .await?;
        if rows.len() > MAX_ZIP {
            return Err(Error::value(format!(
                "A zip file has at most {MAX_ZIP} files; name those that you want"
            )));
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
        (true, _) => Err(Error::value(
            "You cannot specify a version when using stage mode.",
        )),
        (false, selector) => Ok(selector),
    }
}

pub(crate) fn entry(row: &sqlx::any::AnyRow) -> Result<FileEntry> {
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
