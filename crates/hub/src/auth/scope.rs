//! The grants of a token, as a structure and as the text of its `scope` claim.
//!
//! ```text
//! scope := item (" " item)*
//! item  := "ws:" workspace "#" ("r" | "rw" | "a") | "cid:" client | "wid:" workspace | extra
//! ```
//!
//! The text has no escapes, so text that a caller chose could smuggle in further items.
//! [`ScopeInfo::to_text`] therefore refuses every component that could, and reads its own output back before
//! it hands it out.

use std::collections::BTreeMap;

use hypha_wire::Value;
use serde::{Deserialize, Serialize};

use crate::ids::ClientId;

use super::error::AuthError;
use super::permission::Permission;

/// Longest scope text, in bytes, that is read or written.
pub const MAX_SCOPE_LEN: usize = 16 * 1024;

/// What a token allows. Serialised (null when unset) as `scope` of [`UserInfo`](super::user::UserInfo).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeInfo {
    /// `wid:`, the workspace that the token is pinned to.
    #[serde(default)]
    pub current_workspace: Option<String>,
    /// `ws:`, the level for each workspace; `*` is all of them.
    #[serde(default)]
    pub workspaces: BTreeMap<String, Permission>,
    /// `cid:`, the client id that the token is for.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The other words. Those with a colon are specialised scopes.
    #[serde(default)]
    pub extra_scopes: Vec<String>,
}

/// Refuses what could end or alter an item of the text.
fn component<'a>(what: &str, text: &'a str) -> Result<&'a str, AuthError> {
    if text.is_empty()
        || text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '#')
    {
        return Err(AuthError::Scope(format!(
            "{what} must not be empty or contain blanks or '#'"
        )));
    }
    Ok(text)
}

/// Refuses a client id that is none. Its alphabet has `#`, which means nothing after `cid:`.
fn client_id(text: &str) -> Result<&str, AuthError> {
    ClientId::parse(text)
        .map(|_| text)
        .map_err(|error| AuthError::Scope(error.to_string()))
}

