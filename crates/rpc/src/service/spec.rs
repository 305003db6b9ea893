//! What a service says about itself: identity, visibility, functions and their schemas.

use std::borrow::Cow;

use hypha_wire::Value;

/// Who may find and call a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Anyone may find and call it.
    Public,
    /// The owner's workspace, and the workspaces it authorizes.
    #[default]
    Protected,
    /// Anyone who knows its id may call it; it is not listed.
    Unlisted,
}

impl Visibility {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Protected => "protected",
            Self::Unlisted => "unlisted",
        }
    }

    /// The visibility with this name; `private`, of an older document, means protected.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "public" => Some(Self::Public),
            "protected" | "private" => Some(Self::Protected),
            "unlisted" => Some(Self::Unlisted),
            _ => None,
        }
    }
}

/// Which functions of a service declare that they use the caller's context.
///
/// A Rust function always gets its [`CallContext`](crate::CallContext); this is what other clients are told.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum RequireContext {
    /// None of them.
    #[default]
    No,
    /// All of them.
    All,
    /// Those with these names, relative to the service, dotted for nested ones.
    Only(Vec<String>),
}

/// The `config` of a service.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ServiceConfig {
    /// Who may find and call it.
    pub visibility: Visibility,
    /// Which functions use the caller's context.
    pub require_context: RequireContext,
    /// Other workspaces that may call a protected service. Empty: none.
    pub authorized_workspaces: Vec<String>,
    /// Public keys (32 bytes each). When there are any, only calls encrypted by one of them are accepted.
    pub trusted_keys: Vec<[u8; 32]>,
    /// At most one service of this id may exist in the workspace.
    pub singleton: bool,
    /// Free-form flags.
    pub flags: Vec<String>,
    /// Further entries, passed on as they are.
    pub extra: Vec<(String, Value)>,
}

impl ServiceConfig {
    /// The map that crosses the wire, with the workspace the service belongs to.
    pub fn to_value(&self, workspace: &str) -> Value {
        let mut map = vec![
            ("visibility".to_owned(), Value::from(self.visibility.as_str())),
            (
                "require_context".to_owned(),
                match &self.require_context {
                    RequireContext::No => Value::Bool(false),
                    RequireContext::All => Value::Bool(true),
                    RequireContext::Only(names) => Value::from(names.clone()),
                },
            ),
            ("workspace".to_owned(), Value::from(workspace)),
            ("flags".to_owned(), Value::from(self.flags.clone())),
            ("singleton".to_owned(), Value::Bool(self.singleton)),
        ];
        if !self.authorized_workspaces.is_empty() {
            map.push((
                "authorized_workspaces".to_owned(),
                Value::from(self.authorized_workspaces.clone()),
            ));
        }
        if !self.trusted_keys.is_empty() {
            let keys: Vec<String> = self.trusted_keys.iter().map(hex::encode).collect();
            map.push(("trusted_keys".to_owned(), Value::from(keys)));
        }
        let mut map = Value::Map(map);
        for (key, value) in &self.extra {
            map.insert(key.clone(), value.clone());
        }
        map
    }
}

/// One function of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionSpec {
    /// Its name; dots lead into nested maps: `files.read`.
    pub name: Cow<'static, str>,
    /// What it does, for people and language models.
    pub doc: Option<Cow<'static, str>>,
    /// JSON schema of its parameters: `{"type": "object", "properties": {..}, "required": [..]}`.
    pub parameters: Option<Value>,
}

impl FunctionSpec {
    /// A function with a name and nothing else known.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            doc: None,
            parameters: None,
        }
    }

    /// The last part of the dotted name.
    pub fn short_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// `{name, description, parameters}`, the schema as other clients expect it on a remote function.
    pub fn schema(&self) -> Value {
        let parameters = self.parameters.clone().unwrap_or_else(|| {
            Value::Map(vec![
                ("type".to_owned(), Value::from("object")),
                ("properties".to_owned(), Value::empty_map()),
            ])
        });
        Value::Map(vec![
            ("name".to_owned(), Value::from(self.short_name())),
            (
                "description".to_owned(),
                Value::from(self.doc.as_deref().unwrap_or_default()),
            ),
            ("parameters".to_owned(), parameters),
        ])
    }
}

