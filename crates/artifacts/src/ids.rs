//! Names from outside, checked once: artifacts, aliases, paths of files, versions.

use std::fmt;

use hypha_hub::ids::WorkspaceId;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Longest alias, in bytes.
pub(crate) const MAX_ALIAS: usize = 64;
/// Longest alias that a pattern may grow to, in bytes.
pub(crate) const MAX_EXPANDED_ALIAS: usize = 256;
/// Longest path of a file, in bytes.
const MAX_PATH: usize = 1024;
/// Longest part of a path between two slashes, in bytes.
const MAX_SEGMENT: usize = 255;
/// Longest name of a version, in bytes.
const MAX_VERSION: usize = 128;

/// How somebody names an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArtifactRef {
    /// By its id, or else by an alias of that form in a workspace: patterns make such aliases.
    Id(String, String),
    /// By workspace and alias.
    Alias(String, String),
}

impl ArtifactRef {
    /// Reads a UUID, `workspace/alias`, or an alias in the workspace `current`.
    pub(crate) fn parse(text: &str, current: &str) -> Result<Self> {
        let text = text.trim();
        if let Some(id) = uuid(text) {
            return Ok(Self::Id(id, current.to_owned()));
        }
        let (workspace, alias) = text.split_once('/').unwrap_or((current, text));
        let fits = |part: &str| {
            !part.is_empty() && part.len() <= MAX_EXPANDED_ALIAS && !part.chars().any(char::is_control)
        };
        if !fits(workspace) || !fits(alias) || alias.contains('/') {
            return Err(Error::no_artifact(text));
        }
        Ok(Self::Alias(workspace.to_owned(), alias.to_owned()))
    }
}

/// The canonical form of a UUID in its usual form with hyphens.
pub(crate) fn uuid(text: &str) -> Option<String> {
    let id = Uuid::try_parse(text).ok().filter(|_| text.len() == 36)?;
    Some(id.to_string())
}

/// A new id, greater than those before it.
pub(crate) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// Checks a workspace's id.
pub(crate) fn workspace(text: &str) -> Result<WorkspaceId> {
    WorkspaceId::parse(text).map_err(|error| Error::value(error.to_string()))
}

/// Checks an alias after placeholders were replaced.
pub(crate) fn alias(text: &str) -> Result<&str> {
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@' | '+' | '=' | ',');
    let hidden = matches!(text, "-" | "~" | "_" | "." | "..");
    if text.is_empty() || text.len() > MAX_EXPANDED_ALIAS || hidden || !text.chars().all(legal) {
        let shown: String = text.chars().take(MAX_ALIAS).collect();
        return Err(Error::value(format!(
            "Invalid alias '{shown}': expected letters, digits and any of -_.:@+=, (not '-', '_', '.' or '..' alone), \
             at most {MAX_EXPANDED_ALIAS} bytes"
        )));
    }
    Ok(text)
}

/// Checks the name of a new version.
pub(crate) fn version_name(text: &str) -> Result<&str> {
    let reserved = matches!(text, "stage" | "latest" | "new" | "committed");
    let odd = text.is_empty() || text.len() > MAX_VERSION || text.chars().any(char::is_control);
    if reserved || odd {
        let shown: String = text
            .chars()
            .take(MAX_VERSION)
            .filter(|c| !c.is_control())
            .collect();
        return Err(Error::value(format!(
            "Invalid version '{shown}': expected 1 to {MAX_VERSION} bytes, and not stage, latest, new or committed"
        )));
    }
    Ok(text)
}

/// The path of a file in an artifact: relative, without `.` and `..`, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(String);

impl FilePath {
    /// Checks a path. `./` at its start is dropped.
    ///
    /// # Errors
    /// Empty, too long, absolute, ends with a slash, has an empty part, `.` or `..`, a backslash or a control
    /// character.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(clean(text.strip_prefix("./").unwrap_or(text))?.to_owned()))
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the folder with a slash at its end; empty at the top.
    pub(crate) fn folder(&self) -> &str {
        self.0.rfind('/').map_or("", |end| &self.0[..=end])
    }

    /// The last part.
    pub(crate) fn name(&self) -> &str {
        self.0.rfind('/').map_or(self.as_str(), |end| &self.0[end + 1..])
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the path of a folder: empty or `.` is the top, a slash at the end is allowed. The result has one, unless it
/// is the top.
pub(crate) fn folder(text: &str) -> Result<String> {
    let text = text.strip_prefix("./").unwrap_or(text);
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.is_empty() || text == "." {
        return Ok(String::new());
    }
    Ok(format!("{}/", clean(text)?))
}

fn clean(text: &str) -> Result<&str> {
    let part_is_wrong = |part: &str| matches!(part, "" | "." | "..") || part.len() > MAX_SEGMENT;
    let odd = |c: char| c == '\\' || c.is_control();
    if text.len() > MAX_PATH || text.chars().any(odd) || text.split('/').any(part_is_wrong) {
        let shown: String = text.chars().take(100).filter(|c| !c.is_control()).collect();
        return Err(Error::value(format!(
            "Invalid file path '{shown}': expected a relative path without empty parts, '.', '..', backslashes and \
             control characters, at most {MAX_PATH} bytes and {MAX_SEGMENT} in each part"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (text, folder, name) in [
            ("a.txt", "", "a.txt"),
            ("./a.txt", "", "a.txt"),
            ("a/b/c d+%2e#é", "a/b/", "c d+%2e#é"),
            ("...", "", "..."),
        ] {
            let path = FilePath::parse(text).unwrap();
            assert_eq!((path.folder(), path.name()), (folder, name), "{text}");
        }
        let long = "x".repeat(256);
        for text in [
            "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a/./b", "a\\b", "..\\a",
            "a\0", "a\nb", ".//a", "././a", &long,
        ] {
            assert!(FilePath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn folders() {
        for (text, expected) in [("", ""), (".", ""), ("./", ""), ("a", "a/"), ("./a/b/", "a/b/")] {
            assert_eq!(folder(text).unwrap(), expected);
        }
        assert!(folder("../a").is_err() && folder("/").is_ok() && folder("/a").is_err());
    }

    #[test]
    fn artifacts() {
        let alias = |w: &str, a: &str| ArtifactRef::Alias(w.into(), a.into());
        assert_eq!(ArtifactRef::parse("x", "ws").unwrap(), alias("ws", "x"));
        assert_eq!(ArtifactRef::parse("w/x", "ws").unwrap(), alias("w", "x"));
        let id = new_id();
        assert_eq!(
            ArtifactRef::parse(&id, "ws").unwrap(),
            ArtifactRef::Id(id, "ws".into())
        );
        for text in ["", "a/b/c", "a/", "/b", "a\nb"] {
            assert!(ArtifactRef::parse(text, "ws").is_err(), "{text:?}");
        }
    }

    #[test]
    fn aliases() {
        assert!(alias("my-model_1.0").is_ok());
        for text in ["-", "~", "_", "a/b", "a b", "..", "a*"] {
            assert!(alias(text).is_err(), "{text}");
        }
    }
}
