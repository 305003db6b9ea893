//! Changing metadata, staged or at once.

use serde_json::{Value as Json, json};

use crate::commit::{self, Target};
use crate::create::{check_config, check_kind, reload, validate_child, with_creator};
use crate::error::{Error, Result};
use crate::garbage;
use crate::manager::{Artifacts, may_see_drafts, now, require, require_of_parent};
use crate::model::{Artifact, Intent, Object, Staging};
use crate::permissions::{Actor, Operation};
use crate::records;
use hypha_hub::auth::Permission;
use sqlx::AnyConnection;

/// What to change. What is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// In place of the manifest.
    pub manifest: Option<Object>,
    /// In place of the type.
    pub kind: Option<String>,
    /// In place of the config.
    pub config: Option<Object>,
    /// In place of the secrets.
    pub secrets: Option<Object>,
    /// `new` for a version of its own, `stage` for the same as `stage`.
    pub version: Option<String>,
    /// About the version.
    pub comment: Option<String>,
    /// For the next commit, instead of at once.
    pub stage: bool,
    /// Whether a new version starts with the files of the one before it.
    pub inherit_files: Option<bool>,
}

impl Artifacts {
    /// Changes an artifact. Returns its shape on the wire.
    ///
    /// # Errors
    /// Not permitted, something is not valid.
    pub async fn edit(&self, actor: &Actor, id: &str, request: Edit) -> Result<Json> {
        let new_version = match request.version.as_deref() {
            None | Some("stage" | "latest" | "") => false,
            Some("new") => true,
            Some(other) => {
                let other: String = other.chars().take(128).collect();
                return Err(Error::value(format!(
                    "Invalid version '{other}'. Edit operation only supports: None (the latest version), 'stage' and 'new'."
                )));
            }
        };
        if let Some(config) = &request.config {
            check_config(config)?;
        }
        if let Some(manifest) = &request.manifest {
            records::check_size("manifest", manifest)?;
        }
        check_kind(
            request.kind.as_deref(),
            request.config.as_ref().unwrap_or(&Object::new()),
        )?;
        if request.stage || request.version.as_deref() == Some("stage") {
            self.stage_edit(actor, id, request, new_version).await
        } else {
            self.edit_now(actor, id, request, new_version).await
        }
    }

    async fn stage_edit(&self, actor: &Actor, id: &str, request: Edit, new_version: bool) -> Result<Json> {
        let mut transaction = self.database().write().await?;
        let artifact = self
            .find_for(&mut transaction, actor, id, Operation::Edit)
            .await?;
        let known = records::staging(&mut transaction, &artifact.id).await?;
        let mut staging = match known {
            Some(staging) => staging,
            None => fresh_staging(&mut transaction, &artifact).await?,
        };
        if new_version {
            staging.intent = Intent::NewVersion;
        }
        if let Some(inherits) = request.inherit_files {
            staging.inherits = inherits;
        }
        self.overlay(&artifact, &mut staging, request)?;
        records::put_staging(&mut transaction, &artifact.id, &staging).await?;
        let whole = reload(&mut transaction, &artifact).await?;
        transaction.commit().await?;
        let mut whole = whole.staged_view();
        if !may_see_drafts(actor, &whole.artifact) && !may_see_drafts(actor, &artifact) {
            whole.staging = None;
        }
        Ok(whole.to_json())
    }

    /// Puts given values over staged ones.
    fn overlay(&self, artifact: &Artifact, staging: &mut Staging, request: Edit) -> Result<()> {
        if let Some(manifest) = request.manifest {
            staging.manifest = manifest;
        }
        if let Some(config) = request.config {
            staging.config = config;
        }
        if let Some(kind) = request.kind {
            staging.kind = Some(kind);
        }
        if let Some(secrets) = request.secrets {
            staging.secrets = self.cipher().seal(&artifact.id, &secrets)?;
        }
        Ok(())
    }

