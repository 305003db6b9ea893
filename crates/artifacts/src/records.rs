//! Rows of the database and what they stand for. Every function takes a connection, so that it works inside a
//! transaction and outside.

use std::collections::HashMap;

use serde_json::Value as Json;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row, query, query_scalar};

use crate::error::{Error, Result};
use crate::ids::{ArtifactRef, FilePath};
use crate::model::{Artifact, Intent, Object, Parent, StagedFile, Staging, Version, Whole};

/// Every column of an artifact, and of its parent what [`Parent`] has.
pub(crate) const SELECT: &str = "SELECT a.id, a.workspace, a.alias, a.kind, a.manifest, a.config, a.secrets, \
     a.created_by, a.created_at, a.last_modified, a.view_count, a.download_count, a.file_count, a.version_count, \
     a.parent, p.workspace AS parent_workspace, p.alias AS parent_alias, p.config AS parent_config \
     FROM artifacts a LEFT JOIN artifacts p ON p.id = a.parent";

/// A JSON object from a column.
pub(crate) fn object(text: &str) -> Result<Object> {
    serde_json::from_str(text).map_err(|_| Error::Corrupt("a manifest or config is no JSON object".into()))
}

pub(crate) fn text(object: &Object) -> String {
    // A map of JSON values always has a text.
    serde_json::to_string(object).unwrap_or_default()
}

pub(crate) fn artifact(row: &AnyRow) -> Result<Artifact> {
    let parent = match row.try_get::<Option<String>, _>("parent")? {
        None => None,
        Some(id) => Some(Parent {
            id,
            workspace: row.try_get("parent_workspace")?,
            alias: row.try_get("parent_alias")?,
            config: object(row.try_get("parent_config")?)?,
        }),
    };
    Ok(Artifact {
        id: row.try_get("id")?,
        workspace: row.try_get("workspace")?,
        alias: row.try_get("alias")?,
        parent,
        kind: row.try_get("kind")?,
        manifest: object(row.try_get("manifest")?)?,
        config: object(row.try_get("config")?)?,
        secrets: row.try_get("secrets")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        last_modified: row.try_get("last_modified")?,
        view_count: row.try_get("view_count")?,
        download_count: row.try_get("download_count")?,
        file_count: row.try_get("file_count")?,
        version_count: row.try_get("version_count")?,
    })
}

/// Finds an artifact.
pub(crate) async fn find(connection: &mut AnyConnection, name: &ArtifactRef) -> Result<Option<Artifact>> {
    let (workspace, alias) = match name {
        ArtifactRef::Id(id, workspace) => {
            let statement = format!("{SELECT} WHERE a.id = $1");
            let row = query(AssertSqlSafe(statement))
                .bind(id)
                .fetch_optional(&mut *connection)
                .await?;
            if let Some(row) = row {
                return artifact(&row).map(Some);
            }
            (workspace, id)
        }
        ArtifactRef::Alias(workspace, alias) => (workspace, alias),
    };
    let statement = format!("{SELECT} WHERE a.workspace = $1 AND a.alias = $2");
    let statement = query(AssertSqlSafe(statement)).bind(workspace).bind(alias);
    let row = statement.fetch_optional(connection).await?;
    row.as_ref().map(artifact).transpose()
}

/// The versions of an artifact in their order.
pub(crate) async fn versions(connection: &mut AnyConnection, id: &str) -> Result<Vec<Version>> {
    let rows =
        query("SELECT id, name, comment, created_at FROM versions WHERE artifact = $1 ORDER BY position")
            .bind(id)
            .fetch_all(connection)
            .await?;
    rows.iter().map(version).collect()
}

fn version(row: &AnyRow) -> Result<Version> {
    Ok(Version {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        comment: row.try_get("comment")?,
        created_at: row.try_get("created_at")?,
    })
}

const STAGING: &str =
    "SELECT artifact, intent, inherits, kind, manifest, config, secrets FROM staging WHERE artifact";
const STAGED_FILES: &str =
    "SELECT artifact, folder, name, object_key, weight FROM staged_files WHERE artifact";

