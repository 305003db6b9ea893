//! The permission levels, and what a user may do in a workspace.
//!
//! [`effective`] is the one place where access is decided; ownership ([`owned_by`]) turns into access only
//! through [`scope_for_workspace`] and [`child_token`](super::child::child_token), and only for a user who
//! [`may_act_as_owner`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, WorkspaceId};

use super::error::AuthError;
use super::scope::ScopeInfo;
use super::user::UserInfo;

/// What a grant allows; each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// Connect, list, call services.
    #[serde(rename = "r")]
    Read,
    /// Also register services, send events, change the environment.
    #[serde(rename = "rw")]
    ReadWrite,
    /// Also make tokens, remove clients, delete the workspace.
    #[serde(rename = "a")]
    Admin,
}

impl Permission {
    /// The form in scopes and on the wire: `r`, `rw`, `a`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::ReadWrite => "rw",
            Self::Admin => "a",
        }
    }

    /// Parses `r`, `rw`, `a` and the long forms `read`, `read_write`, `admin`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "r" | "read" => Some(Self::Read),
            "rw" | "read_write" => Some(Self::ReadWrite),
            "a" | "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::ReadWrite => "read_write",
            Self::Admin => "admin",
        })
    }
}

/// What `user` may do in `workspace`: the stronger of the grants for it and for `*`; `None` is no access.
pub fn effective(user: &UserInfo, workspace: &str) -> Option<Permission> {
    // `None` is below every level.
    user.scope
        .workspaces
        .get(workspace)
        .copied()
        .max(user.scope.workspaces.get("*").copied())
}

/// Demands a level of access.
///
/// # Errors
/// [`AuthError::Workspace`] when `user` has less than `required` in `workspace`.
pub fn check(user: &UserInfo, workspace: &str, required: Permission) -> Result<(), AuthError> {
    if effective(user, workspace) >= Some(required) {
        Ok(())
    } else {
        Err(AuthError::Workspace(workspace.to_owned()))
    }
}

/// Whether `workspace`, whose owners (user ids or e-mail addresses) are `owners`, belongs to `user`: listed
/// by id or e-mail, or the home of the user or of the user's parent. Ownership alone is not access, see
/// [`may_act_as_owner`].
pub fn owned_by(user: &UserInfo, workspace: &str, owners: &[String]) -> bool {
    let listed = |name: &str| !name.is_empty() && owners.iter().any(|owner| owner == name);
    let home_of = |id: &str| !id.is_empty() && workspace.strip_prefix("ws-user-") == Some(id);
    listed(&user.id)
        || user.email.as_deref().is_some_and(listed)
        || home_of(&user.id)
        || user.parent.as_deref().is_some_and(home_of)
}

/// Whether being an owner of `workspace` gives `user` admin rights there.
///
/// A child token carries its parent's e-mail address and names the parent, but was made to do less: for it,
/// only its own (synthetic) home counts. What it may do elsewhere is what its scope says.
pub fn may_act_as_owner(user: &UserInfo, workspace: &str, owners: &[String]) -> bool {
    if user.parent.is_some() {
        return workspace.strip_prefix("ws-user-") == Some(user.id.as_str());
    }
    owned_by(user, workspace, owners)
}

