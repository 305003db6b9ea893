//! One registered service, as the registry keeps it.

use std::sync::OnceLock;

use bytes::Bytes;
use hypha_rpc::Visibility;
use hypha_wire::Value;

use crate::auth::UserInfo;
use crate::ids::{ClientId, WorkspaceId};

/// Name of the service that makes a client exist for others.
pub(crate) const BUILT_IN: &str = "built-in";

/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 1024;
/// Largest info of a service, in bytes of MessagePack.
const MAX_INFO: usize = 1024 * 1024;
/// Longest service name, in bytes.
const MAX_NAME: usize = 256;

/// Why a service is not accepted.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("Missing required field: '{0}' of the service info")]
    Missing(&'static str),
    #[error("Service id info must contain ':'")]
    NoColon,
    #[error(
        "Service ID workspace prefix '{prefix}' does not match the current workspace '{workspace}'. \
         Cannot register services in other workspaces."
    )]
    OtherWorkspace { prefix: String, workspace: String },
    #[error("Invalid service id: {0:?}; expected up to 256 characters without '/', ':', '@', '*' and blanks")]
    Name(String),
    #[error("App id info must not contain '/'")]
    AppId,
    #[error("authorized_workspaces can only be set when visibility is 'protected', got visibility='{0}'")]
    Authorized(&'static str),
    #[error("`{field}` of the service info must be {expected}")]
    Field {
        field: &'static str,
        expected: &'static str,
    },
}

/// A service and who owns it. The info that clients see is kept encoded.
#[derive(Debug)]
pub(crate) struct ServiceRecord {
    pub(crate) workspace: WorkspaceId,
    /// Client id of the owner.
    pub(crate) client: Box<str>,
    /// The part of the id after the client.
    pub(crate) name: Box<str>,
    /// What people call it (`name` of the info); singletons are unique by it.
    pub(crate) title: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) app_id: Box<str>,
    pub(crate) visibility: Visibility,
    pub(crate) singleton: bool,
    /// Foreign workspaces that may use it although it is protected.
    pub(crate) authorized: Vec<Box<str>>,
    /// MessagePack of the info.
    encoded: Bytes,
    /// The info as a tree, once somebody has asked for it.
    tree: OnceLock<Value>,
}

