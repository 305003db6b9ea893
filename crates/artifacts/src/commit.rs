//! Making staged changes a version, and dropping them. A commit is one transaction that moves references.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use hypha_storage::Meta;
use serde_json::{Value as Json, json};
use sqlx::{AnyConnection, query, query_scalar};

use crate::content::seconds;
use crate::create::{copy_files, reload, validate_child};
use crate::error::{Error, Result};
use crate::garbage;
use crate::ids;
use crate::manager::{Artifacts, now, require, require_of_parent};
use crate::model::{Artifact, Intent, Object, StagedFile, Staging, Version, WEIGHTS, number};
use crate::permissions::{Actor, Operation};
use crate::records;

/// Uploads that are looked at at once.
const PARALLEL: usize = 16;

/// What is known about staged objects that are in the store; `None` for those that a version refers to already.
pub(crate) type Uploaded = HashMap<String, Option<Meta>>;

/// Where a commit goes.
pub(crate) enum Target {
    /// A version of this name, after the one with this id.
    New { name: String, after: Option<String> },
    /// The version with this id.
    InPlace(String),
}

impl Target {
    /// A new version if that is meant or there is none, else the latest.
    pub(crate) fn choose(versions: &[Version], intent: Intent, name: Option<&str>) -> Result<Self> {
        let taken = |name: &str| versions.iter().any(|version| version.name == name);
        let latest = match versions.last() {
            Some(latest) if intent == Intent::EditVersion => return Ok(Self::InPlace(latest.id.clone())),
            latest => latest,
        };
        let name = match name {
            None | Some("new" | "stage" | "") => {
                // Names of versions that were deleted may leave holes, or none where one is expected.
                let numbers = versions.len()..;
                numbers
                    .map(|n| format!("v{n}"))
                    .find(|name| !taken(name))
                    .unwrap_or_default()
            }
            Some(name) if taken(name) => {
                return Err(Error::value(format!(
                    "Version '{name}' already exists. Please choose a different version name."
                )));
            }
            Some(name) => ids::version_name(name)?.to_owned(),
        };
        Ok(Self::New {
            name,
            after: latest.map(|latest| latest.id.clone()),
        })
    }
}

impl Artifacts {
    /// Makes what is staged a version, or part of the latest. Returns the shape on the wire.
    ///
    /// # Errors
    /// Nothing is staged, a staged file was not uploaded, the manifest does not fit the collection, not permitted.
    pub async fn commit(
        &self,
        actor: &Actor,
        id: &str,
        version: Option<&str>,
        comment: Option<&str>,
    ) -> Result<Json> {
        let mut connection = self.read().await?;
        let artifact = self
            .find_for(&mut connection, actor, id, Operation::Commit)
            .await?;
        drop(connection);
        // From here on no upload of this artifact becomes visible.
        let _held = self.content().hold(&artifact.id).await;
        let uploaded = self.uploaded(&artifact.id).await?;

        let mut transaction = self.database().write().await?;
        let mut artifact = self
            .find_for(&mut transaction, actor, &artifact.id, Operation::Commit)
            .await?;
        let staging = records::staging(&mut transaction, &artifact.id).await?;
        let staging = staging.ok_or_else(|| Error::value("Artifact must be in staging mode to commit."))?;
        let versions = records::versions(&mut transaction, &artifact.id).await?;
        if versions.is_empty() {
            require_of_parent(actor, &artifact, Operation::Attach)?;
        }
        let target = Target::choose(&versions, staging.intent, version)?;
        if let Some(missing) = missing(&staging, &uploaded) {
            return Err(Error::no_file(missing.path.as_str()));
        }
        if let Some(parent) = artifact.parent_config() {
            validate_child(parent, &staging.manifest)?;
        }
        apply(
            &mut transaction,
            &mut artifact,
            &staging,
            &uploaded,
            &target,
            comment,
            now(),
        )
        .await?;
        garbage::settle(&mut transaction).await?;
        let whole = reload(&mut transaction, &artifact).await?;
        transaction.commit().await?;
        self.garbage().notify_one();
        Ok(whole.to_json())
    }

    /// What of the staged files is in the store. To be asked while the artifact is held.
    pub(crate) async fn uploaded(&self, artifact: &str) -> Result<Uploaded> {
        let mut connection = self.read().await?;
        let keys: Vec<String> = query_scalar(
            "SELECT object_key FROM staged_files WHERE artifact = $1 AND object_key IS NOT NULL",
        )
        .bind(artifact)
        .fetch_all(&mut *connection)
        .await?;
        let known: Vec<String> = query_scalar(
            "SELECT s.object_key FROM staged_files s JOIN objects o ON o.object_key = s.object_key WHERE s.artifact = $1",
        )
        .bind(artifact)
        .fetch_all(&mut *connection)
        .await?;
        drop(connection);
        let mut uploaded: Uploaded = known.into_iter().map(|key| (key, None)).collect();
        let heads = keys
            .into_iter()
            .filter(|key| !uploaded.contains_key(key))
            .map(|key| async move {
                let meta = self.content().head(&key).await?;
                Ok::<_, Error>(meta.map(|meta| (key, Some(meta))))
            });
        let heads: Vec<_> = stream::iter(heads.collect::<Vec<_>>())
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        uploaded.extend(heads.into_iter().flatten());
        Ok(uploaded)
    }

    /// Drops what is staged. Returns the shape on the wire.
    ///
    /// # Errors
    /// Nothing is staged, not permitted.
    pub async fn discard(&self, actor: &Actor, id: &str) -> Result<Json> {
        let mut transaction = self.database().write().await?;
        let artifact = self
            .find_for(&mut transaction, actor, id, Operation::DiscardChanges)
            .await?;
        if records::staging(&mut transaction, &artifact.id).await?.is_none() {
            return Err(Error::value(
                "No staged changes to discard. Artifact is not in staging mode.",
            ));
        }
        clear_staging(&mut transaction, &artifact.id).await?;
        garbage::settle(&mut transaction).await?;
        let whole = reload(&mut transaction, &artifact).await?;
        transaction.commit().await?;
        self.garbage().notify_one();
        Ok(whole.to_json())
    }

