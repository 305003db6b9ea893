//! Listing folders.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use sqlx::{AnyConnection, Row, query};

use crate::error::{Error, Result};
use crate::files::weight_of;
use crate::ids;
use crate::manager::Artifacts;
use crate::model::{Selector, number};
use crate::permissions::{Actor, Operation};
use crate::view::{ENTRIES, FileEntry, FileMeta, View, entry};

/// Most entries of one listing.
const MAX_LIST: u64 = 10_000;
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

impl Artifacts {
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
        let artifact = self
            .find_for(&mut connection, actor, id, Operation::ListFiles)
            .await?;
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
            let weight =
                weight.or_else(|| Some(weight_of(&artifact, entry.path.as_str())).filter(|w| *w > 0.0));
            if let (true, Some(weight)) = (is_stage, weight) {
                line["download_weight"] = number(weight);
            }
            lines.push(line);
        }
        let shown = lines.len() as u64;
        if shown < page.limit {
            let folders = folders(&mut connection, &view, &folder).await?;
            let skip = page.offset.saturating_sub(files.1);
            let names = folders
                .into_iter()
                .skip(usize::try_from(skip).unwrap_or(usize::MAX));
            let room = usize::try_from(page.limit - shown).unwrap_or(usize::MAX);
            lines.extend(
                names
                    .take(room)
                    .map(|name| json!({"type": "directory", "name": name})),
            );
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
            query(sqlx::AssertSqlSafe(statement))
                .bind(view.version.clone())
                .bind(view.staged.clone())
                .bind(folder.to_owned())
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
}

/// Names of the folders in a folder.
async fn folders(connection: &mut AnyConnection, view: &View, folder: &str) -> Result<BTreeSet<String>> {
    // '0' follows '/' in byte order; at the top every folder is below.
    let end = folder
        .strip_suffix('/')
        .map_or_else(|| "\u{10ffff}".to_owned(), |folder| format!("{folder}0"));
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