/// Checks an extra scope that a caller chose.
///
/// # Errors
/// Empty, with blanks, control characters or `#`, or starting with `ws:`, `cid:` or `wid:`.
pub fn check_extra_scope(text: &str) -> Result<(), AuthError> {
    component("an extra scope", text)?;
    if ["ws:", "cid:", "wid:"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
    {
        return Err(AuthError::ScopePrefix(text.chars().take(64).collect()));
    }
    Ok(())
}

impl ScopeInfo {
    /// Reads the text of a `scope` claim. Of several `cid:` or `wid:` items the last one counts, empty items
    /// are skipped.
    ///
    /// # Errors
    /// Longer than [`MAX_SCOPE_LEN`], a malformed `ws:` item, an item with control characters.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        if text.len() > MAX_SCOPE_LEN {
            return Err(AuthError::Scope(format!(
                "{} bytes, at most {MAX_SCOPE_LEN} are accepted",
                text.len()
            )));
        }
        let mut scope = Self::default();
        for item in text.split(' ').filter(|item| !item.is_empty()) {
            if let Some(grant) = item.strip_prefix("ws:") {
                let (workspace, mode) = grant
                    .split_once('#')
                    .ok_or_else(|| AuthError::Scope("expected ws:<workspace>#<r, rw or a>".into()))?;
                let level = match mode {
                    "r" | "rw" | "a" => Permission::parse(mode),
                    _ => None,
                };
                let level = level.ok_or_else(|| AuthError::Scope("the mode must be r, rw or a".into()))?;
                scope
                    .workspaces
                    .insert(component("a workspace", workspace)?.to_owned(), level);
            } else if let Some(client) = item.strip_prefix("cid:") {
                scope.client_id = Some(client_id(client)?.to_owned());
            } else if let Some(workspace) = item.strip_prefix("wid:") {
                scope.current_workspace = Some(component("a workspace", workspace)?.to_owned());
            } else {
                scope.extra_scopes.push(component("an item", item)?.to_owned());
            }
        }
        Ok(scope)
    }

    /// Writes the text of a `scope` claim: all `ws:`, then `cid:`, `wid:`, extras.
    ///
    /// # Errors
    /// A component that is empty, contains blanks, control characters or `#`, or would be read as something
    /// else; a text longer than [`MAX_SCOPE_LEN`].
    pub fn to_text(&self) -> Result<String, AuthError> {
        let mut items = Vec::with_capacity(self.workspaces.len() + self.extra_scopes.len() + 2);
        for (workspace, level) in &self.workspaces {
            items.push(format!(
                "ws:{}#{}",
                component("a workspace", workspace)?,
                level.as_str()
            ));
        }
        if let Some(client) = &self.client_id {
            items.push(format!("cid:{}", client_id(client)?));
        }
        if let Some(workspace) = &self.current_workspace {
            items.push(format!("wid:{}", component("a workspace", workspace)?));
        }
        for extra in &self.extra_scopes {
            check_extra_scope(extra)?;
            items.push(extra.clone());
        }
        let text = items.join(" ");
        // The checks above should make this hold; a token is too dangerous to rely on "should".
        if Self::parse(&text)? != *self {
            return Err(AuthError::Scope("does not read back as what was meant".into()));
        }
        Ok(text)
    }

    /// The extra scopes of the form `resource:action`. Words without a colon (`openid`, `profile`) are not
    /// among them.
    pub fn specialised(&self) -> impl Iterator<Item = &str> {
        self.extra_scopes
            .iter()
            .map(String::as_str)
            .filter(|scope| scope.contains(':'))
    }

    fn specialised_list(&self) -> String {
        self.specialised().collect::<Vec<_>>().join(", ")
    }

    /// Demands that the token is not one made for a single purpose.
    ///
    /// # Errors
    /// [`AuthError::Specialized`] when there is a specialised scope.
    pub fn general_access(&self) -> Result<(), AuthError> {
        match self.specialised().next() {
            None => Ok(()),
            Some(_) => Err(AuthError::Specialized(self.specialised_list())),
        }
    }

    /// Demands that the token, if it was made for a single purpose, was made for `required`
    /// (`resource:action`). Ordinary tokens pass.
    ///
    /// # Errors
    /// [`AuthError::ScopeRequired`] when there are specialised scopes and `required` is not among them.
    pub fn require(&self, required: &str) -> Result<(), AuthError> {
        if self.specialised().next().is_none() || self.specialised().any(|scope| scope == required) {
            return Ok(());
        }
        Err(AuthError::ScopeRequired {
            has: self.specialised_list(),
            required: required.to_owned(),
        })
    }

    /// The scope as a value of the wire, in the key order of the original server.
    pub(super) fn to_value(&self) -> Value {
        let text = |s: &String| Value::Str(s.clone());
        let grants = self
            .workspaces
            .iter()
            .map(|(w, p)| (w.clone(), Value::Str(p.as_str().to_owned())));
        Value::Map(vec![
            (
                "current_workspace".into(),
                self.current_workspace.as_ref().map_or(Value::Nil, text),
            ),
            ("workspaces".into(), Value::Map(grants.collect())),
            (
                "client_id".into(),
                self.client_id.as_ref().map_or(Value::Nil, text),
            ),
            (
                "extra_scopes".into(),
                Value::List(self.extra_scopes.iter().map(text).collect()),
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn example_of_the_grammar() {
        let text = "ws:lab-1#rw ws:ws-user-ada#a cid:worker-7 wid:lab-1 file:download";
        let scope = ScopeInfo::parse(text).unwrap();
        assert_eq!(scope.workspaces["lab-1"], Permission::ReadWrite);
        assert_eq!(scope.workspaces["ws-user-ada"], Permission::Admin);
        assert_eq!(scope.client_id.as_deref(), Some("worker-7"));
        assert_eq!(scope.current_workspace.as_deref(), Some("lab-1"));
        assert_eq!(scope.extra_scopes, ["file:download"]);
        assert_eq!(scope.to_text().unwrap(), text);
    }

    #[test]
    fn reading() {
        assert_eq!(ScopeInfo::parse("  ").unwrap(), ScopeInfo::default());
        let last_wins = ScopeInfo::parse("wid:x wid:y cid:q cid:z").unwrap();
        assert_eq!(last_wins.current_workspace.as_deref(), Some("y"));
        assert_eq!(last_wins.client_id.as_deref(), Some("z"));
        assert_eq!(
            ScopeInfo::parse("openid profile").unwrap().extra_scopes,
            ["openid", "profile"]
        );
        for bad in [
            "ws:a",
            "ws:a#x",
            "ws:a#r#w",
            "ws:a#read",
            "ws:#a",
            "ws:",
            "cid:",
            "wid:",
            "cid:a#b?",
            "a\tws:*#a",
        ] {
            assert!(ScopeInfo::parse(bad).is_err(), "{bad}");
        }
        assert!(ScopeInfo::parse(&"a".repeat(MAX_SCOPE_LEN + 1)).is_err());
    }

    #[test]
    fn injection_is_refused() {
        let hostile = [
            "z ws:*#a",
            "",
            " ",
            "a\tb",
            "a\nws:*#a",
            "a#r",
            "\u{a0}",
            "a\u{2028}b",
        ];
        for text in hostile {
            let scope = ScopeInfo {
                client_id: Some(text.into()),
                ..ScopeInfo::default()
            };
            // `#` means nothing after `cid:`, and is in the alphabet of client ids.
            assert!(text == "a#r" || scope.to_text().is_err(), "cid {text:?}");
            let scope = ScopeInfo {
                current_workspace: Some(text.into()),
                ..ScopeInfo::default()
            };
            assert!(scope.to_text().is_err(), "wid {text:?}");
            let scope = ScopeInfo {
                extra_scopes: vec![text.into()],
                ..ScopeInfo::default()
            };
            assert!(scope.to_text().is_err(), "extra {text:?}");
            let scope = ScopeInfo {
                workspaces: [(text.into(), Permission::Read)].into(),
                ..ScopeInfo::default()
            };
            assert!(scope.to_text().is_err(), "ws {text:?}");
        }
        for extra in ["ws:*#a", "ws:x", "cid:x", "wid:x"] {
            let scope = ScopeInfo {
                extra_scopes: vec![extra.into()],
                ..ScopeInfo::default()
            };
            assert!(scope.to_text().is_err(), "{extra}");
        }
        assert_eq!(
            check_extra_scope("cid:x").unwrap_err().to_string(),
            "Invalid scope, cannot start with ws or cid: cid:x"
        );
    }

    #[test]
    fn specialised_tokens() {
        let plain = ScopeInfo::parse("openid ws:a#r").unwrap();
        assert!(plain.general_access().is_ok() && plain.require("x:y").is_ok());
        let special = ScopeInfo::parse("a:b c:d openid").unwrap();
        assert_eq!(
            special.general_access().unwrap_err().to_string(),
            "Specialized token with scopes [a:b, c:d] cannot be used for general workspace access. \
             This token can only be used for its intended purpose."
        );
        assert!(special.require("c:d").is_ok());
        assert_eq!(
            special.require("x:y").unwrap_err().to_string(),
            "Token with scopes [a:b, c:d] does not have required scope 'x:y' for this operation."
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            ws in proptest::collection::btree_map(".{0,6}", prop_oneof![Just(Permission::Read), Just(Permission::Admin)], 0..3),
            cid in proptest::option::of(".{0,12}"),
            wid in proptest::option::of(".{0,12}"),
            extras in proptest::collection::vec(".{0,12}", 0..3),
        ) {
            let scope = ScopeInfo { current_workspace: wid, workspaces: ws, client_id: cid, extra_scopes: extras };
            if let Ok(text) = scope.to_text() {
                prop_assert_eq!(ScopeInfo::parse(&text).unwrap(), scope);
            }
        }

        #[test]
        fn reading_never_panics(text in ".{0,200}") {
            let _ = ScopeInfo::parse(&text);
        }
    }
}
