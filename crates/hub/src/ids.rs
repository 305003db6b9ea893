//! The ids of the hub, parsed once at the edge: [`WorkspaceId`], [`ClientId`], [`ServiceId`].
//!
//! An id is compared exactly, is never a pattern, and can be put into an address (`ws/cid:sid@app`), a
//! token's scope, a file name or a log line without escaping. Cloning one is cheap (`Arc<str>`).

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest id of any kind, in bytes.
pub const MAX_ID_LEN: usize = 128;

/// The longest part of a refused id that is repeated in the error.
const MAX_QUOTED: usize = 64;

/// First parts of paths that are no workspaces, because routes of the server have them now or may get them.
const TOP_LEVEL_ROUTES: [&str; 14] = [
    "api-docs",
    "api-redoc",
    "assets",
    "health",
    "index.html",
    "login",
    "metrics",
    "oauth",
    "openapi.json",
    "rpc",
    "s3",
    "static",
    "triton",
    "ws",
];

/// Whether the first part of a path belongs to the server, and so cannot name a workspace.
pub fn is_top_level_route(name: &str) -> bool {
    TOP_LEVEL_ROUTES.contains(&name)
}

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not of the form of a client id.
    #[error("Invalid client id: {0}")]
    Client(String),
    /// Not of the form of a workspace id.
    #[error("Invalid workspace id: {0}")]
    Workspace(String),
    /// Not of the form of a service id.
    #[error("Invalid service id: {0}")]
    Service(String),
    /// A new workspace without a name.
    #[error("Workspace name must not be empty.")]
    EmptyName,
    /// A new workspace's name has no hyphen. Names without one are kept for the hub's own pages and
    /// workspaces.
    #[error("Workspace name must contain at least one hyphen (e.g. my-workspace).")]
    NoHyphen,
    /// A new workspace's name is outside the alphabet.
    #[error("Invalid workspace name: {0}, only lowercase letters, numbers and hyphens are allowed.")]
    Name(String),
    /// A new workspace's name belongs to the hub or to another user.
    #[error("Workspace name is reserved: {0}")]
    Reserved(String),
}

/// Shortens hostile text for an error message and takes control characters out of it.
fn quoted(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(MAX_QUOTED)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if out.len() < text.len() && text.chars().nth(MAX_QUOTED).is_some() {
        out.push('…');
    }
    out
}

fn is_client_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let first = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    bytes.len() <= MAX_ID_LEN
        && bytes.first().is_some_and(first)
        && bytes.iter().all(|b| first(b) || matches!(b, b'.' | b'#' | b'-'))
}

fn is_workspace_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let first = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    bytes.len() <= MAX_ID_LEN
        && bytes.first().is_some_and(first)
        && bytes
            .iter()
            .all(|b| first(b) || matches!(b, b'-' | b'|' | b'.' | b'+' | b'=' | b'~'))
        && !text.contains("..")
}

fn is_service_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_ID_LEN
        && text.trim() == text
        && !text
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | ':' | '@' | '*' | '?'))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $valid:path, $error:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an id that came from outside.
            ///
            /// # Errors
            /// The text is not of this kind of id; the error quotes its beginning.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if $valid(text) { Ok(Self(text.into())) } else { Err($error(quoted(text))) }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

id! {
    /// Names a workspace.
    ///
    /// Liberal where the original server is: besides `[a-z0-9-|]` (what may be created) there are `public`,
    /// `ws-anonymous`, and home workspaces `ws-user-<user id>` whose user id comes from an identity provider
    /// (`github|123`) or is a random mixed-case text. So: 1 to 128 of `A-Z a-z 0-9 _ - | . + = ~`, starting
    /// with a letter, digit or `_`, without `..`.
    WorkspaceId, is_workspace_id, IdError::Workspace
}

id! {
    /// Names a client within its workspace: `[A-Za-z0-9_][A-Za-z0-9_.#-]{0,127}`.
    ClientId, is_client_id, IdError::Client
}

id! {
    /// Names a service within its client: 1 to 128 bytes, no `/ : @ * ?`, no control characters, no blanks at
    /// the ends.
    ///
    /// This is the last part of a full service id `ws/cid:sid@app`, without the others.
    ServiceId, is_service_id, IdError::Service
}

// === impl WorkspaceId ===

/// Prefix of home workspaces.
const HOME_PREFIX: &str = "ws-user-";

impl WorkspaceId {
    /// The pseudo-workspace `*` in which the workspace managers live. [`WorkspaceId::parse`] never returns
    /// it.
    pub fn manager() -> Self {
        Self("*".into())
    }

    /// The workspace `public`, where the hub's own services are.
    pub fn public() -> Self {
        Self("public".into())
    }

    /// The workspace `ws-anonymous`, in which HTTP requests without a token act.
    pub fn anonymous() -> Self {
        Self("ws-anonymous".into())
    }

    /// The home workspace of root, `ws-user-root`.
    pub fn root() -> Self {
        Self("ws-user-root".into())
    }

