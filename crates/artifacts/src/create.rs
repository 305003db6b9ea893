//! Making artifacts.

use serde_json::{Value as Json, json};
use sqlx::{AnyConnection, query};

use crate::alias;
use crate::error::{Error, Result};
use crate::garbage;
use crate::ids::{self, ArtifactRef};
use crate::manager::{Artifacts, now, require};
use crate::model::{Artifact, Intent, Object, Parent, Staging, Whole};
use crate::permissions::{Actor, Operation};
use crate::records;
use hypha_hub::auth::Permission;

/// What to make.
#[derive(Clone, Debug, Default)]
pub struct Create {
    /// Alias, `workspace/alias`, or a pattern with placeholders; words when there is none.
    pub alias: Option<String>,
    /// `workspace/alias`, instead of the two.
    pub artifact_id: Option<String>,
    /// Where; by default where the parent is, else where the caller is.
    pub workspace: Option<String>,
    /// The collection that it goes into.
    pub parent_id: Option<String>,
    /// What it is.
    pub manifest: Option<Object>,
    /// Its type.
    pub kind: Option<String>,
    /// Permissions and everything else that the server looks at.
    pub config: Option<Object>,
    /// Kept encrypted.
    pub secrets: Option<Object>,
    /// Name of the first version, or `stage`.
    pub version: Option<String>,
    /// About the first version.
    pub comment: Option<String>,
    /// Replace one of the same alias.
    pub overwrite: bool,
    /// Start with a draft.
    pub stage: bool,
}

impl Artifacts {
    /// Makes an artifact. Returns its shape on the wire.
    ///
    /// # Errors
    /// Not permitted, the alias is taken, something is not valid.
    pub async fn create(&self, actor: &Actor, request: Create) -> Result<Json> {
        Ok(self.create_with(actor, request, None).await?.to_json())
    }

    /// Makes an artifact; with the files of a version of another one, if that is given.
    pub(crate) async fn create_with(
        &self,
        actor: &Actor,
        request: Create,
        files_of: Option<&str>,
    ) -> Result<Whole> {
        let manifest = request
            .manifest
            .clone()
            .ok_or_else(|| Error::value("Manifest must be provided."))?;
        let config = request.config.clone().unwrap_or_default();
        check_kind(request.kind.as_deref(), &config)?;
        check_config(&config)?;
        records::check_size("manifest", &manifest)?;
        let stage = request.stage || request.version.as_deref() == Some("stage");
        let version = match request.version.as_deref() {
            None | Some("new" | "stage" | "") => "v0",
            Some(name) => ids::version_name(name)?,
        };
        let parent = match &request.parent_id {
            Some(id) => Some(self.parent_for(actor, id, stage).await?),
            None => None,
        };
        let (workspace, pattern) = place(actor, &request, parent.as_ref())?;
        if parent.is_none() && !actor.may(&workspace, Permission::ReadWrite) {
            return Err(Error::Permission(format!(
                "User does not have permission to create an artifact in the workspace '{workspace}'"
            )));
        }
        self.require_persistent(actor, &workspace).await?;
        if let (Some(parent), false) = (&parent, stage) {
            validate_child(&parent.config, &manifest)?;
        }

        let mut artifact = Artifact {
            id: ids::new_id(),
            workspace,
            alias: String::new(),
            parent: parent.map(|parent| Parent {
                id: parent.id,
                workspace: parent.workspace,
                alias: parent.alias,
                config: parent.config,
            }),
            kind: request.kind.clone(),
            manifest,
            config: with_creator(config, actor),
            secrets: None,
            created_by: actor.id().to_owned(),
            created_at: now(),
            last_modified: now(),
            view_count: 0.0,
            download_count: 0.0,
            file_count: 0,
            version_count: 0,
        };
        let mut transaction = self.database().write().await?;
        self.take_alias(
            &mut transaction,
            actor,
            &mut artifact,
            pattern.as_deref(),
            request.overwrite,
        )
        .await?;
        if let Some(source) = files_of {
            require_version(&mut transaction, source).await?;
        }
        artifact.secrets = self
            .cipher()
            .seal(&artifact.id, &request.secrets.unwrap_or_default())?;
        if let Some(parent) = &mut artifact.parent
            && parent.config.get("is_collection") != Some(&Json::Bool(true))
        {
            mark_collection(&mut transaction, &mut parent.config, &parent.id).await?;
        }
        if stage {
            let staging = Staging {
                intent: Intent::NewVersion,
                inherits: true,
                kind: artifact.kind.clone(),
                manifest: artifact.manifest.clone(),
                config: artifact.config.clone(),
                secrets: artifact.secrets.clone(),
                files: Vec::new(),
            };
            records::put_staging(&mut transaction, &artifact.id, &staging).await?;
            if let Some(source) = files_of {
                stage_copies(&mut transaction, &artifact.id, source).await?;
            }
        } else {
            let comment = request.comment.as_deref().unwrap_or("Initial version");
            let made =
                records::insert_version(&mut transaction, &artifact, version, Some(comment), now()).await?;
            if let Some(source) = files_of {
                copy_files(&mut transaction, &made, source).await?;
            }
        }
        records::update(&mut transaction, &artifact).await?;
        garbage::settle(&mut transaction).await?;
        let whole = reload(&mut transaction, &artifact).await?;
        transaction.commit().await?;
        self.garbage().notify_one();
        Ok(whole)
    }

