//! What is known about an artifact, and the shape in which callers see it.

use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::ids::FilePath;
use crate::permissions::expanded;

/// A JSON object.
pub(crate) type Object = Map<String, Json>;

/// Key of a config: what a download of each file counts.
pub(crate) const WEIGHTS: &str = "download_weights";

/// One artifact, as the latest commit has left it.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub(crate) id: String,
    pub(crate) workspace: String,
    pub(crate) alias: String,
    pub(crate) parent: Option<Parent>,
    pub(crate) kind: Option<String>,
    pub(crate) manifest: Object,
    pub(crate) config: Object,
    /// Encrypted.
    pub(crate) secrets: Option<String>,
    pub(crate) created_by: String,
    pub(crate) created_at: i64,
    pub(crate) last_modified: i64,
    pub(crate) view_count: f64,
    pub(crate) download_count: f64,
    pub(crate) file_count: i64,
    pub(crate) version_count: i64,
}

/// What an artifact needs to know about the collection it is in.
#[derive(Clone, Debug)]
pub(crate) struct Parent {
    pub(crate) id: String,
    pub(crate) workspace: String,
    pub(crate) alias: String,
    pub(crate) config: Object,
}

impl Parent {
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.workspace, self.alias)
    }
}

impl Artifact {
    /// `workspace/alias`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.workspace, self.alias)
    }

    /// The config of the parent, if there is one.
    pub(crate) fn parent_config(&self) -> Option<&Object> {
        self.parent.as_ref().map(|parent| &parent.config)
    }

    /// Whether it is a collection, by type or because it has received a child.
    pub(crate) fn is_collection(&self) -> bool {
        self.kind.as_deref() == Some("collection")
            || self.config.get("is_collection") == Some(&Json::Bool(true))
    }
}

/// A committed version.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) comment: Option<String>,
    pub(crate) created_at: i64,
}

/// What a commit of staged changes makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// A version of its own.
    NewVersion,
    /// Another state of the latest version.
    EditVersion,
}

impl Intent {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NewVersion => "new_version",
            Self::EditVersion => "edit_version",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        if text == Self::NewVersion.as_str() {
            Self::NewVersion
        } else {
            Self::EditVersion
        }
    }
}

/// Staged changes.
#[derive(Clone, Debug)]
pub(crate) struct Staging {
    pub(crate) intent: Intent,
    /// Whether a new version starts with the files of the one before it.
    pub(crate) inherits: bool,
    pub(crate) kind: Option<String>,
    pub(crate) manifest: Object,
    pub(crate) config: Object,
    /// Encrypted.
    pub(crate) secrets: Option<String>,
    /// In the order in which they were staged.
    pub(crate) files: Vec<StagedFile>,
}

/// One staged file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StagedFile {
    pub(crate) path: FilePath,
    /// Where the upload goes; `None`: the file is to be removed.
    pub(crate) object_key: Option<String>,
    /// What a download counts; `None`: as before.
    pub(crate) weight: Option<f64>,
}

impl Staging {
    /// The list in which callers see it.
    fn to_json(&self) -> Json {
        let entries = self.files.iter().map(|file| {
            let mut entry = json!({"path": file.path.as_str()});
            match (&file.object_key, file.weight) {
                (None, _) => entry["_remove"] = true.into(),
                (Some(_), Some(weight)) if weight != 0.0 => entry["download_weight"] = number(weight),
                _ => {}
            }
            entry
        });
        let intent = json!({"_intent": self.intent.as_str()});
        Json::Array(entries.chain([intent]).collect())
    }
}

/// An artifact with everything that belongs to its shape on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) artifact: Artifact,
    pub(crate) versions: Vec<Version>,
    /// `None` also where the caller is not to see it.
    pub(crate) staging: Option<Staging>,
}