/// Everything a service says about itself.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ServiceSpec {
    /// The id, unique among the services of a client: no `/`, `:` or `@`.
    pub id: String,
    /// A name for people; the id when `None`.
    pub name: Option<String>,
    /// The type; `generic` when `None`.
    pub service_type: Option<String>,
    /// One or two sentences.
    pub description: Option<String>,
    /// Longer documentation.
    pub docs: Option<String>,
    /// The app this service belongs to; `*` when `None`.
    pub app_id: Option<String>,
    /// Visibility and the like.
    pub config: ServiceConfig,
    /// The functions.
    pub functions: Vec<FunctionSpec>,
    /// Members that are not functions; dots in a name lead into nested maps.
    pub constants: Vec<(String, Value)>,
}

impl ServiceSpec {
    /// A service with this id and nothing else.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    /// The name for people.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// The record of this service that a registry keeps (`ServiceInfo`), with a schema for every member.
    ///
    /// `workspace` and `client_id` are the owner's.
    pub fn to_info(&self, workspace: &str, client_id: &str) -> Value {
        let mut schema = Value::empty_map();
        for function in &self.functions {
            let entry = Value::Map(vec![
                ("type".to_owned(), Value::from("function")),
                ("function".to_owned(), function.schema()),
            ]);
            insert_nested(&mut schema, &function.name, entry);
        }
        for (name, value) in &self.constants {
            insert_nested(&mut schema, name, constant_schema(value));
        }
        let mut map = self.head(workspace, client_id);
        map.push(("service_schema".to_owned(), schema));
        Value::Map(map)
    }

    /// The entries that a service map and a registry record have in common.
    pub(crate) fn head(&self, workspace: &str, client_id: &str) -> Vec<(String, Value)> {
        vec![
            ("config".to_owned(), self.config.to_value(workspace)),
            (
                "id".to_owned(),
                Value::from(format!("{workspace}/{client_id}:{}", self.id)),
            ),
            ("name".to_owned(), Value::from(self.display_name())),
            ("description".to_owned(), Value::from(self.description.clone())),
            (
                "type".to_owned(),
                Value::from(self.service_type.as_deref().unwrap_or("generic")),
            ),
            ("docs".to_owned(), Value::from(self.docs.clone())),
            (
                "app_id".to_owned(),
                Value::from(self.app_id.as_deref().unwrap_or("*")),
            ),
        ]
    }
}

/// Puts `value` at a dotted path of nested maps, making the maps on the way.
pub(crate) fn insert_nested(map: &mut Value, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        map.insert(path, value);
        return;
    };
    let Value::Map(entries) = map else { return };
    let index = match entries.iter().position(|(key, _)| key == first) {
        Some(index) => index,
        None => {
            entries.push((first.to_owned(), Value::empty_map()));
            entries.len() - 1
        }
    };
    insert_nested(&mut entries[index].1, rest, value);
}

fn constant_schema(value: &Value) -> Value {
    let name = match value {
        Value::Map(entries) => {
            return entries
                .iter()
                .map(|(key, value)| (key.clone(), constant_schema(value)))
                .collect();
        }
        Value::List(items) => return Value::List(items.iter().map(constant_schema).collect()),
        Value::Str(_) => "string",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Bool(_) => "number",
        _ => "null",
    };
    Value::Map(vec![("type".to_owned(), Value::from(name))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_nests_dotted_names() {
        let mut spec = ServiceSpec::new("calc");
        spec.functions = vec![FunctionSpec::new("add"), FunctionSpec::new("tools.mul")];
        spec.constants = vec![("tools.version".into(), Value::from("1"))];
        let info = spec.to_info("ws", "c1");
        assert_eq!(info.get("id").and_then(Value::as_str), Some("ws/c1:calc"));
        let tools = info
            .get("service_schema")
            .and_then(|schema| schema.get("tools"))
            .unwrap();
        assert_eq!(
            tools.get("mul").unwrap().get("type"),
            Some(&Value::from("function"))
        );
        assert_eq!(
            tools.get("version").unwrap().get("type"),
            Some(&Value::from("string"))
        );
    }
}
