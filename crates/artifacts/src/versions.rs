//! Reading artifacts, and deleting them or one of their versions.

use serde_json::{Map, Value as Json};
use sqlx::{AnyConnection, query, query_scalar};

use crate::error::{Error, Result};
use crate::garbage;
use crate::manager::{Artifacts, may, may_see_drafts, now, require};
use crate::model::{Artifact, Selector, Whole, number};
use crate::permissions::{Actor, Operation};
use crate::records;

impl Artifacts {
    /// An artifact in the state that `selector` means. Counts a view unless `silent`.
    ///
    /// # Errors
    /// No such artifact or version, not permitted.
    pub async fn read_artifact(
        &self,
        actor: &Actor,
        id: &str,
        selector: &Selector,
        silent: bool,
    ) -> Result<Json> {
        let mut connection = self.read().await?;
        let mut artifact = self.find_for(&mut connection, actor, id, Operation::Read).await?;
        if !silent {
            self.counters().view(&artifact.id);
        }
        self.counters().add_to(&mut artifact);
        let sees_drafts = may_see_drafts(actor, &artifact);
        let children = match artifact.is_collection() {
            true => Some(records::count_children(&mut connection, &artifact.id).await?),
            false => None,
        };
        let whole = records::whole(&mut connection, vec![artifact]).await?.pop();
        let mut whole = whole.ok_or_else(|| Error::no_artifact(id))?;
        let is_draft = whole.versions.is_empty();
        if (is_draft || *selector == Selector::Stage) && !sees_drafts {
            return Err(Error::denied("read"));
        }
        let index = selector.find(&whole.versions)?;
        if *selector == Selector::Stage || is_draft {
            whole = whole.staged_view();
        } else {
            whole.staging = None;
            if let Some(version) = index.and_then(|index| whole.versions.get(index))
                && index != whole.versions.len().checked_sub(1)
            {
                let (manifest, config) = records::version_metadata(&mut connection, &version.id).await?;
                whole.artifact.manifest = manifest;
                whole.artifact.config = config;
            }
        }
        if let Some(children) = children {
            whole
                .artifact
                .config
                .insert("child_count".into(), children.into());
        }
        Ok(whole.to_json())
    }

    /// The config of an artifact with which the caller may do this.
    ///
    /// # Errors
    /// No such artifact, not permitted.
    pub async fn config_for(
        &self,
        actor: &Actor,
        id: &str,
        operation: Operation,
    ) -> Result<Map<String, Json>> {
        let mut connection = self.read().await?;
        Ok(self.find_for(&mut connection, actor, id, operation).await?.config)
    }

    /// Counts a view of an artifact.
    ///
    /// # Errors
    /// No such artifact.
    pub async fn count_view(&self, id: &str, actor: &Actor) -> Result<()> {
        let mut connection = self.read().await?;
        let artifact = self.find(&mut connection, actor, id).await?;
        self.counters().view(&artifact.id);
        Ok(())
    }

    /// Deletes an artifact with all that belongs to it. Children stay, without a parent, unless `recursive`.
    ///
    /// # Errors
    /// No such artifact, not permitted (with `recursive`, for one of the children).
    pub async fn delete(&self, actor: &Actor, id: &str, recursive: bool) -> Result<()> {
        let mut transaction = self.database().write().await?;
        let artifact = self.find(&mut transaction, actor, id).await?;
        self.require_delete(actor, &artifact, recursive)?;
        let mut ids = vec![artifact.id.clone()];
        if recursive {
            ids.extend(descendants(&mut transaction, actor, &artifact).await?);
        }
        garbage::delete_artifacts(&mut transaction, &ids).await?;
        garbage::settle(&mut transaction).await?;
        transaction.commit().await?;
        self.garbage().notify_one();
        Ok(())
    }

    fn require_delete(&self, actor: &Actor, artifact: &Artifact, recursive: bool) -> Result<()> {
        if is_recipient(actor, artifact) {
            return Ok(());
        }
        require(actor, artifact, Operation::Delete)?;
        let Some(parent) = artifact.parent.as_ref().filter(|_| !recursive) else {
            return Ok(());
        };
        if actor.is_granted(&parent.config, Operation::Detach) || actor.is_admin_of(&parent.workspace) {
            return Ok(());
        }
        Err(Error::Permission(
            "User does not have permission 'detach' on the parent artifact.".into(),
        ))
    }

