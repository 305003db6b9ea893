//! The service `public/artifact-manager`: what callers see of the artifact manager.

use hypha_hub::{Caller, Hub};
use hypha_rpc::{CallContext, RemoteFailure, Value};
use hypha_wire::convert::from_json;
use serde_json::Value as Json;

use crate::arguments::{
    FlagOrText, PartArg, Paths, Texts, VersionArg, Weights, content, json_of, keywords, object, parts,
    selector, shown, stage_filter, url_options, urls, version_name, weighted,
};
use crate::create::Create;
use crate::duplicate::Duplicate;
use crate::edit::Edit;
use crate::error::Error;
use crate::folders::Page;
use crate::listing::Search;
use crate::manager::Artifacts;
use crate::permissions::Actor;

type Result<T> = std::result::Result<T, RemoteFailure>;

/// What a part of a file is read in when nothing is said, in bytes.
const READ_LIMIT: u64 = 64 << 10;

/// The service. Offer it with [`Hub::offer`].
pub struct ArtifactService {
    hub: Hub,
    artifacts: Artifacts,
}

impl ArtifactService {
    /// The service of these artifacts, for the callers of this hub.
    pub fn new(hub: Hub, artifacts: Artifacts) -> Self {
        Self { hub, artifacts }
    }

    /// Who calls, with what it may do in the workspace that `names` one of the arguments.
    async fn actor(&self, ctx: &CallContext, names: &[Option<&str>]) -> Result<Actor> {
        let caller = Caller::of(ctx)?;
        let mut actor = Actor {
            user: caller.user().clone(),
            workspace: caller.workspace().to_owned(),
        };
        let named = names.iter().flatten().filter_map(|name| name.split_once('/'));
        for (workspace, _) in named {
            // Owners may come with a credential that says nothing about the workspace.
            if let Ok(access) = self.hub.access(&actor.user, workspace).await
                && let Some(permission) = access.permission
            {
                actor
                    .user
                    .scope
                    .workspaces
                    .insert(workspace.to_owned(), permission);
            }
        }
        Ok(actor)
    }
}

fn answer(json: Json) -> Value {
    from_json(json)
}

#[hypha_rpc::service(
    id = "artifact-manager",
    name = "Artifact manager",
    description = "Versioned files with metadata: apps, models, data sets, pages",
    visibility = "public",
    require_context,
    camel_case_aliases
)]
#[expect(clippy::too_many_arguments, reason = "the parameters are the protocol's")]
impl ArtifactService {
    /// Make an artifact, as a draft with `stage`. Without an alias it gets one made of words.
    pub async fn create(
        &self,
        ctx: &CallContext,
        alias: Option<String>,
        artifact_id: Option<String>,
        workspace: Option<String>,
        parent_id: Option<String>,
        manifest: Option<Value>,
        r#type: Option<String>,
        config: Option<Value>,
        secrets: Option<Value>,
        version: Option<VersionArg>,
        comment: Option<String>,
        overwrite: Option<bool>,
        stage: Option<bool>,
    ) -> Result<Value> {
        let given = workspace.as_ref().map(|workspace| format!("{workspace}/"));
        let names = [
            given.as_deref(),
            alias.as_deref(),
            artifact_id.as_deref(),
            parent_id.as_deref(),
        ];
        let actor = self.actor(ctx, &names).await?;
        let request = Create {
            manifest: object("manifest", manifest)?,
            kind: r#type,
            config: object("config", config)?,
            secrets: object("secrets", secrets)?,
            version: version_name(version),
            overwrite: overwrite.unwrap_or_default(),
            stage: stage.unwrap_or_default(),
            alias,
            artifact_id,
            workspace,
            parent_id,
            comment,
        };
        Ok(answer(self.artifacts.create(&actor, request).await?))
    }

