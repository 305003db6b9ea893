//! Who may do what with an artifact. Pure: rules in, decision out.
//!
//! An artifact's config maps principals to levels. The first grant wins and nothing ever denies; what the config does
//! not grant, the permission in the artifact's workspace may.

use hypha_hub::auth::{Permission, UserInfo, effective};
use serde_json::{Map, Value as Json};

/// Something that can be done with an artifact. What is asked of the parent only is marked so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// See it among the children of a collection.
    List,
    /// Read its metadata.
    Read,
    /// Download its files.
    GetFile,
    /// List its files.
    ListFiles,
    /// Make one.
    Create,
    /// Change its metadata.
    Edit,
    /// Make staged changes a version.
    Commit,
    /// Upload a file.
    PutFile,
    /// Remove a file.
    RemoveFile,
    /// Drop staged changes.
    DiscardChanges,
    /// Remove it.
    Delete,
    /// Set its counters to zero.
    ResetStats,
    /// Hand it to an archive.
    Publish,
    /// Ask what is staged.
    GetStatus,
    /// Write a secret.
    SetSecret,
    /// Read a secret.
    GetSecret,
    /// Say what a download counts.
    SetDownloadWeight,
    /// Of a parent: stage a new child.
    Draft,
    /// Of a parent: make a child visible.
    Attach,
    /// Of a parent: take a child away.
    Detach,
    /// Of a parent: change a committed child.
    Mutate,
}

impl Operation {
    /// The name in configs and error texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::GetFile => "get_file",
            Self::ListFiles => "list_files",
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Commit => "commit",
            Self::PutFile => "put_file",
            Self::RemoveFile => "remove_file",
            Self::DiscardChanges => "discard_changes",
            Self::Delete => "delete",
            Self::ResetStats => "reset_stats",
            Self::Publish => "publish",
            Self::GetStatus => "get_status",
            Self::SetSecret => "set_secret",
            Self::GetSecret => "get_secret",
            Self::SetDownloadWeight => "set_download_weight",
            Self::Draft => "draft",
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::Mutate => "mutate",
        }
    }

    /// What the caller needs in the artifact's workspace to do it without a grant.
    fn in_workspace(self) -> Permission {
        match self {
            Self::List | Self::Read | Self::GetFile | Self::ListFiles => Permission::Read,
            Self::Delete | Self::ResetStats | Self::Publish | Self::GetSecret | Self::Mutate => {
                Permission::Admin
            }
            _ => Permission::ReadWrite,
        }
    }

    /// Whether a grant of the parent is one for its children too.
    fn is_inherited(self) -> bool {
        matches!(self, Self::List | Self::Read | Self::GetFile | Self::ListFiles)
    }
}

const READ: &[&str] = &[
    "read",
    "get_file",
    "list_files",
    "list",
    "search_vectors",
    "get_vector",
];
const WRITE: &[&str] = &[
    "list_vectors",
    "edit",
    "put_file",
    "add_vectors",
    "remove_file",
    "remove_vectors",
    "discard_changes",
];
const COMMIT: &[&str] = &["commit", "attach", "detach", "mutate"];

/// The operations of a level, in the order of levels; `None` when there is no such level.
fn level(name: &str) -> Option<Vec<&'static str>> {
    let parts: &[&[&'static str]] = match name {
        "n" => &[],
        "l" => &[&["list"]],
        "l+" => &[&["list", "draft"]],
        "lv" => &[&["list", "list_vectors"]],
        "lv+" => &[&["list", "list_vectors", "draft", "attach", "add_vectors"]],
        "lf" => &[&["list", "list_files"]],
        "lf+" => &[&["list", "list_files", "draft", "attach", "put_file"]],
        "r" => &[READ],
        "r+" => &[READ, &["put_file", "draft", "attach", "add_vectors"]],
        "rw" => &[READ, WRITE, &["commit", "detach", "mutate"]],
        "rd+" => &[READ, &["get_status"], WRITE, &["draft"]],
        "rw+" => &[READ, &["get_status"], WRITE, &["draft"], COMMIT],
        "*" => &[
            READ,
            &["get_status"],
            WRITE,
            &["draft"],
            COMMIT,
            &["create", "reset_stats", "publish", "delete"],
        ],
        _ => return None,
    };
    Some(parts.concat())
}