    async fn edit_now(&self, actor: &Actor, id: &str, mut request: Edit, new_version: bool) -> Result<Json> {
        let mut connection = self.read().await?;
        let artifact_id = self.find(&mut connection, actor, id).await?.id;
        drop(connection);
        let _held = self.content().hold(&artifact_id).await;
        let staged = self.uploaded(&artifact_id).await?;
        let mut transaction = self.database().write().await?;
        let mut artifact = self
            .find_for(&mut transaction, actor, &artifact_id, Operation::Edit)
            .await?;
        require(actor, &artifact, Operation::Commit)?;
        let versions = records::versions(&mut transaction, &artifact.id).await?;
        let known = records::staging(&mut transaction, &artifact.id).await?;
        if !versions.is_empty() {
            require_of_parent(actor, &artifact, Operation::Mutate)?;
        } else {
            require_of_parent(actor, &artifact, Operation::Attach)?;
        }
        let was_staged = known.is_some();
        let mut staging = match known {
            Some(staging) => staging,
            None => fresh_staging(&mut transaction, &artifact).await?,
        };
        if new_version {
            staging.intent = Intent::NewVersion;
        } else if !was_staged {
            staging.intent = Intent::EditVersion;
        }
        if let Some(inherits) = request.inherit_files {
            staging.inherits = inherits;
        }
        let is_new = staging.intent == Intent::NewVersion || versions.is_empty();
        if is_new && !versions.is_empty() {
            require_of_parent(actor, &artifact, Operation::Commit)?;
        }
        if let Some(config) = request.config.take() {
            request.config = Some(inherit_permissions(config, &artifact, actor));
        }
        let comment = request.comment.take();
        self.overlay(&artifact, &mut staging, request)?;
        if let Some(parent) = artifact.parent_config() {
            validate_child(parent, &staging.manifest)?;
        }
        // Metadata is what is asked for: staged files that were never uploaded are dropped.
        staging.files.retain(|file| {
            file.object_key
                .as_ref()
                .is_none_or(|key| staged.contains_key(key))
        });
        let target = Target::choose(&versions, staging.intent, None)?;
        commit::apply(
            &mut transaction,
            &mut artifact,
            &staging,
            &staged,
            &target,
            comment.as_deref(),
            now(),
        )
        .await?;
        garbage::settle(&mut transaction).await?;
        let whole = reload(&mut transaction, &artifact).await?;
        transaction.commit().await?;
        self.garbage().notify_one();
        Ok(whole.to_json())
    }
}

/// Staging that changes nothing yet.
pub(crate) async fn fresh_staging(connection: &mut AnyConnection, artifact: &Artifact) -> Result<Staging> {
    let is_new = records::versions(connection, &artifact.id).await?.is_empty();
    Ok(Staging {
        intent: if is_new {
            Intent::NewVersion
        } else {
            Intent::EditVersion
        },
        inherits: true,
        kind: artifact.kind.clone(),
        manifest: artifact.manifest.clone(),
        config: artifact.config.clone(),
        secrets: artifact.secrets.clone(),
        files: Vec::new(),
    })
}

/// In a collection the parent's permissions hold too, and the caller keeps its own.
fn inherit_permissions(config: Object, artifact: &Artifact, actor: &Actor) -> Object {
    let Some(parent) = artifact.parent_config() else {
        return config;
    };
    let mut config = with_creator(config, actor);
    let of_parent = parent
        .get("permissions")
        .and_then(Json::as_object)
        .cloned()
        .unwrap_or_default();
    let permissions = config.entry("permissions").or_insert_with(|| json!({}));
    if let Some(permissions) = permissions.as_object_mut() {
        // Somebody who may edit a child alone does not become its owner by the parent's word, nor loses it.
        permissions.extend(of_parent);
    }
    config
}

impl Actor {
    /// Whether the caller administers the workspace.
    pub(crate) fn is_admin_of(&self, workspace: &str) -> bool {
        self.may(workspace, Permission::Admin)
    }
}
