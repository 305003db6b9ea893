//! The identity behind a connection or a request: [`UserInfo`], in the shape that travels with every message.

use hypha_wire::Value;
use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Deserializer, Serialize};

use super::permission::Permission;
use super::scope::ScopeInfo;

/// How long an anonymous identity claims to live, in seconds. Informational: the connection is not closed
/// then.
const ANONYMOUS_LIFE: u64 = 600;

/// Who is asking. Serialised (all fields always present, null when unset) as the `user` of a message's
/// context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserInfo {
    /// Unique id, from the identity provider, or random for child tokens and anonymous users.
    pub id: String,
    /// Role names; `admin` and `anonymous` have a meaning here.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Whether the user never signed in.
    #[serde(default)]
    pub is_anonymous: bool,
    /// What the user may do.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scope: ScopeInfo,
    /// E-mail address, as far as the identity provider vouches for it.
    #[serde(default)]
    pub email: Option<String>,
    /// The user who asked for the token, if it is a child token.
    #[serde(default)]
    pub parent: Option<String>,
    /// When the credential ends, in seconds since the Unix epoch.
    #[serde(default)]
    pub expires_at: Option<f64>,
    /// The workspace that the credential is pinned to, or that was joined.
    #[serde(default)]
    pub current_workspace: Option<String>,
}

fn null_as_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ScopeInfo, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl UserInfo {
    /// A user with an id and nothing else: no roles, no grants.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            roles: Vec::new(),
            is_anonymous: false,
            scope: ScopeInfo::default(),
            email: None,
            parent: None,
            expires_at: None,
            current_workspace: None,
        }
    }

    /// The super user: admin of everything, without an end.
    pub fn root() -> Self {
        let mut user = Self {
            roles: vec!["admin".into()],
            ..Self::new("root")
        };
        user.scope.workspaces.insert("*".into(), Permission::Admin);
        user
    }

    /// A new anonymous user (`anonymouz-<word>-<word>-<8 digits>`), admin of its own home and nothing else.
    ///
    /// `now`: seconds since the Unix epoch.
    pub fn anonymous(rng: &mut impl Rng, now: u64) -> Self {
        let word = |rng: &mut _| WORDS.choose(rng).copied().unwrap_or("sky");
        let (first, second) = (word(rng), word(rng));
        let id = format!(
            "anonymouz-{first}-{second}-{:08}",
            rng.random_range(0..100_000_000u32)
        );
        let mut user = Self {
            roles: vec!["anonymous".into()],
            is_anonymous: true,
            expires_at: Some((now + ANONYMOUS_LIFE) as f64),
            ..Self::new(id)
        };
        user.scope.workspaces.insert(user.home(), Permission::Admin);
        user
    }

    /// The identity of HTTP requests without a token: reads in `ws-anonymous`, which shows it public services
    /// only.
    pub fn anonymous_http() -> Self {
        let mut user = Self {
            roles: vec!["anonymous".into()],
            is_anonymous: true,
            current_workspace: Some("ws-anonymous".into()),
            ..Self::new("anonymouz-http")
        };
        user.scope
            .workspaces
            .insert("ws-anonymous".into(), Permission::Read);
        user.scope.current_workspace = Some("ws-anonymous".into());
        user
    }

    /// The id of the user's home workspace, not yet parsed.
    pub fn home(&self) -> String {
        format!("ws-user-{}", self.id)
    }

    /// Whether this is the super user itself.
    pub fn is_root(&self) -> bool {
        self.id == "root"
    }

    /// Whether the user has a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r == role)
    }

    /// The id to which work is attributed: the parent's for a child token.
    pub fn attribution(&self) -> &str {
        self.parent.as_deref().unwrap_or(&self.id)
    }

    /// The user as a value of the wire, in the key order of the original server.
    pub fn to_value(&self) -> Value {
        let text = |s: &String| Value::Str(s.clone());
        let optional = |s: &Option<String>| s.as_ref().map_or(Value::Nil, text);
        let entry = |key: &str, value: Value| (key.to_owned(), value);
        Value::Map(vec![
            entry("id", text(&self.id)),
            entry("roles", Value::List(self.roles.iter().map(text).collect())),
            entry("is_anonymous", Value::Bool(self.is_anonymous)),
            entry("scope", self.scope.to_value()),
            entry("email", optional(&self.email)),
            entry("parent", optional(&self.parent)),
            entry("expires_at", self.expires_at.map_or(Value::Nil, Value::Float)),
            entry("current_workspace", optional(&self.current_workspace)),
        ])
    }
}

/// Short, friendly, and easy to tell apart when read aloud.
const WORDS: [&str; 64] = [
    "acorn", "amber", "apple", "arrow", "badge", "basil", "beach", "birch", "bloom", "brook", "cabin",
    "cedar", "chalk", "cliff", "cloud", "clover", "comet", "coral", "crane", "delta", "dune", "eagle",
    "ember", "fable", "falcon", "fern", "field", "flint", "forest", "garnet", "glade", "grove", "harbor",
    "hazel", "heron", "indigo", "iris", "ivory", "jade", "juniper", "lake", "larch", "lemon", "lilac",
    "maple", "meadow", "mint", "moss", "oak", "olive", "orbit", "otter", "pearl", "pine", "plum", "quartz",
    "raven", "reed", "river", "sage", "slate", "spruce", "thistle", "willow",
];

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use serde_json::json;

    use super::*;

    #[test]
    fn anonymous_users_own_their_home_only() {
        let user = UserInfo::anonymous(&mut StdRng::seed_from_u64(1), 1_000);
        let parts: Vec<_> = user.id.split('-').collect();
        assert_eq!(
            (parts.len(), parts[0], parts[3].len()),
            (4, "anonymouz", 8),
            "{}",
            user.id
        );
        assert_eq!(user.expires_at, Some(1600.0));
        assert_eq!(user.scope.workspaces.len(), 1);
        assert_eq!(user.scope.workspaces[&user.home()], Permission::Admin);
    }

    #[test]
    fn json_has_the_shape_of_the_original() {
        assert_eq!(
            serde_json::to_value(UserInfo::root()).unwrap(),
            json!({"id": "root", "roles": ["admin"], "is_anonymous": false,
                "scope": {"current_workspace": null, "workspaces": {"*": "a"}, "client_id": null, "extra_scopes": []},
                "email": null, "parent": null, "expires_at": null, "current_workspace": null})
        );
        let parsed: UserInfo = serde_json::from_value(json!({"id": "x", "scope": null})).unwrap();
        assert_eq!(parsed, UserInfo::new("x"));
    }

    #[test]
    fn wire_value_lists_every_field() {
        let Value::Map(entries) = UserInfo::anonymous_http().to_value() else {
            panic!("a map")
        };
        let keys: Vec<_> = entries.iter().map(|(k, _)| k.as_str()).collect();
        assert_eq!(
            keys,
            [
                "id",
                "roles",
                "is_anonymous",
                "scope",
                "email",
                "parent",
                "expires_at",
                "current_workspace"
            ]
        );
    }
}