    /// Change the metadata of an artifact. What is given replaces what was there. With `stage`, a commit makes it true.
    pub async fn edit(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        manifest: Option<Value>,
        r#type: Option<String>,
        config: Option<Value>,
        secrets: Option<Value>,
        version: Option<VersionArg>,
        comment: Option<String>,
        stage: Option<bool>,
        branch: Option<String>,
        /** Whether a new version starts with the files of the one before it (it does). */
        inherit_files: Option<bool>,
    ) -> Result<Value> {
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let request = Edit {
            manifest: object("manifest", manifest)?,
            kind: r#type,
            config: object("config", config)?,
            secrets: object("secrets", secrets)?,
            version: version_name(version),
            comment,
            stage: stage.unwrap_or_default(),
            inherit_files,
        };
        Ok(answer(self.artifacts.edit(&actor, &artifact_id, request).await?))
    }

    /// Read an artifact's metadata: of the latest version, another one, or what is staged.
    pub async fn read(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        silent: Option<bool>,
        version: Option<VersionArg>,
        stage: Option<bool>,
    ) -> Result<Value> {
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let selector = selector(version, stage)?;
        let silent = silent.unwrap_or_default();
        Ok(answer(
            self.artifacts
                .read_artifact(&actor, &artifact_id, &selector, silent)
                .await?,
        ))
    }

    /// Make what is staged a version, or part of the latest.
    pub async fn commit(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        version: Option<VersionArg>,
        comment: Option<String>,
        branch: Option<String>,
    ) -> Result<Value> {
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let version = version_name(version);
        let committed = self
            .artifacts
            .commit(&actor, &artifact_id, version.as_deref(), comment.as_deref())
            .await?;
        Ok(answer(committed))
    }

    /// Drop what is staged.
    pub async fn discard(&self, ctx: &CallContext, artifact_id: String) -> Result<Value> {
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        Ok(answer(self.artifacts.discard(&actor, &artifact_id).await?))
    }

    /// Drop what is staged, if anything is.
    pub async fn discard_changes(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        branch: Option<String>,
    ) -> Result<Value> {
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        Ok(answer(
            self.artifacts.discard_changes(&actor, &artifact_id).await?,
        ))
    }

    /// Say what is staged.
    pub async fn get_status(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        branch: Option<String>,
    ) -> Result<Value> {
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        Ok(answer(self.artifacts.get_status(&actor, &artifact_id).await?))
    }

    /// Delete an artifact, or one of its versions. Children of a collection stay, without it, unless `recursive`.
    pub async fn delete(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        delete_files: Option<bool>,
        recursive: Option<bool>,
        version: Option<VersionArg>,
    ) -> Result<()> {
        // Files that nothing refers to are always deleted, and no others.
        let _ = delete_files;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        match version {
            None => {
                self.artifacts
                    .delete(&actor, &artifact_id, recursive.unwrap_or_default())
                    .await?
            }
            version => {
                let selector = selector(version, None)?;
                self.artifacts
                    .delete_version(&actor, &artifact_id, &selector)
                    .await?;
            }
        }
        Ok(())
    }

    /// Copy the latest version of an artifact under another name, without its secrets.
    pub async fn duplicate(
        &self,
        ctx: &CallContext,
        source_artifact_id: String,
        target_alias: Option<String>,
        target_workspace: Option<String>,
        target_parent_id: Option<String>,
        overwrite: Option<bool>,
        remove_secrets: Option<bool>,
        stage: Option<bool>,
    ) -> Result<Value> {
        let _ = remove_secrets;
        let given = target_workspace.as_ref().map(|workspace| format!("{workspace}/"));
        let names = [
            Some(source_artifact_id.as_str()),
            target_alias.as_deref(),
            given.as_deref(),
            target_parent_id.as_deref(),
        ];
        let actor = self.actor(ctx, &names).await?;
        let target = Duplicate {
            alias: target_alias,
            workspace: target_workspace,
            parent_id: target_parent_id,
            overwrite: overwrite.unwrap_or_default(),
            stage: stage.unwrap_or_default(),
        };
        Ok(answer(
            self.artifacts
                .duplicate(&actor, &source_artifact_id, target)
                .await?,
        ))
    }