    /// The collection that a new artifact goes into.
    pub(crate) async fn parent_for(&self, actor: &Actor, id: &str, stage: bool) -> Result<Artifact> {
        let mut connection = self.read().await?;
        let parent = self.find_for(&mut connection, actor, id, Operation::List).await?;
        let needed = if stage {
            Operation::Draft
        } else {
            Operation::Attach
        };
        require(actor, &parent, needed)?;
        if records::versions(&mut connection, &parent.id).await?.is_empty() {
            return Err(Error::value(format!(
                "Parent artifact '{}' must be committed before it can have children.",
                parent.name()
            )));
        }
        Ok(parent)
    }

    /// Inserts the row under a free alias, or empties the row that has it and is to be overwritten.
    async fn take_alias(
        &self,
        transaction: &mut AnyConnection,
        actor: &Actor,
        artifact: &mut Artifact,
        pattern: Option<&str>,
        overwrite: bool,
    ) -> Result<()> {
        let many = pattern.is_none_or(alias::is_pattern);
        let id_parts = artifact
            .parent_config()
            .and_then(|config| config.get("id_parts"))
            .and_then(Json::as_object)
            .cloned();
        for _ in 0..alias::ROUNDS {
            artifact.alias = match pattern {
                Some(pattern) => alias::expand(pattern, actor.id(), id_parts.as_ref(), &mut rand::rng())?,
                None => alias::words(&mut rand::rng()),
            };
            if records::insert(transaction, artifact).await? {
                return Ok(());
            }
            if !many {
                break;
            }
        }
        let taken = ArtifactRef::Alias(artifact.workspace.clone(), artifact.alias.clone());
        let existing = records::find(transaction, &taken).await?;
        let Some(existing) = existing.filter(|_| overwrite && !many) else {
            return Err(Error::Exists(format!(
                "Artifact with alias '{}' already exists in the workspace, please choose a different alias or use \
                 overwrite=True",
                artifact.alias
            )));
        };
        require(actor, &existing, Operation::Edit)?;
        require(actor, &existing, Operation::Delete)?;
        if records::count_children(transaction, &existing.id).await? > 0 {
            return Err(Error::value(format!(
                "Artifact '{}' is a collection with children and cannot be overwritten",
                existing.name()
            )));
        }
        if artifact
            .parent
            .as_ref()
            .is_some_and(|parent| parent.id == existing.id)
        {
            return Err(Error::value("An artifact cannot be its own parent"));
        }
        garbage::suspect_artifact(transaction, &existing.id).await?;
        for statement in [
            "DELETE FROM staging WHERE artifact = $1",
            "DELETE FROM versions WHERE artifact = $1",
        ] {
            query(statement)
                .bind(&existing.id)
                .execute(&mut *transaction)
                .await?;
        }
        query("UPDATE artifacts SET view_count = 0.0, download_count = 0.0, created_by = $2 WHERE id = $1")
            .bind(&existing.id)
            .bind(&artifact.created_by)
            .execute(transaction)
            .await?;
        artifact.id = existing.id;
        artifact.created_at = existing.created_at;
        Ok(())
    }
}

/// Where a new artifact goes, and its alias or the pattern for it.
fn place(actor: &Actor, request: &Create, parent: Option<&Artifact>) -> Result<(String, Option<String>)> {
    if request.artifact_id.is_some() && (request.alias.is_some() || request.workspace.is_some()) {
        return Err(Error::value(
            "artifact_id cannot be given together with alias or workspace",
        ));
    }
    let name = request
        .artifact_id
        .as_deref()
        .or(request.alias.as_deref())
        .map(str::trim);
    let (in_name, pattern) =
        match name.map(|name| name.split_once('/').map_or((None, name), |(w, a)| (Some(w), a))) {
            Some((workspace, pattern)) => (workspace, Some(pattern.to_owned())),
            None => (None, None),
        };
    if let Some(pattern) = &pattern {
        alias::check_pattern(pattern)?;
        if pattern.is_empty() {
            return Err(Error::value("The alias must not be empty"));
        }
    }
    if let (Some(one), Some(other)) = (in_name, request.workspace.as_deref())
        && one != other
    {
        return Err(Error::value(format!(
            "The alias is in workspace '{one}', but workspace is '{other}'"
        )));
    }
    let explicit = in_name.or(request.workspace.as_deref());
    let workspace = match (explicit, parent) {
        (Some(workspace), Some(parent)) if workspace != parent.workspace => {
            return Err(Error::value(format!(
                "The workspace '{workspace}' must be that of the parent artifact, '{}'",
                parent.workspace
            )));
        }
        (Some(workspace), _) => workspace,
        (None, Some(parent)) => &parent.workspace,
        (None, None) => &actor.workspace,
    };
    Ok((ids::workspace(workspace)?.to_string(), pattern))
}