    /// Drops what is staged, if anything is.
    ///
    /// # Errors
    /// Not permitted.
    pub async fn discard_changes(&self, actor: &Actor, id: &str) -> Result<Json> {
        let mut connection = self.read().await?;
        let artifact = self
            .find_for(&mut connection, actor, id, Operation::DiscardChanges)
            .await?;
        let staging = records::staging(&mut connection, &artifact.id).await?;
        drop(connection);
        if staging.is_none() {
            return Ok(json!({"status": "nothing_to_discard"}));
        }
        self.discard(actor, id).await?;
        Ok(json!({"status": "discarded", "branch": null}))
    }

    /// What is staged.
    ///
    /// # Errors
    /// Not permitted.
    pub async fn get_status(&self, actor: &Actor, id: &str) -> Result<Json> {
        let mut connection = self.read().await?;
        let artifact = self.find(&mut connection, actor, id).await?;
        if !crate::manager::may_see_drafts(actor, &artifact) {
            require(actor, &artifact, Operation::GetStatus)?;
        }
        let whole = records::whole(&mut connection, vec![artifact]).await?;
        let staging = whole.first().map(|whole| whole.to_json()["staging"].clone());
        Ok(match staging {
            Some(Json::Array(mut entries)) => {
                // The last entry says what the commit will do.
                entries.pop();
                json!({"staged": true, "files": entries})
            }
            _ => json!({"staged": false}),
        })
    }
}

fn missing<'a>(staging: &'a Staging, uploaded: &Uploaded) -> Option<&'a StagedFile> {
    staging.files.iter().find(|file| {
        file.object_key
            .as_ref()
            .is_some_and(|key| !uploaded.contains_key(key))
    })
}

/// Removes everything staged, and notes its objects.
pub(crate) async fn clear_staging(connection: &mut AnyConnection, artifact: &str) -> Result<()> {
    garbage::suspect_staged(connection, artifact).await?;
    query("DELETE FROM staging WHERE artifact = $1")
        .bind(artifact)
        .execute(connection)
        .await?;
    Ok(())
}

/// Does what is staged, and ends staging. Objects that lose a reference are noted; settle afterwards.
pub(crate) async fn apply(
    connection: &mut AnyConnection,
    artifact: &mut Artifact,
    staging: &Staging,
    uploaded: &Uploaded,
    target: &Target,
    comment: Option<&str>,
    now: i64,
) -> Result<()> {
    let was_collection = artifact.config.get("is_collection").cloned();
    artifact.manifest = staging.manifest.clone();
    artifact.config = staging.config.clone();
    if let Some(was_collection) = was_collection {
        artifact.config.entry("is_collection").or_insert(was_collection);
    }
    merge_weights(&mut artifact.config, &staging.files);
    artifact.kind = staging.kind.clone();
    artifact.secrets = staging.secrets.clone();
    artifact.last_modified = now;

    let version = match target {
        Target::InPlace(id) => {
            garbage::suspect_version(connection, id).await?;
            id.clone()
        }
        Target::New { name, after } => {
            let made = records::insert_version(connection, artifact, name, comment, now).await?;
            if let (Some(after), true) = (after, staging.inherits) {
                copy_files(connection, &made, after).await?;
            }
            made
        }
    };
    for file in &staging.files {
        apply_file(connection, &version, file, uploaded).await?;
    }
    records::update_version(connection, &version, artifact, comment).await?;
    clear_staging(connection, &artifact.id).await?;
    records::update(connection, artifact).await
}

async fn apply_file(
    connection: &mut AnyConnection,
    version: &str,
    file: &StagedFile,
    uploaded: &Uploaded,
) -> Result<()> {
    let Some(key) = &file.object_key else {
        query("DELETE FROM files WHERE version = $1 AND folder = $2 AND name = $3")
            .bind(version)
            .bind(file.path.folder())
            .bind(file.path.name())
            .execute(connection)
            .await?;
        return Ok(());
    };
    if let Some(Some(meta)) = uploaded.get(key) {
        query(
            "INSERT INTO objects (object_key, size, etag, content_type, modified) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (object_key) DO NOTHING",
        )
        .bind(key)
        .bind(i64::try_from(meta.size).unwrap_or(i64::MAX))
        .bind(&meta.etag)
        .bind(meta.content_type.clone())
        .bind(seconds(meta.modified))
        .execute(&mut *connection)
        .await?;
    }
    query(
        "INSERT INTO files (version, folder, name, object_key) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (version, folder, name) DO UPDATE SET object_key = excluded.object_key",
    )
    .bind(version)
    .bind(file.path.folder())
    .bind(file.path.name())
    .bind(key)
    .execute(connection)
    .await?;
    Ok(())
}

/// The config says what a download of each file counts.
fn merge_weights(config: &mut Object, files: &[StagedFile]) {
    let mut weights = config
        .get(WEIGHTS)
        .and_then(Json::as_object)
        .cloned()
        .unwrap_or_default();
    for file in files {
        match (&file.object_key, file.weight) {
            (Some(_), Some(weight)) => _ = weights.insert(file.path.as_str().to_owned(), number(weight)),
            (Some(_), None) => {}
            (None, _) => _ = weights.remove(file.path.as_str()),
        }
    }
    if !weights.is_empty() || config.contains_key(WEIGHTS) {
        config.insert(WEIGHTS.into(), Json::Object(weights));
    }
}
