//! Short forms for the values that calls of the manager take.

use hypha_wire::{Method, Value};

/// A map from literal keys.
pub(crate) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

/// The record that registers service `id` of the client `address` (`workspace/client`).
pub(crate) fn registration(address: &str, id: &str, visibility: &str) -> Value {
    let workspace = address.split('/').next().unwrap_or_default();
    let builtin = id == "built-in";
    let echo = map([
        ("type", "function".into()),
        (
            "function",
            map([
                ("name", "echo".into()),
                ("description", "Gives its argument back.".into()),
                (
                    "parameters",
                    map([
                        ("type", "object".into()),
                        ("properties", map([("data", map([("type", "string".into())]))])),
                        ("required", Value::List(vec!["data".into()])),
                    ]),
                ),
            ]),
        ),
    ]);
    map([
        ("config", config(workspace, builtin, visibility)),
        ("id", format!("{address}:{id}").into()),
        ("name", id.into()),
        ("description", "A service of the load generator".into()),
        ("type", if builtin { "built-in" } else { "generic" }.into()),
        ("docs", Value::Nil),
        ("app_id", "*".into()),
        ("service_schema", map([("echo", echo)])),
    ])
}

/// The object of service `id` as its owner hands it out.
pub(crate) fn service(address: &str, id: &str) -> Value {
    let workspace = address.split('/').next().unwrap_or_default();
    let method = |name: &str, path: &str| {
        Value::Method(Box::new(Method {
            target: address.to_owned(),
            path: format!("services.{id}.{path}"),
            name: Some(name.to_owned()),
            ..Method::default()
        }))
    };
    let mut object = map([
        ("id", format!("{address}:{id}").into()),
        ("name", id.into()),
        ("config", config(workspace, id == "built-in", "protected")),
    ]);
    if id == "built-in" {
        object.insert("type", "built-in");
        object.insert("ping", method("ping", "ping"));
        object.insert("get_service", method("get_service", "get_service"));
        let cache = ["create", "append", "set", "process", "remove"]
            .map(|name| (name, method(name, &format!("message_cache.{name}"))));
        object.insert("message_cache", map(cache));
    } else {
        object.insert("type", "generic");
        object.insert("echo", method("echo", "echo"));
    }
    object
}

fn config(workspace: &str, builtin: bool, visibility: &str) -> Value {
    let mut config = map([
        ("require_context", builtin.into()),
        ("visibility", if builtin { "public" } else { visibility }.into()),
        ("workspace", workspace.into()),
    ]);
    if builtin {
        config.insert("api_version", Value::Int(3));
    }
    config
}
