//! Copies of artifacts: the same bytes under another name.

use serde_json::Value as Json;

use crate::create::Create;
use crate::error::{Error, Result};
use crate::manager::Artifacts;
use crate::permissions::{Actor, Operation};
use crate::records;

/// What a copy is to be.
#[derive(Clone, Debug, Default)]
pub struct Duplicate {
    /// Its alias.
    pub alias: Option<String>,
    /// Its workspace.
    pub workspace: Option<String>,
    /// The collection it goes into.
    pub parent_id: Option<String>,
    /// Replace one of the same alias.
    pub overwrite: bool,
    /// Start with a draft.
    pub stage: bool,
}

impl Artifacts {
    /// Copies the latest version of an artifact. No byte is copied, and no secret.
    ///
    /// # Errors
    /// Not permitted to read the one or to make the other.
    pub async fn duplicate(&self, actor: &Actor, source: &str, target: Duplicate) -> Result<Json> {
        let mut connection = self.read().await?;
        let source = self
            .find_for(&mut connection, actor, source, Operation::Read)
            .await?;
        crate::manager::require(actor, &source, Operation::GetFile)?;
        let versions = records::versions(&mut connection, &source.id).await?;
        drop(connection);
        let latest = versions
            .last()
            .ok_or_else(|| Error::value("Only a committed artifact can be duplicated."))?;
        let mut config = source.config.clone();
        for key in ["zenodo", "id_parts", "permissions", "is_collection"] {
            config.remove(key);
        }
        let same_name =
            target.alias.is_none() && target.workspace.as_ref().is_some_and(|w| *w != source.workspace);
        let request = Create {
            alias: target.alias.or_else(|| same_name.then(|| source.alias.clone())),
            workspace: target.workspace,
            parent_id: target.parent_id,
            manifest: Some(source.manifest.clone()),
            kind: source.kind.clone(),
            config: Some(config),
            overwrite: target.overwrite,
            stage: target.stage,
            ..Create::default()
        };
        Ok(self
            .create_with(actor, request, Some(&latest.id))
            .await?
            .to_json())
    }
}