impl ServiceRecord {
    /// Checks what a client sent as the info of a service of its own.
    ///
    /// `info` is the map that came, `client` the connection it came from.
    pub(crate) fn from_info(
        info: &Value,
        workspace: &WorkspaceId,
        client: &ClientId,
        user: &UserInfo,
        user_value: &Value,
    ) -> Result<Self, RecordError> {
        let text = |field: &'static str| optional_text(info, field);
        let id = text("id")?.ok_or(RecordError::Missing("id"))?;
        let (owner, name) = split_id(id, workspace)?;
        if owner != client.as_str() {
            // A client registers under its own id only; a sibling's name is as foreign as another workspace.
            return Err(RecordError::OtherWorkspace {
                prefix: format!("{workspace}/{owner}"),
                workspace: format!("{workspace}/{client}"),
            });
        }
        let app_id = text("app_id")?.filter(|id| !id.is_empty()).unwrap_or("*");
        if app_id.contains('/') {
            return Err(RecordError::AppId);
        }
        let config = match info.get("config") {
            None | Some(Value::Nil) => &[],
            Some(Value::Map(entries)) => entries.as_slice(),
            Some(_) => {
                return Err(RecordError::Field {
                    field: "config",
                    expected: "a map",
                });
            }
        };
        let visibility = match find(config, "visibility") {
            None | Some(Value::Nil) => Visibility::Protected,
            Some(Value::Str(word)) => Visibility::from_name(word).ok_or(RecordError::Field {
                field: "config.visibility",
                expected: "'public', 'protected' or 'unlisted'",
            })?,
            Some(_) => {
                return Err(RecordError::Field {
                    field: "config.visibility",
                    expected: "a string",
                });
            }
        };
        let authorized = authorized(config)?;
        if authorized.is_some() && visibility != Visibility::Protected {
            return Err(RecordError::Authorized(visibility.as_str()));
        }
        let singleton = matches!(find(config, "singleton"), Some(Value::Bool(true)));
        let kind = text("type")?.unwrap_or("generic");
        let title = text("name")?.filter(|title| !title.is_empty()).unwrap_or(name);
        if text("description")?.is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
            return Err(RecordError::Field {
                field: "description",
                expected: "at most 1024 characters long",
            });
        }
        let created_by = if name == BUILT_IN {
            user_value.clone()
        } else {
            Value::Map(vec![("id".into(), Value::from(user.id.as_str()))])
        };
        let value = |field: &str| info.get(field).cloned().unwrap_or(Value::Nil);
        let dump = Value::Map(vec![
            (
                "config".into(),
                dump_config(config, visibility, singleton, workspace, created_by),
            ),
            ("id".into(), Value::from(format!("{workspace}/{client}:{name}"))),
            ("name".into(), Value::from(title)),
            ("type".into(), Value::from(kind)),
            ("description".into(), value("description")),
            ("docs".into(), value("docs")),
            ("app_id".into(), Value::from(app_id)),
            ("service_schema".into(), value("service_schema")),
        ]);
        let encoded = hypha_wire::encode(&dump);
        if encoded.len() > MAX_INFO {
            return Err(RecordError::Field {
                field: "service",
                expected: "at most 1 MiB large",
            });
        }
        Ok(Self {
            workspace: workspace.clone(),
            client: client.as_str().into(),
            name: name.into(),
            title: title.into(),
            kind: kind.into(),
            app_id: app_id.into(),
            visibility,
            singleton,
            authorized: authorized.unwrap_or_default(),
            encoded: encoded.into(),
            tree: OnceLock::new(),
        })
    }

    /// `workspace/client:name`.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}:{}", self.workspace, self.client, self.name)
    }

    /// The info for those who may read the workspace.
    pub(crate) fn info(&self) -> Value {
        Value::Encoded(self.encoded.clone())
    }

    /// The info as a tree, to change it.
    pub(crate) fn info_tree(&self) -> Value {
        // Encoded by this process from a value: it decodes.
        hypha_wire::decode(&self.encoded).unwrap_or(Value::Nil)
    }

    /// The info as a tree, kept from the first time on: for what is looked at with every HTTP call.
    pub(crate) fn info_cached(&self) -> &Value {
        self.tree.get_or_init(|| self.info_tree())
    }

    /// The info for callers from other workspaces: they learn neither who else is authorized nor, from built-in
    /// services, more than the id of the user who is connected.
    pub(crate) fn foreign_info(&self) -> Value {
        if self.authorized.is_empty() && &*self.name != BUILT_IN {
            return self.info();
        }
        let mut info = self.info_tree();
        let Value::Map(entries) = &mut info else {
            return info;
        };
        let config = entries.iter_mut().find(|(key, _)| key == "config");
        if let Some((_, Value::Map(config))) = config {
            config.retain(|(key, _)| key != "authorized_workspaces");
            if let Some((_, created_by)) = config.iter_mut().find(|(key, _)| key == "created_by") {
                let id = created_by.get("id").cloned().unwrap_or(Value::Nil);
                *created_by = Value::Map(vec![("id".into(), id)]);
            }
        }
        info
    }

    /// Whether a protected service lets callers from this workspace in.
    pub(crate) fn authorizes(&self, workspace: &str) -> bool {
        self.authorized.iter().any(|one| &**one == workspace)
    }

    #[cfg(test)]
    pub(crate) fn for_test(workspace: &str, client: &str, name: &str) -> Self {
        let user = UserInfo::root();
        let workspace = WorkspaceId::parse(workspace).unwrap();
        let client = ClientId::parse(client).unwrap();
        let info = Value::Map(vec![("id".into(), Value::from(format!("{client}:{name}")))]);
        Self::from_info(&info, &workspace, &client, &user, &Value::Nil).unwrap()
    }
}

/// Splits `[ws/]cid:sid[@app]` of a registration.
fn split_id<'a>(id: &'a str, workspace: &WorkspaceId) -> Result<(&'a str, &'a str), RecordError> {
    let local = match id.split_once('/') {
        None => id,
        Some((prefix, local)) if prefix == workspace.as_str() => local,
        Some((prefix, _)) => {
            return Err(RecordError::OtherWorkspace {
                prefix: prefix.chars().take(128).collect(),
                workspace: workspace.to_string(),
            });
        }
    };
    let (client, name) = local.split_once(':').ok_or(RecordError::NoColon)?;
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let legal = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '/' | ':' | '@' | '*');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(legal) {
        return Err(RecordError::Name(name.chars().take(64).collect()));
    }
    Ok((client, name))
}