    /// Put an artifact into another collection; into none without one.
    pub async fn set_parent(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        new_parent_id: Option<String>,
    ) -> Result<Value> {
        let actor = self
            .actor(ctx, &[Some(&artifact_id), new_parent_id.as_deref()])
            .await?;
        Ok(answer(
            self.artifacts
                .set_parent(&actor, &artifact_id, new_parent_id.as_deref())
                .await?,
        ))
    }

    /// Set the counters of an artifact to zero.
    pub async fn reset_stats(&self, ctx: &CallContext, artifact_id: String) -> Result<()> {
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        Ok(self.artifacts.reset_stats(&actor, &artifact_id).await?)
    }

    /// Write a secret of an artifact; null removes it.
    pub async fn set_secret(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        secret_key: String,
        secret_value: Option<Value>,
    ) -> Result<()> {
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let value = match secret_value {
            None | Some(Value::Nil) => None,
            Some(value) => Some(json_of("secret_value", &value, 16)?),
        };
        Ok(self
            .artifacts
            .set_secret(&actor, &artifact_id, &secret_key, value)
            .await?)
    }

    /// Read a secret of an artifact, or all of them.
    pub async fn get_secret(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        secret_key: Option<String>,
    ) -> Result<Value> {
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        Ok(answer(
            self.artifacts
                .get_secret(&actor, &artifact_id, secret_key.as_deref())
                .await?,
        ))
    }

    /// Say what a download of a file (or of a zip file, with path `create-zip-file`) counts; 0 for nothing.
    pub async fn set_download_weight(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        file_path: String,
        download_weight: f64,
    ) -> Result<()> {
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        Ok(self
            .artifacts
            .set_download_weight(&actor, &artifact_id, &file_path, download_weight)
            .await?)
    }

    /// Hand an artifact to an archive. Not supported yet.
    pub async fn publish(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        to: Option<String>,
        metadata: Option<Value>,
    ) -> Result<()> {
        let _ = (ctx, artifact_id, to, metadata);
        Err(Error::Unsupported("Publishing to Zenodo is not supported yet".into()).into())
    }

    /// Stage files and get URLs to upload them to with PUT.
    pub async fn put_file(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        file_path: Paths,
        download_weight: Option<Weights>,
        use_proxy: Option<bool>,
        use_local_url: Option<FlagOrText>,
        expires_in: Option<u64>,
        branch: Option<String>,
        version: Option<VersionArg>,
        stage: Option<bool>,
    ) -> Result<Value> {
        // Files are always put to what is staged, through this server.
        let _ = (use_proxy, version, stage);
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let (expires_in, base) = url_options(expires_in, use_local_url)?;
        let (paths, as_map) = file_path.into_list();
        let files = weighted(paths.clone(), download_weight)?;
        let made = self
            .artifacts
            .put_urls(&actor, &artifact_id, &files, (expires_in, &base))
            .await?;
        Ok(answer(urls(&paths, made, as_map)))
    }

    /// Stage a large file and get a URL for each of its parts.
    pub async fn put_file_start_multipart(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        file_path: String,
        part_count: u32,
        #[arg(default = 0.0)] download_weight: f64,
        expires_in: Option<u64>,
        use_proxy: Option<bool>,
        use_local_url: Option<FlagOrText>,
        branch: Option<String>,
        version: Option<VersionArg>,
        stage: Option<bool>,
    ) -> Result<Value> {
        let _ = (use_proxy, version, stage);
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let (expires_in, base) = url_options(expires_in, use_local_url)?;
        let size = (part_count, download_weight);
        let started = self
            .artifacts
            .start_multipart(&actor, &artifact_id, &file_path, size, (expires_in, &base))
            .await?;
        Ok(answer(started))
    }

    /// Put the parts of a large file together.
    pub async fn put_file_complete_multipart(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        upload_id: String,
        parts: Vec<PartArg>,
        version: Option<VersionArg>,
        stage: Option<bool>,
    ) -> Result<Value> {
        let _ = (version, stage);
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let parts = self::parts(parts);
        Ok(answer(
            self.artifacts
                .complete_multipart(&actor, &artifact_id, &upload_id, &parts)
                .await?,
        ))
    }