    /// The home workspace of a user.
    ///
    /// # Errors
    /// The user id has characters that no workspace id has.
    pub fn home_of(user_id: &str) -> Result<Self, IdError> {
        Self::parse(&format!("{HOME_PREFIX}{user_id}"))
    }

    /// The user whose home this workspace is, if it is one.
    pub fn home_user(&self) -> Option<&str> {
        self.0.strip_prefix(HOME_PREFIX)
    }

    /// Whether the hub needs this workspace and must never remove it from the store.
    pub fn is_protected(&self) -> bool {
        matches!(&*self.0, "public" | "ws-anonymous" | "ws-user-root")
    }
}

/// Checks the id of a workspace that `user_id` wants to create (not of one that exists).
///
/// # Errors
/// Empty, without a hyphen (except for root), outside `[a-z0-9-|]`, longer than [`MAX_ID_LEN`], or reserved:
/// `ws-user-…` is for its user and root, `public` and `ws-anonymous` are the hub's, and [routes](is_top_level_route)
/// come before workspaces.
pub fn validate_new_workspace_id(id: &str, user_id: &str) -> Result<WorkspaceId, IdError> {
    let is_root = user_id == "root";
    if id.is_empty() {
        return Err(IdError::EmptyName);
    }
    if !is_root && !id.contains('-') {
        return Err(IdError::NoHyphen);
    }
    if !id
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'|'))
    {
        return Err(IdError::Name(quoted(id)));
    }
    // Longer ids, and those that start with `-` or `|`, fail here.
    let parsed = WorkspaceId::parse(id).map_err(|_| IdError::Name(quoted(id)))?;
    let others_home = parsed.home_user().is_some_and(|user| user != user_id);
    if is_top_level_route(id) || (!is_root && (others_home || parsed.is_protected())) {
        return Err(IdError::Reserved(quoted(id)));
    }
    Ok(parsed)
}

/// A random id of 22 letters and digits (131 bits): ids of child users, generated client ids, login keys.
pub fn random_id(rng: &mut impl Rng) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..22)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids() {
        for good in ["a", "_rapp_x", "worker-7", "gpu__rlb", "a.b#c", &"x".repeat(128)] {
            assert!(ClientId::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "-a",
            ".a",
            "a b",
            "z ws:*#a",
            "a/b",
            "a:b",
            "a@b",
            "ä",
            "a\n",
            &"x".repeat(129),
        ] {
            assert!(ClientId::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            ClientId::parse("a/b").unwrap_err().to_string(),
            "Invalid client id: a/b"
        );
    }

    #[test]
    fn workspace_ids() {
        for good in [
            "public",
            "ws-anonymous",
            "ws-user-github|123",
            "ws-user-GfA3xY",
            "lab-1",
            "ws-user-a.b",
        ] {
            assert!(WorkspaceId::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "a b",
            "a/b",
            "a:b",
            "a@b",
            "a#b",
            "a?",
            "..",
            "a..b",
            "|a",
            ".a",
            "a\0",
            &"w".repeat(129),
        ] {
            assert!(WorkspaceId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn service_ids() {
        for good in ["default", "built-in", "my service", "a.b", "größe"] {
            assert!(ServiceId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " a", "a ", "a/b", "a:b", "a@b", "*", "a\u{7}"] {
            assert!(ServiceId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn new_workspaces() {
        let text = |id: &str, user: &str| validate_new_workspace_id(id, user).unwrap_err().to_string();
        assert!(validate_new_workspace_id("my-lab", "ada").is_ok());
        assert!(validate_new_workspace_id("ws-user-github|1", "github|1").is_ok());
        assert!(validate_new_workspace_id("solo", "root").is_ok());
        assert_eq!(text("", "ada"), "Workspace name must not be empty.");
        assert_eq!(
            text("solo", "ada"),
            "Workspace name must contain at least one hyphen (e.g. my-workspace)."
        );
        assert_eq!(
            text("My-lab", "ada"),
            "Invalid workspace name: My-lab, only lowercase letters, numbers and hyphens are allowed."
        );
        assert_eq!(
            text("ws-user-bob", "ada"),
            "Workspace name is reserved: ws-user-bob"
        );
        assert_eq!(
            text("ws-anonymous", "ada"),
            "Workspace name is reserved: ws-anonymous"
        );
        assert!(matches!(
            validate_new_workspace_id(&"a-".repeat(65), "ada"),
            Err(IdError::Name(_))
        ));
    }

    #[test]
    fn hostile_text_is_cut_in_errors() {
        let error = ClientId::parse(&"\u{1b}é".repeat(5000)).unwrap_err().to_string();
        assert!(error.len() < 200 && !error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn json_is_checked() {
        assert!(serde_json::from_str::<ClientId>("\"a b\"").is_err());
        assert_eq!(
            serde_json::to_string(&WorkspaceId::public()).unwrap(),
            "\"public\""
        );
    }
}