/// The operations that a value of `config.permissions` stands for: a level, or a list of operations.
fn operations(grant: &Json) -> Vec<&str> {
    match grant {
        Json::String(name) => level(name).unwrap_or_default(),
        Json::Array(names) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// `config.permissions` with every level spelled out.
pub(crate) fn expanded(config: &Map<String, Json>) -> Json {
    let grants = config.get("permissions").and_then(Json::as_object);
    let expanded = grants.into_iter().flatten().map(|(principal, grant)| {
        let operations = operations(grant).into_iter().map(Json::from).collect();
        (principal.clone(), Json::Array(operations))
    });
    Json::Object(expanded.collect())
}

/// Checks that `config.permissions` has the form that this module reads.
pub(crate) fn is_well_formed(permissions: &Json) -> bool {
    let grant_is = |grant: &Json| match grant {
        Json::String(_) => true,
        Json::Array(names) => names.iter().all(Json::is_string),
        _ => false,
    };
    permissions
        .as_object()
        .is_some_and(|grants| grants.values().all(grant_is))
}

/// Who asks, and from which workspace.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The user with its permissions.
    pub user: UserInfo,
    /// The workspace that the user acts in.
    pub workspace: String,
}

impl Actor {
    /// Whether the workspace alone gives this permission.
    pub(crate) fn may(&self, workspace: &str, permission: Permission) -> bool {
        effective(&self.user, workspace) >= Some(permission)
    }

    /// The id that artifacts are attributed to.
    pub(crate) fn id(&self) -> &str {
        self.user.attribution()
    }

    fn email(&self) -> Option<&str> {
        self.user.email.as_deref().filter(|email| !email.is_empty())
    }

    /// Whether a principal of a config is this caller.
    fn is(&self, principal: &str) -> bool {
        if let Some((workspace, who)) = principal.split_once('/') {
            return workspace == self.workspace && self.is_named(who);
        }
        self.is_named(principal)
    }

    fn is_named(&self, who: &str) -> bool {
        match who {
            "*" => true,
            "@" => !self.user.is_anonymous,
            "" => false,
            who => {
                who == self.user.id
                    || who == self.id()
                    || self.email().is_some_and(|email| email.eq_ignore_ascii_case(who))
            }
        }
    }

    /// Whether a config grants an operation to this caller.
    pub(crate) fn is_granted(&self, config: &Map<String, Json>, operation: Operation) -> bool {
        let grants = config.get("permissions").and_then(Json::as_object);
        grants
            .into_iter()
            .flatten()
            .any(|(principal, grant)| self.is(principal) && operations(grant).contains(&operation.as_str()))
    }

    /// Whether the caller may do this with an artifact of `workspace` that has `config`, or with the children of a
    /// parent. `parent` is the parent's config.
    pub(crate) fn may_do(
        &self,
        operation: Operation,
        workspace: &str,
        config: &Map<String, Json>,
        parent: Option<&Map<String, Json>>,
    ) -> bool {
        self.is_granted(config, operation)
            || (operation.is_inherited() && parent.is_some_and(|parent| self.is_granted(parent, operation)))
            || self.may(workspace, operation.in_workspace())
    }

    /// Whether the caller may see what is staged and not committed: members of the workspace, and who may work on it.
    pub(crate) fn may_see_drafts(
        &self,
        workspace: &str,
        config: &Map<String, Json>,
        parent: Option<&Map<String, Json>>,
    ) -> bool {
        let works = [
            Operation::Edit,
            Operation::PutFile,
            Operation::RemoveFile,
            Operation::Commit,
            Operation::Draft,
        ];
        let granted =
            |config: &Map<String, Json>| works.iter().any(|operation| self.is_granted(config, *operation));
        self.may(workspace, Permission::Read) || granted(config) || parent.is_some_and(granted)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn actor(id: &str) -> Actor {
        let user = UserInfo {
            email: Some(format!("{id}@example.org")),
            ..UserInfo::new(id)
        };
        Actor {
            user,
            workspace: format!("ws-user-{id}"),
        }
    }

    fn config(permissions: Json) -> Map<String, Json> {
        Map::from_iter([("permissions".to_owned(), permissions)])
    }

    #[test]
    fn levels() {
        use Operation::*;
        let all = [
            List,
            Read,
            GetFile,
            ListFiles,
            Create,
            Edit,
            Commit,
            PutFile,
            RemoveFile,
            DiscardChanges,
            Delete,
            ResetStats,
            Publish,
            GetStatus,
            SetSecret,
            GetSecret,
            SetDownloadWeight,
            Draft,
            Attach,
            Detach,
            Mutate,
        ];
        let read = vec![List, Read, GetFile, ListFiles];
        let with = |more: &[Operation]| [&read[..], more].concat();
        let table: Vec<(&str, Vec<Operation>)> = vec![
            ("n", vec![]),
            ("nonsense", vec![]),
            ("l", vec![List]),
            ("l+", vec![List, Draft]),
            ("lv", vec![List]),
            ("lv+", vec![List, Draft, Attach]),
            ("lf", vec![List, ListFiles]),
            ("lf+", vec![List, ListFiles, Draft, Attach, PutFile]),
            ("r", read.clone()),
            ("r+", with(&[PutFile, Draft, Attach])),
            (
                "rw",
                with(&[Edit, Commit, PutFile, RemoveFile, DiscardChanges, Detach, Mutate]),
            ),
            (
                "rd+",
                with(&[GetStatus, Edit, PutFile, RemoveFile, DiscardChanges, Draft]),
            ),
            (
                "rw+",
                with(&[
                    GetStatus,
                    Edit,
                    PutFile,
                    RemoveFile,
                    DiscardChanges,
                    Draft,
                    Commit,
                    Attach,
                    Detach,
                    Mutate,
                ]),
            ),
            (
                "*",
                all.into_iter()
                    .filter(|one| !matches!(one, SetSecret | GetSecret | SetDownloadWeight))
                    .collect(),
            ),
        ];
        for (level, expected) in table {
            let config = config(json!({"ann": level}));
            for operation in all {
                assert_eq!(
                    actor("ann").is_granted(&config, operation),
                    expected.contains(&operation),
                    "{level} {operation:?}"
                );
            }
        }
    }

    #[test]
    fn principals() {
        let child = Actor {
            user: UserInfo {
                parent: Some("ann".into()),
                ..UserInfo::new("random")
            },
            workspace: "lab".into(),
        };
        let anonymous = Actor {
            user: UserInfo::anonymous_http(),
            workspace: "ws-anonymous".into(),
        };
        let ann = actor("ann");
        for (principal, who, expected) in [
            ("ann", &ann, true),
            ("ann", &child, true),
            ("random", &child, true),
            ("bob", &ann, false),
            ("ANN@Example.org", &ann, true),
            ("ann@example.org", &child, false),
            ("@", &ann, true),
            ("@", &anonymous, false),
            ("*", &anonymous, true),
            ("lab/*", &child, true),
            ("lab/*", &ann, false),
            ("lab/@", &child, true),
            ("lab/ann", &child, true),
            ("lab/bob", &child, false),
            ("ws-user-ann/ann@example.org", &ann, true),
            ("ws-anonymous/@", &anonymous, false),
            ("", &anonymous, false),
            ("lab/", &child, false),
        ] {
            let granted = who.is_granted(&config(json!({principal: "r"})), Operation::Read);
            assert_eq!(granted, expected, "{principal} {}", who.user.id);
        }
    }

    #[test]
    fn nothing_denies() {
        let config = config(json!({"ann": "n", "*": "r"}));
        assert!(actor("ann").is_granted(&config, Operation::Read));
    }

    #[test]
    fn parents_and_workspaces() {
        let (ann, none) = (actor("ann"), Map::new());
        let open = config(json!({"*": "rw+"}));
        assert!(ann.may_do(Operation::Read, "lab", &none, Some(&open)));
        assert!(
            !ann.may_do(Operation::Edit, "lab", &none, Some(&open)),
            "not inherited"
        );
        let mut member = ann.clone();
        for (level, operation, expected) in [
            (Permission::Read, Operation::Read, true),
            (Permission::Read, Operation::Edit, false),
            (Permission::ReadWrite, Operation::Edit, true),
            (Permission::ReadWrite, Operation::SetSecret, true),
            (Permission::ReadWrite, Operation::GetSecret, false),
            (Permission::ReadWrite, Operation::Delete, false),
            (Permission::Admin, Operation::Delete, true),
        ] {
            member.user.scope.workspaces.insert("lab".into(), level);
            assert_eq!(
                member.may_do(operation, "lab", &none, None),
                expected,
                "{level} {operation:?}"
            );
            assert!(!member.may_do(operation, "other", &none, None));
        }
    }

    #[test]
    fn drafts_are_for_those_who_work_on_them() {
        let (ann, none) = (actor("ann"), Map::new());
        assert!(!ann.may_see_drafts("lab", &config(json!({"*": "r"})), None));
        assert!(ann.may_see_drafts("lab", &config(json!({"ann": "*"})), None));
        assert!(ann.may_see_drafts("lab", &none, Some(&config(json!({"ann": "rd+"})))));
    }

    #[test]
    fn explicit_operations_are_shown_as_they_are() {
        let config = config(json!({"*": "l", "ann": ["read", "set_secret"]}));
        assert_eq!(
            expanded(&config),
            json!({"*": ["list"], "ann": ["read", "set_secret"]})
        );
        assert!(actor("ann").is_granted(&config, Operation::SetSecret));
    }
}
