//! Names of a service in another case, for callers whose language writes them differently.

use hypha_rpc::{RemoteFailure, Value};

/// Which names the received service has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Case {
    Camel,
    Snake,
    /// Both.
    CamelAndSnake,
}

impl Case {
    pub(super) fn parse(word: &str) -> Result<Self, RemoteFailure> {
        match word {
            "camel" => Ok(Self::Camel),
            "snake" => Ok(Self::Snake),
            "camel+snake" => Ok(Self::CamelAndSnake),
            _ => Err(RemoteFailure::value(format!(
                "Invalid case_conversion: {word}; expected 'camel', 'snake' or 'camel+snake'"
            ))),
        }
    }
}

/// Renames the members of a service and of the maps in it, and the functions with them.
pub(super) fn convert_keys(value: &mut Value, case: Case) {
    let Value::Map(entries) = value else { return };
    let mut converted: Vec<(String, Value)> = Vec::with_capacity(entries.len());
    for (key, mut value) in std::mem::take(entries) {
        convert_keys(&mut value, case);
        let names = match case {
            Case::Camel => vec![camel(&key)],
            Case::Snake => vec![snake(&key)],
            Case::CamelAndSnake => vec![camel(&key), snake(&key)],
        };
        for name in names {
            if converted.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let mut value = value.clone();
            if let Value::Method(method) = &mut value {
                method.name = Some(name.clone());
                if let Some(schema) = &mut method.schema {
                    schema.insert("name", name.clone());
                }
            }
            converted.push((name, value));
        }
    }
    *entries = converted;
}

fn camel(name: &str) -> String {
    if name.starts_with('_') {
        return name.to_owned();
    }
    let mut parts = name.split('_');
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let mut letters = part.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions() {
        assert_eq!(camel("list_all_files"), "listAllFiles");
        assert_eq!(camel("_rintf"), "_rintf");
        assert_eq!(snake("listAllFiles"), "list_all_files");
        let mut service = Value::Map(vec![(
            "get_file".into(),
            Value::Map(vec![("in_it".into(), 1.into())]),
        )]);
        convert_keys(&mut service, Case::CamelAndSnake);
        assert!(service.get("get_file").is_some());
        assert!(service.get("getFile").unwrap().get("inIt").is_some());
    }
}