    /// Get URLs to download files from.
    pub async fn get_file(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        file_path: Paths,
        silent: Option<bool>,
        version: Option<VersionArg>,
        stage: Option<bool>,
        branch: Option<String>,
        use_proxy: Option<bool>,
        use_local_url: Option<FlagOrText>,
        expires_in: Option<u64>,
    ) -> Result<Value> {
        let _ = use_proxy;
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let (expires_in, base) = url_options(expires_in, use_local_url)?;
        let selector = selector(version, stage)?;
        let (paths, as_map) = file_path.into_list();
        let silent = silent.unwrap_or_default();
        let options = (expires_in, &base);
        let found = self
            .artifacts
            .get_urls(&actor, &artifact_id, &paths, &selector, silent, options)
            .await?;
        Ok(answer(urls(&paths, found, as_map)))
    }

    /// Remove a file with the next commit; at once if it is not committed.
    pub async fn remove_file(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        file_path: String,
        branch: Option<String>,
    ) -> Result<()> {
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        Ok(self
            .artifacts
            .remove_file(&actor, &artifact_id, &file_path)
            .await?)
    }

    /// List the files and folders of a folder.
    pub async fn list_files(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        dir_path: Option<String>,
        #[arg(default = 1000u64)] limit: u64,
        version: Option<VersionArg>,
        stage: Option<bool>,
        branch: Option<String>,
        #[arg(default = false)] include_pending: bool,
        #[arg(default = 0u64)] offset: u64,
    ) -> Result<Value> {
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let selector = selector(version, stage)?;
        let page = Page {
            offset,
            limit,
            include_pending,
        };
        let folder = dir_path.unwrap_or_default();
        let lines = self
            .artifacts
            .list_files(&actor, &artifact_id, &folder, &selector, page)
            .await?;
        Ok(answer(Json::Array(lines)))
    }

    /// Read a small file, or a part of a file: `{name, content}`. Formats: text, binary, base64, json.
    pub async fn read_file(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        file_path: String,
        format: Option<String>,
        encoding: Option<String>,
        #[arg(default = 0u64)] offset: u64,
        limit: Option<u64>,
        version: Option<VersionArg>,
        stage: Option<bool>,
        branch: Option<String>,
    ) -> Result<Value> {
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let selector = selector(version, stage)?;
        let part = (offset, limit.unwrap_or(READ_LIMIT));
        let (name, bytes) = self
            .artifacts
            .read_file(&actor, &artifact_id, &file_path, &selector, part)
            .await?;
        let format = format.as_deref().unwrap_or("text");
        let content = shown(bytes, format, encoding.as_deref().unwrap_or("utf-8"))?;
        Ok(Value::Map(vec![
            ("name".into(), name.into()),
            ("content".into(), content),
        ]))
    }

    /// Stage a small file with this content. Formats: text, binary, base64, json.
    pub async fn write_file(
        &self,
        ctx: &CallContext,
        artifact_id: String,
        file_path: String,
        content: Value,
        format: Option<String>,
        encoding: Option<String>,
        branch: Option<String>,
    ) -> Result<Value> {
        no_branch(branch)?;
        let actor = self.actor(ctx, &[Some(&artifact_id)]).await?;
        let format = format.as_deref().unwrap_or("text");
        let bytes = self::content(&content, format, encoding.as_deref().unwrap_or("utf-8"))?;
        let written = bytes.len() as u64;
        self.artifacts
            .write_file(&actor, &artifact_id, &file_path, bytes)
            .await?;
        Ok(Value::from_iter([
            ("success", Value::Bool(true)),
            ("bytes_written", Value::from(written)),
        ]))
    }