impl Whole {
    /// The shape on the wire. Secrets are not part of it.
    pub(crate) fn to_json(&self) -> Json {
        let artifact = &self.artifact;
        let versions: Vec<Json> = self
            .versions
            .iter()
            .map(|version| {
                json!({"version": version.name, "comment": version.comment, "created_at": version.created_at})
            })
            .collect();
        json!({
            "id": artifact.name(),
            "_id": artifact.id,
            "type": artifact.kind,
            "workspace": artifact.workspace,
            "alias": artifact.alias,
            "parent_id": artifact.parent.as_ref().map(Parent::name),
            "manifest": artifact.manifest,
            "config": artifact.config,
            "staging": self.staging.as_ref().map(Staging::to_json),
            "versions": versions,
            "download_count": number(artifact.download_count),
            "view_count": number(artifact.view_count),
            "file_count": artifact.file_count,
            "created_at": artifact.created_at,
            "created_by": artifact.created_by,
            "last_modified": artifact.last_modified,
            "_permissions": expanded(&artifact.config),
        })
    }

    /// As it will be when what is staged is committed.
    pub(crate) fn staged_view(mut self) -> Self {
        if let Some(staging) = &self.staging {
            self.artifact.manifest = staging.manifest.clone();
            self.artifact.config = staging.config.clone();
            self.artifact.kind = staging.kind.clone();
        }
        self
    }
}

/// Which version somebody means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The latest.
    Latest,
    /// What is staged.
    Stage,
    /// By name; if there is none of that name, a number is a place in the list.
    Name(String),
    /// By its place in the list.
    Index(usize),
}

impl Selector {
    /// What a text means: nothing or `latest`, `stage`, a name, a number. `stage` alone also asks for what is staged.
    ///
    /// # Errors
    /// A version and `stage` together.
    pub fn parse(version: Option<&str>, stage: bool) -> Result<Self> {
        crate::view::selector_of(version, None, stage)
    }

    /// The version that is meant, as its place in the list; `None` when the artifact has no versions and the latest is
    /// meant.
    pub(crate) fn find(&self, versions: &[Version]) -> Result<Option<usize>> {
        let missing = |name: &dyn std::fmt::Display| {
            let name: String = name.to_string().chars().take(128).collect();
            Error::NotFound(format!("Artifact version '{name}' does not exist."))
        };
        match self {
            Self::Latest | Self::Stage => Ok(versions.len().checked_sub(1)),
            Self::Index(index) if *index < versions.len() => Ok(Some(*index)),
            Self::Index(index) => Err(missing(index)),
            Self::Name(name) => {
                let named = versions.iter().position(|version| version.name == *name);
                let by_number = || name.parse().ok().filter(|index| *index < versions.len());
                named.or_else(by_number).map(Some).ok_or_else(|| missing(name))
            }
        }
    }
}

/// Counts are whole numbers most of the time, and shown so.
pub(crate) fn number(value: f64) -> Json {
    // Exact: no count gets near 2^53.
    if value.fract() == 0.0 && value.abs() < 9e15 {
        Json::from(value as i64)
    } else {
        Json::from(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(names: &[&str]) -> Vec<Version> {
        let version = |name: &&str| Version {
            id: format!("id-{name}"),
            name: (*name).to_owned(),
            comment: None,
            created_at: 0,
        };
        names.iter().map(version).collect()
    }

    #[test]
    fn selectors() {
        let versions = versions(&["v0", "1", "x"]);
        for (selector, expected) in [
            (Selector::Latest, Some(2)),
            (Selector::Index(0), Some(0)),
            (Selector::Name("x".into()), Some(2)),
            (Selector::Name("1".into()), Some(1)),
            (Selector::Name("2".into()), Some(2)),
        ] {
            assert_eq!(selector.find(&versions).unwrap(), expected, "{selector:?}");
        }
        assert!(Selector::Name("v1".into()).find(&versions).is_err());
        assert!(Selector::Index(3).find(&versions).is_err());
        assert_eq!(Selector::Latest.find(&[]).unwrap(), None);
    }
}