/// The scope of a user who joins `workspace` as `client_id`: the grants so far, plus admin if the user is an
/// owner and had no permission there yet; everything for role `admin`. Whether that is enough to join is for
/// the caller to [`check`].
pub fn scope_for_workspace(
    user: &UserInfo,
    workspace: &WorkspaceId,
    owners: &[String],
    client_id: Option<&ClientId>,
) -> ScopeInfo {
    let mut scope = user.scope.clone();
    if user.has_role("admin") {
        scope.workspaces.insert("*".to_owned(), Permission::Admin);
    }
    let granted = scope
        .workspaces
        .get(workspace.as_str())
        .copied()
        .max(scope.workspaces.get("*").copied());
    let level = granted.or_else(|| may_act_as_owner(user, workspace, owners).then_some(Permission::Admin));
    if let Some(level) = level {
        scope.workspaces.insert(workspace.to_string(), level);
    }
    scope.client_id = client_id.map(ToString::to_string);
    scope.current_workspace = Some(workspace.to_string());
    scope
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(id: &str, grants: &[(&str, Permission)]) -> UserInfo {
        UserInfo {
            scope: ScopeInfo {
                workspaces: grants.iter().map(|(w, p)| ((*w).to_owned(), *p)).collect(),
                ..ScopeInfo::default()
            },
            ..UserInfo::new(id)
        }
    }

    use Permission::{Admin, Read, ReadWrite};

    #[test]
    fn effective_is_the_stronger_of_star_and_specific() {
        type Grants = &'static [(&'static str, Permission)];
        let cases: &[(Grants, Option<Permission>)] = &[
            (&[], None),
            (&[("other", Admin)], None),
            (&[("lab", Read)], Some(Read)),
            (&[("*", Read), ("lab", ReadWrite)], Some(ReadWrite)),
            (&[("*", Admin), ("lab", Read)], Some(Admin)),
            (&[("*", ReadWrite)], Some(ReadWrite)),
        ];
        for (grants, expected) in cases {
            assert_eq!(effective(&user("ada", grants), "lab"), *expected, "{grants:?}");
        }
    }

    #[test]
    fn check_names_the_workspace() {
        let error = check(&user("ada", &[("lab", Read)]), "lab", ReadWrite).unwrap_err();
        assert_eq!(error.to_string(), "Permission denied for workspace lab");
        assert_eq!(error.http_status(), 403);
    }

    #[test]
    fn ownership() {
        let owners = ["bob".to_owned(), "ada@example.org".to_owned(), String::new()];
        let mut ada = user("ada", &[]);
        assert!(!owned_by(&ada, "lab", &owners));
        ada.email = Some("ada@example.org".into());
        assert!(owned_by(&ada, "lab", &owners));
        ada.email = Some(String::new());
        assert!(!owned_by(&ada, "lab", &owners), "a blank owner is nobody");
        assert!(owned_by(&ada, "ws-user-ada", &[]));
        assert!(owned_by(&user("bob", &[]), "lab", &owners));
        let child = UserInfo {
            parent: Some("ada".into()),
            ..user("kid", &[])
        };
        assert!(owned_by(&child, "ws-user-ada", &[]));
        assert!(!may_act_as_owner(&child, "ws-user-ada", &[]));
        assert!(may_act_as_owner(&child, "ws-user-kid", &[]));
        assert!(!may_act_as_owner(&child, "lab", &["kid".to_owned()]));
    }

    #[test]
    fn joining() {
        let lab = WorkspaceId::parse("lab").unwrap();
        let join = |user: &UserInfo, owners: &[String]| {
            let mut joined = user.clone();
            joined.scope = scope_for_workspace(user, &lab, owners, Some(&ClientId::parse("c1").unwrap()));
            assert_eq!(joined.scope.current_workspace.as_deref(), Some("lab"));
            assert_eq!(joined.scope.client_id.as_deref(), Some("c1"));
            effective(&joined, "lab")
        };
        let owners = ["ada".to_owned()];
        assert_eq!(join(&user("ada", &[]), &owners), Some(Admin));
        assert_eq!(
            join(&user("ada", &[("lab", Read)]), &owners),
            Some(Read),
            "a read token stays one"
        );
        assert_eq!(join(&user("eve", &[]), &owners), None);
        let child = UserInfo {
            parent: Some("ada".into()),
            ..user("kid", &[])
        };
        assert_eq!(join(&child, &owners), None, "ownership is not inherited");
        let admin = UserInfo {
            roles: vec!["admin".into()],
            ..user("op", &[])
        };
        assert_eq!(join(&admin, &[]), Some(Admin));
    }

    fn any_permission() -> impl Strategy<Value = Permission> {
        prop_oneof![Just(Read), Just(ReadWrite), Just(Admin)]
    }

    proptest! {
        #[test]
        fn a_bigger_grant_never_takes_access_away(
            grants in proptest::collection::btree_map("[ab*]", any_permission(), 0..3),
            key in "[ab*]",
            more in any_permission(),
        ) {
            let before = UserInfo {
                scope: ScopeInfo { workspaces: grants, ..ScopeInfo::default() },
                ..UserInfo::new("u")
            };
            let mut after = before.clone();
            let entry = after.scope.workspaces.entry(key).or_insert(more);
            *entry = more.max(*entry);
            for workspace in ["a", "b", "c"] {
                prop_assert!(effective(&after, workspace) >= effective(&before, workspace));
            }
        }
    }
}