    /// List the artifacts of a collection; without one, those of the current workspace that are in none.
    pub async fn list(
        &self,
        ctx: &CallContext,
        parent_id: Option<String>,
        keywords: Option<Texts>,
        filters: Option<Value>,
        mode: Option<String>,
        #[arg(default = 0u64)] offset: u64,
        #[arg(default = 100u64)] limit: u64,
        order_by: Option<String>,
        #[arg(default = false)] silent: bool,
        #[arg(default = false)] pagination: bool,
        stage: Option<FlagOrText>,
    ) -> Result<Value> {
        let actor = self.actor(ctx, &[parent_id.as_deref()]).await?;
        let search = Search {
            roots_only: parent_id.is_none(),
            parent_id,
            keywords: self::keywords(keywords),
            filters: object("filters", filters)?.unwrap_or_default(),
            any: is_or(mode.as_deref())?,
            offset,
            limit,
            order_by,
            pagination,
            stage: stage_filter(stage),
            silent,
            workspace: None,
        };
        Ok(answer(self.artifacts.search(&actor, search).await?))
    }

    /// Search the artifacts of a collection; without one, all of the current workspace.
    pub async fn search(
        &self,
        ctx: &CallContext,
        parent_id: Option<String>,
        keywords: Option<Texts>,
        filters: Option<Value>,
        mode: Option<String>,
        #[arg(default = 0u64)] offset: u64,
        #[arg(default = 100u64)] limit: u64,
        order_by: Option<String>,
        #[arg(default = false)] pagination: bool,
        stage: Option<FlagOrText>,
    ) -> Result<Value> {
        let actor = self.actor(ctx, &[parent_id.as_deref()]).await?;
        let search = Search {
            roots_only: false,
            parent_id,
            keywords: self::keywords(keywords),
            filters: object("filters", filters)?.unwrap_or_default(),
            any: is_or(mode.as_deref())?,
            offset,
            limit,
            order_by,
            pagination,
            stage: stage_filter(stage),
            silent: true,
            workspace: None,
        };
        Ok(answer(self.artifacts.search(&actor, search).await?))
    }

    /// Add vectors to a collection. Not supported yet.
    pub async fn add_vectors(
        &self,
        artifact_id: String,
        vectors: Value,
        update: Option<bool>,
    ) -> Result<Value> {
        let _ = (artifact_id, vectors, update);
        no_vectors()
    }

    /// Search the vectors of a collection. Not supported yet.
    pub async fn search_vectors(
        &self,
        artifact_id: String,
        query: Option<Value>,
        filters: Option<Value>,
        limit: Option<u64>,
        offset: Option<u64>,
        return_fields: Option<Value>,
        order_by: Option<String>,
        pagination: Option<bool>,
    ) -> Result<Value> {
        let _ = (
            artifact_id,
            query,
            filters,
            limit,
            offset,
            return_fields,
            order_by,
            pagination,
        );
        no_vectors()
    }

    /// Remove vectors from a collection. Not supported yet.
    pub async fn remove_vectors(&self, artifact_id: String, ids: Value) -> Result<Value> {
        let _ = (artifact_id, ids);
        no_vectors()
    }

    /// Read a vector of a collection. Not supported yet.
    pub async fn get_vector(&self, artifact_id: String, id: String) -> Result<Value> {
        let _ = (artifact_id, id);
        no_vectors()
    }

    /// List the vectors of a collection. Not supported yet.
    pub async fn list_vectors(
        &self,
        artifact_id: String,
        offset: Option<u64>,
        limit: Option<u64>,
    ) -> Result<Value> {
        let _ = (artifact_id, offset, limit);
        no_vectors()
    }
}

fn is_or(mode: Option<&str>) -> std::result::Result<bool, Error> {
    match mode {
        None => Ok(false),
        Some(mode) if mode.eq_ignore_ascii_case("AND") => Ok(false),
        Some(mode) if mode.eq_ignore_ascii_case("OR") => Ok(true),
        Some(_) => Err(Error::value("mode must be AND or OR")),
    }
}

fn no_branch(branch: Option<String>) -> std::result::Result<(), Error> {
    match branch {
        None => Ok(()),
        Some(_) => Err(Error::Unsupported(
            "Branches need git storage, which is not supported yet".into(),
        )),
    }
}

fn no_vectors() -> Result<Value> {
    Err(Error::Unsupported("Vector collections are not supported yet".into()).into())
}