/// What is staged for an artifact.
pub(crate) async fn staging(connection: &mut AnyConnection, id: &str) -> Result<Option<Staging>> {
    let ids = [id.to_owned()];
    Ok(stagings(connection, &ids).await?.remove(id))
}

/// `IN ($1, …)` for so many values.
fn in_list(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|place| format!("${place}")).collect();
    format!(" IN ({})", places.join(", "))
}

async fn rows_of(
    connection: &mut AnyConnection,
    select: &str,
    ids: &[String],
    order: &str,
) -> Result<Vec<AnyRow>> {
    let statement = format!("{select}{} {order}", in_list(ids.len()));
    let statement = ids.iter().fold(query(AssertSqlSafe(statement)), |statement, id| {
        statement.bind(id)
    });
    Ok(statement.fetch_all(connection).await?)
}

async fn stagings(connection: &mut AnyConnection, ids: &[String]) -> Result<HashMap<String, Staging>> {
    let mut found = HashMap::new();
    for row in rows_of(connection, STAGING, ids, "").await? {
        let staging = Staging {
            intent: Intent::parse(row.try_get("intent")?),
            inherits: row.try_get::<i64, _>("inherits")? != 0,
            kind: row.try_get("kind")?,
            manifest: object(row.try_get("manifest")?)?,
            config: object(row.try_get("config")?)?,
            secrets: row.try_get("secrets")?,
            files: Vec::new(),
        };
        found.insert(row.try_get::<String, _>("artifact")?, staging);
    }
    if found.is_empty() {
        return Ok(found);
    }
    let staged: Vec<String> = found.keys().cloned().collect();
    for row in rows_of(connection, STAGED_FILES, &staged, "ORDER BY position").await? {
        if let Some(staging) = found.get_mut(row.try_get::<&str, _>("artifact")?) {
            staging.files.push(StagedFile {
                path: path(&row)?,
                object_key: row.try_get("object_key")?,
                weight: row.try_get("weight")?,
            });
        }
    }
    Ok(found)
}

/// The path in the columns `folder` and `name`.
pub(crate) fn path(row: &AnyRow) -> Result<FilePath> {
    let (folder, name): (&str, &str) = (row.try_get("folder")?, row.try_get("name")?);
    FilePath::parse(&format!("{folder}{name}")).map_err(|_| Error::Corrupt("the path of a file".into()))
}

/// Adds versions and what is staged to artifacts, in their order.
pub(crate) async fn whole(connection: &mut AnyConnection, artifacts: Vec<Artifact>) -> Result<Vec<Whole>> {
    if artifacts.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = artifacts.iter().map(|artifact| artifact.id.clone()).collect();
    let mut all: HashMap<String, Vec<Version>> = HashMap::new();
    let select = "SELECT artifact, id, name, comment, created_at FROM versions WHERE artifact";
    for row in rows_of(connection, select, &ids, "ORDER BY position").await? {
        all.entry(row.try_get("artifact")?)
            .or_default()
            .push(version(&row)?);
    }
    let mut staged = stagings(connection, &ids).await?;
    let whole = artifacts.into_iter().map(|artifact| Whole {
        versions: all.remove(&artifact.id).unwrap_or_default(),
        staging: staged.remove(&artifact.id),
        artifact,
    });
    Ok(whole.collect())
}

/// The manifest and config that a version was committed with.
pub(crate) async fn version_metadata(connection: &mut AnyConnection, id: &str) -> Result<(Object, Object)> {
    let row = query("SELECT manifest, config FROM versions WHERE id = $1")
        .bind(id)
        .fetch_one(connection)
        .await?;
    Ok((object(row.try_get("manifest")?)?, object(row.try_get("config")?)?))
}

/// How many children an artifact has.
pub(crate) async fn count_children(connection: &mut AnyConnection, id: &str) -> Result<i64> {
    let count = query_scalar("SELECT count(*) FROM artifacts WHERE parent = $1").bind(id);
    Ok(count.fetch_one(connection).await?)
}