    /// Deletes one version. Those after it keep their names and files.
    ///
    /// # Errors
    /// No such version, not permitted.
    pub async fn delete_version(&self, actor: &Actor, id: &str, selector: &Selector) -> Result<()> {
        if *selector == Selector::Stage {
            return Err(Error::value(
                "Cannot delete the staged version; use discard() to drop staged changes.",
            ));
        }
        let mut transaction = self.database().write().await?;
        let mut artifact = self
            .find_for(&mut transaction, actor, id, Operation::Delete)
            .await?;
        let versions = records::versions(&mut transaction, &artifact.id).await?;
        let index = selector.find(&versions)?;
        let version = index.and_then(|index| versions.get(index));
        let version = version.ok_or_else(|| Error::NotFound("The artifact has no versions.".into()))?;
        garbage::suspect_version(&mut transaction, &version.id).await?;
        query("DELETE FROM versions WHERE id = $1")
            .bind(&version.id)
            .execute(&mut *transaction)
            .await?;
        let latest = versions.iter().rfind(|other| other.id != version.id);
        if let Some(latest) = latest.filter(|_| index == versions.len().checked_sub(1)) {
            let (manifest, config) = records::version_metadata(&mut transaction, &latest.id).await?;
            let is_collection = artifact.config.get("is_collection").cloned();
            artifact.manifest = manifest;
            // Who may do what is not part of a version's past.
            let permissions = artifact.config.get("permissions").cloned();
            artifact.config = config;
            for (key, value) in [("is_collection", is_collection), ("permissions", permissions)] {
                match value {
                    Some(value) => artifact.config.insert(key.into(), value),
                    None => artifact.config.remove(key),
                };
            }
        }
        artifact.last_modified = now();
        records::update(&mut transaction, &artifact).await?;
        garbage::settle(&mut transaction).await?;
        transaction.commit().await?;
        self.garbage().notify_one();
        Ok(())
    }

    /// Puts an artifact into another collection, or into none.
    ///
    /// # Errors
    /// Not permitted, another workspace, a cycle.
    pub async fn set_parent(&self, actor: &Actor, id: &str, parent: Option<&str>) -> Result<Json> {
        let mut transaction = self.database().write().await?;
        let mut artifact = self
            .find_for(&mut transaction, actor, id, Operation::Read)
            .await?;
        let workspace = artifact.workspace.clone();
        let refused = |text: &str| Err(Error::Permission(text.to_owned()));
        if let Some(old) = &artifact.parent
            && !actor.is_granted(&old.config, Operation::Detach)
            && !actor.is_admin_of(&workspace)
        {
            return refused("User does not have permission 'detach' on the parent artifact.");
        }
        match parent {
            None if !actor.may(&workspace, hypha_hub::auth::Permission::ReadWrite) => {
                return refused("User does not have permission to make the artifact an orphan.");
            }
            None => artifact.parent = None,
            Some(parent) => {
                let mut parent = self.find(&mut transaction, actor, parent).await?;
                if !may(actor, &parent, Operation::Attach) {
                    return refused("User does not have permission 'attach' on the new parent artifact.");
                }
                if parent.workspace != workspace {
                    return Err(Error::value("The new parent must be in the same workspace."));
                }
                if parent.id == artifact.id
                    || descendants_of(&mut transaction, &artifact.id)
                        .await?
                        .contains(&parent.id)
                {
                    return Err(Error::value(
                        "The new parent must not be the artifact itself or one of its children.",
                    ));
                }
                crate::create::mark_collection(&mut transaction, &mut parent.config, &parent.id).await?;
                artifact.parent = Some(crate::model::Parent {
                    id: parent.id,
                    workspace: parent.workspace,
                    alias: parent.alias,
                    config: parent.config,
                });
            }
        }
        artifact.last_modified = now();
        records::update(&mut transaction, &artifact).await?;
        let whole: Whole = crate::create::reload(&mut transaction, &artifact).await?;
        transaction.commit().await?;
        Ok(whole.to_json())
    }
}

/// The recipient of an item in an inbox may delete it, if the inbox says so.
fn is_recipient(actor: &Actor, artifact: &Artifact) -> bool {
    let Some(parent) = artifact.parent_config() else {
        return false;
    };
    let field = parent.get("recipient_field").and_then(Json::as_str);
    let allowed = parent.get("recipient_can_delete") == Some(&Json::Bool(true));
    let recipient = field
        .and_then(|field| artifact.manifest.get(field))
        .and_then(Json::as_str);
    match (allowed, recipient, actor.user.email.as_deref()) {
        (true, Some(recipient), Some(email)) => !email.is_empty() && email.eq_ignore_ascii_case(recipient),
        _ => false,
    }
}

/// All that is below an artifact, each of which the caller may delete; the deepest last.
async fn descendants(
    connection: &mut AnyConnection,
    actor: &Actor,
    artifact: &Artifact,
) -> Result<Vec<String>> {
    let ids = descendants_of(connection, &artifact.id).await?;
    for id in &ids {
        let name = crate::ids::ArtifactRef::Id(id.clone(), String::new());
        if let Some(child) = records::find(connection, &name).await? {
            require(actor, &child, Operation::Delete)?;
        }
    }
    Ok(ids)
}

async fn descendants_of(connection: &mut AnyConnection, id: &str) -> Result<Vec<String>> {
    let statement = "WITH RECURSIVE below (id) AS (SELECT id FROM artifacts WHERE parent = $1 UNION \
                     SELECT a.id FROM artifacts a JOIN below b ON a.parent = b.id) SELECT id FROM below";
    Ok(query_scalar(statement).bind(id).fetch_all(connection).await?)
}

/// A total as JSON.
pub(crate) fn count(value: i64) -> Json {
    number(value as f64)
}