fn optional_text<'a>(info: &'a Value, field: &'static str) -> Result<Option<&'a str>, RecordError> {
    match info.get(field) {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::Str(text)) => Ok(Some(text)),
        Some(_) => Err(RecordError::Field {
            field,
            expected: "a string",
        }),
    }
}

fn find<'a>(entries: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    entries
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

fn authorized(config: &[(String, Value)]) -> Result<Option<Vec<Box<str>>>, RecordError> {
    let wrong = RecordError::Field {
        field: "config.authorized_workspaces",
        expected: "a list of workspace ids",
    };
    match find(config, "authorized_workspaces") {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::List(items)) => items
            .iter()
            .map(|item| item.as_str().map(Into::into))
            .collect::<Option<_>>()
            .map(Some)
            .ok_or(wrong),
        Some(_) => Err(wrong),
    }
}

/// The config as clients see it: the known fields first, with their defaults, then whatever else was given.
fn dump_config(
    config: &[(String, Value)],
    visibility: Visibility,
    singleton: bool,
    workspace: &WorkspaceId,
    created_by: Value,
) -> Value {
    let given = |key: &str, default: Value| match find(config, key) {
        None | Some(Value::Nil) => default,
        Some(value) => value.clone(),
    };
    let mut out = vec![
        ("visibility".to_owned(), Value::from(visibility.as_str())),
        (
            "require_context".to_owned(),
            given("require_context", Value::Bool(false)),
        ),
        ("workspace".to_owned(), Value::from(workspace.as_str())),
        ("flags".to_owned(), given("flags", Value::List(vec![]))),
        ("singleton".to_owned(), Value::Bool(singleton)),
        ("created_by".to_owned(), created_by),
        ("service_embedding".to_owned(), Value::Nil),
        (
            "authorized_workspaces".to_owned(),
            given("authorized_workspaces", Value::Nil),
        ),
    ];
    let known: Vec<String> = out.iter().map(|(key, _)| key.clone()).collect();
    out.extend(config.iter().filter(|(key, _)| !known.contains(key)).cloned());
    Value::Map(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(info: Vec<(&str, Value)>) -> Result<ServiceRecord, RecordError> {
        let info = Value::Map(info.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
        let (ws, client) = (
            WorkspaceId::parse("ws-a").unwrap(),
            ClientId::parse("c1").unwrap(),
        );
        ServiceRecord::from_info(&info, &ws, &client, &UserInfo::root(), &Value::Nil)
    }

    #[test]
    fn ids_are_those_of_the_registering_client() {
        assert_eq!(
            register(vec![("id", "c1:calc".into())]).unwrap().id(),
            "ws-a/c1:calc"
        );
        assert_eq!(
            register(vec![("id", "ws-a/c1:calc@app".into())]).unwrap().id(),
            "ws-a/c1:calc"
        );
        assert_eq!(
            register(vec![("id", "calc".into())]).unwrap_err(),
            RecordError::NoColon
        );
        for id in ["ws-b/c1:calc", "ws-a/c2:calc", "c2:calc"] {
            let error = register(vec![("id", id.into())]).unwrap_err();
            assert!(matches!(error, RecordError::OtherWorkspace { .. }), "{id}");
        }
        for id in ["c1:", "c1:a b", "c1:*", "c1:a:b"] {
            assert!(
                matches!(register(vec![("id", id.into())]), Err(RecordError::Name(_))),
                "{id}"
            );
        }
    }

    #[test]
    fn authorized_workspaces_need_protection_and_are_hidden_from_others() {
        let config = |visibility: &str| {
            Value::Map(vec![
                ("visibility".into(), visibility.into()),
                ("authorized_workspaces".into(), Value::List(vec!["ws-b".into()])),
            ])
        };
        let error = register(vec![("id", "c1:a".into()), ("config", config("public"))]).unwrap_err();
        assert_eq!(error, RecordError::Authorized("public"));
        let record = register(vec![("id", "c1:a".into()), ("config", config("protected"))]).unwrap();
        assert!(record.authorizes("ws-b") && !record.authorizes("ws-c"));
        assert!(
            record
                .info_tree()
                .get("config")
                .unwrap()
                .get("authorized_workspaces")
                .is_some()
        );
        assert!(
            record
                .foreign_info()
                .get("config")
                .unwrap()
                .get("authorized_workspaces")
                .is_none()
        );
    }
}