/// Writes all columns of an artifact that can change, with what is counted for it.
pub(crate) async fn update(connection: &mut AnyConnection, artifact: &Artifact) -> Result<()> {
    query(
        "UPDATE artifacts SET parent = $2, kind = $3, manifest = $4, config = $5, secrets = $6, last_modified = $7, \
         file_count = coalesce((SELECT count(*) FROM files WHERE version = (SELECT id FROM \
         versions WHERE artifact = $1 ORDER BY position DESC LIMIT 1)), 0), \
         version_count = (SELECT count(*) FROM versions WHERE artifact = $1) WHERE id = $1",
    )
    .bind(&artifact.id)
    .bind(artifact.parent.as_ref().map(|parent| parent.id.clone()))
    .bind(artifact.kind.clone())
    .bind(text(&artifact.manifest))
    .bind(text(&artifact.config))
    .bind(artifact.secrets.clone())
    .bind(artifact.last_modified)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a new artifact. `false` when its alias is taken.
pub(crate) async fn insert(connection: &mut AnyConnection, artifact: &Artifact) -> Result<bool> {
    let done = query(
        "INSERT INTO artifacts (id, workspace, alias, parent, kind, manifest, config, secrets, created_by, created_at, \
         last_modified, view_count, download_count, file_count, version_count) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0.0, 0.0, 0, 0) \
         ON CONFLICT (workspace, alias) DO NOTHING",
    )
    .bind(&artifact.id)
    .bind(&artifact.workspace)
    .bind(&artifact.alias)
    .bind(artifact.parent.as_ref().map(|parent| parent.id.clone()))
    .bind(artifact.kind.clone())
    .bind(text(&artifact.manifest))
    .bind(text(&artifact.config))
    .bind(artifact.secrets.clone())
    .bind(&artifact.created_by)
    .bind(artifact.created_at)
    .bind(artifact.last_modified)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes a version behind those that there are. Returns its id.
pub(crate) async fn insert_version(
    connection: &mut AnyConnection,
    artifact: &Artifact,
    name: &str,
    comment: Option<&str>,
    now: i64,
) -> Result<String> {
    let id = crate::ids::new_id();
    query(
        "INSERT INTO versions (id, artifact, position, name, comment, created_at, manifest, config) VALUES ($1, $2, \
         coalesce((SELECT max(position) FROM versions WHERE artifact = $2), -1) + 1, $3, $4, $5, $6, $7)",
    )
    .bind(&id)
    .bind(&artifact.id)
    .bind(name)
    .bind(comment.map(str::to_owned))
    .bind(now)
    .bind(text(&artifact.manifest))
    .bind(text(&artifact.config))
    .execute(connection)
    .await?;
    Ok(id)
}

/// Changes what the latest version says about itself.
pub(crate) async fn update_version(
    connection: &mut AnyConnection,
    id: &str,
    artifact: &Artifact,
    comment: Option<&str>,
) -> Result<()> {
    query("UPDATE versions SET manifest = $2, config = $3, comment = coalesce($4, comment) WHERE id = $1")
        .bind(id)
        .bind(text(&artifact.manifest))
        .bind(text(&artifact.config))
        .bind(comment.map(str::to_owned))
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes sure that an artifact is staged, with these values.
pub(crate) async fn put_staging(connection: &mut AnyConnection, id: &str, staging: &Staging) -> Result<()> {
    query(
        "INSERT INTO staging (artifact, intent, inherits, kind, manifest, config, secrets) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (artifact) DO UPDATE SET intent = excluded.intent, \
         inherits = excluded.inherits, kind = excluded.kind, manifest = excluded.manifest, \
         config = excluded.config, secrets = excluded.secrets",
    )
    .bind(id)
    .bind(staging.intent.as_str())
    .bind(i64::from(staging.inherits))
    .bind(staging.kind.clone())
    .bind(text(&staging.manifest))
    .bind(text(&staging.config))
    .bind(staging.secrets.clone())
    .execute(connection)
    .await?;
    Ok(())
}

/// Refuses metadata that is too large.
pub(crate) fn check_size(what: &str, object: &Object) -> Result<()> {
    /// Largest manifest or config, in bytes of JSON.
    const MAX: usize = 4 << 20;
    let size = Json::Object(object.clone()).to_string().len();
    if size > MAX {
        return Err(Error::value(format!(
            "The {what} has {size} bytes as JSON, at most {MAX} are possible"
        )));
    }
    Ok(())
}
