//! The record of a workspace, as it is stored and as clients see it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::auth::UserInfo;

/// Whether a workspace can be used. On the wire `{ready, error?, errors?}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Whether it can be used.
    pub(crate) ready: bool,
    /// `loading` while it is being prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Status {
    /// A workspace that can be used.
    pub(crate) const READY: Self = Self {
        ready: true,
        status: None,
        error: None,
    };
}

/// A type that services can declare to implement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub(crate) struct ServiceTypeInfo {
    /// Id, unique in its workspace.
    pub(crate) id: String,
    /// Name for people.
    pub(crate) name: String,
    /// What a service of this type has: name to schema.
    pub(crate) definition: Map<String, Json>,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// `visibility` and anything else.
    #[serde(default)]
    pub(crate) config: Map<String, Json>,
    /// Documentation.
    #[serde(default)]
    pub(crate) docs: Option<String>,
}

/// The record of a workspace. Unknown keys on input are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct WorkspaceInfo {
    /// Always `workspace`.
    pub(crate) r#type: String,
    /// Id; on input either this or `name` is needed.
    pub(crate) id: String,
    /// Name; defaults to the id.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Whether it outlives its last client.
    pub(crate) persistent: bool,
    /// User ids or e-mail addresses.
    pub(crate) owners: Vec<String>,
    /// Whether its stored files cannot be changed.
    pub(crate) read_only: bool,
    /// Icon URL.
    pub(crate) icon: Option<String>,
    /// Cover image URLs.
    pub(crate) covers: Option<Vec<String>>,
    /// Documentation.
    pub(crate) docs: Option<Json>,
    /// Service types by id.
    pub(crate) service_types: BTreeMap<String, ServiceTypeInfo>,
    /// `environs`, `bookmarks` and anything else.
    pub(crate) config: Map<String, Json>,
    /// Whether it can be used; null when it is not loaded.
    #[schemars(skip)]
    pub(crate) status: Option<Status>,
}

impl Default for WorkspaceInfo {
    fn default() -> Self {
        Self {
            r#type: "workspace".into(),
            id: String::new(),
            name: String::new(),
            description: None,
            persistent: false,
            owners: Vec::new(),
            read_only: false,
            icon: None,
            covers: None,
            docs: None,
            service_types: BTreeMap::new(),
            config: Map::new(),
            status: None,
        }
    }
}

impl WorkspaceInfo {
    /// Whether `user` owns this workspace; [`crate::auth`] decides what that allows.
    pub(crate) fn owned_by(&self, user: &UserInfo) -> bool {
        crate::auth::owned_by(user, &self.id, &self.owners)
    }

    /// The values set with `set_env`.
    pub(crate) fn environs(&self) -> Option<&Map<String, Json>> {
        self.config.get("environs").and_then(Json::as_object)
    }

    /// A copy without what only members who may write should see.
    pub(crate) fn redacted(&self) -> Self {
        let mut copy = self.clone();
        copy.config.remove("environs");
        copy
    }
}