/// Refuses what this server does not do.
pub(crate) fn check_kind(kind: Option<&str>, config: &Object) -> Result<()> {
    if kind == Some("vector-collection") {
        return Err(Error::Unsupported(
            "Vector collections are not supported yet".into(),
        ));
    }
    if config.get("storage").and_then(Json::as_str) == Some("git") {
        return Err(Error::Unsupported(
            "Git storage (config.storage='git') is not supported yet".into(),
        ));
    }
    Ok(())
}

/// Checks what this server reads from a config.
pub(crate) fn check_config(config: &Object) -> Result<()> {
    if config
        .get("permissions")
        .is_some_and(|value| !crate::permissions::is_well_formed(value))
    {
        return Err(Error::value(
            "config.permissions must map users to levels such as 'r', 'rw+' or '*', or to lists of operations",
        ));
    }
    if let Some(schema) = config.get("collection_schema").filter(|schema| !schema.is_null()) {
        jsonschema::validator_for(schema).map_err(|error| {
            Error::value(format!("config.collection_schema is not a JSON schema: {error}"))
        })?;
    }
    records::check_size("config", config)
}

/// Checks a manifest against the schema of the collection it is in.
pub(crate) fn validate_child(collection: &Object, manifest: &Object) -> Result<()> {
    let Some(schema) = collection
        .get("collection_schema")
        .filter(|schema| !schema.is_null())
    else {
        return Ok(());
    };
    let validator = jsonschema::validator_for(schema).map_err(|error| {
        Error::value(format!(
            "ValidationError: the collection's schema is not valid: {error}"
        ))
    })?;
    let manifest = Json::Object(manifest.clone());
    let wrong = validator.iter_errors(&manifest).next();
    match wrong {
        None => Ok(()),
        Some(error) => {
            let (place, text) = (error.instance_path().to_string(), error.to_string());
            let text: String = text.chars().take(500).collect();
            Err(Error::value(format!("ValidationError: manifest{place}: {text}")))
        }
    }
}

/// The config with everything granted to its creator.
pub(crate) fn with_creator(mut config: Object, actor: &Actor) -> Object {
    // Many people are the anonymous HTTP user.
    if actor.user.id == hypha_hub::auth::UserInfo::anonymous_http().id {
        return config;
    }
    let permissions = config.entry("permissions").or_insert_with(|| json!({}));
    if let Some(permissions) = permissions.as_object_mut() {
        permissions.insert(actor.user.id.clone(), json!("*"));
        permissions.insert(actor.id().to_owned(), json!("*"));
    }
    config
}

/// Remembers that an artifact has children.
pub(crate) async fn mark_collection(
    connection: &mut AnyConnection,
    config: &mut Object,
    id: &str,
) -> Result<()> {
    config.insert("is_collection".into(), true.into());
    query("UPDATE artifacts SET config = $2 WHERE id = $1")
        .bind(id)
        .bind(records::text(config))
        .execute(connection)
        .await?;
    Ok(())
}

/// The source of a copy may be what was just overwritten.
async fn require_version(connection: &mut AnyConnection, id: &str) -> Result<()> {
    let found = query("SELECT id FROM versions WHERE id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    match found {
        Some(_) => Ok(()),
        None => Err(Error::value("An artifact cannot be duplicated over itself")),
    }
}

/// Gives a version the files of another one.
pub(crate) async fn copy_files(connection: &mut AnyConnection, version: &str, source: &str) -> Result<()> {
    query(
        "INSERT INTO files (version, folder, name, object_key) \
         SELECT CAST($1 AS TEXT), folder, name, object_key FROM files WHERE version = $2",
    )
    .bind(version)
    .bind(source)
    .execute(connection)
    .await?;
    Ok(())
}

/// Stages the files of a version of another artifact.
async fn stage_copies(connection: &mut AnyConnection, artifact: &str, source: &str) -> Result<()> {
    query(
        "INSERT INTO staged_files (artifact, folder, name, position, object_key) \
         SELECT CAST($1 AS TEXT), folder, name, row_number() OVER (ORDER BY folder, name), object_key \
         FROM files WHERE version = $2",
    )
    .bind(artifact)
    .bind(source)
    .execute(connection)
    .await?;
    Ok(())
}

/// The artifact as it is now.
pub(crate) async fn reload(connection: &mut AnyConnection, artifact: &Artifact) -> Result<Whole> {
    let name = ArtifactRef::Alias(artifact.workspace.clone(), artifact.alias.clone());
    let found = records::find(connection, &name).await?;
    let found = found.ok_or_else(|| Error::no_artifact(&artifact.name()))?;
    let whole = records::whole(connection, vec![found]).await?;
    whole
        .into_iter()
        .next()
        .ok_or_else(|| Error::no_artifact(&artifact.name()))
}
