//! What a text of a query means: decided by the JSON schema of the parameter, guessed only when there is none.

use hypha_rpc::Value;
use hypha_rpc::wire::convert::from_json;

/// The types that a parameter may have, in the words of JSON schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Types {
    string: bool,
    integer: bool,
    number: bool,
    boolean: bool,
    array: bool,
    object: bool,
    null: bool,
}

/// Deepest nesting of `anyOf` that is looked into.
const MAX_DEPTH: usize = 8;

impl Types {
    fn of(schema: &Value) -> Option<Self> {
        let mut types = Self::default();
        types.add(schema, MAX_DEPTH)?;
        (types != Self::default()).then_some(types)
    }

    /// `None` when the schema allows what is not said.
    fn add(&mut self, schema: &Value, depth: usize) -> Option<()> {
        if depth == 0 {
            return None;
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(Value::List(choices)) = schema.get(key) {
                return choices.iter().try_for_each(|choice| self.add(choice, depth - 1));
            }
        }
        if let Some(Value::List(values)) = schema.get("enum")
            && schema.get("type").is_none()
        {
            return values
                .iter()
                .all(|value| matches!(value, Value::Str(_)))
                .then(|| self.string = true);
        }
        match schema.get("type")? {
            // The Python client calls everything a string that has no annotation, or one that it does not know.
            Value::Str(name) if name == "string" && is_derived(schema) => None,
            Value::Str(name) => self.add_name(name),
            Value::List(names) => names.iter().try_for_each(|name| self.add_name(name.as_str()?)),
            _ => None,
        }
    }

    fn add_name(&mut self, name: &str) -> Option<()> {
        let flag = match name {
            "string" => &mut self.string,
            "integer" => &mut self.integer,
            "number" => &mut self.number,
            "boolean" => &mut self.boolean,
            "array" => &mut self.array,
            "object" => &mut self.object,
            "null" => &mut self.null,
            _ => return None,
        };
        *flag = true;
        Some(())
    }

    /// For the error text.
    fn names(self) -> String {
        let named = [
            (self.string, "a string"),
            (self.integer, "an integer"),
            (self.number, "a number"),
            (self.boolean, "true or false"),
            (self.array, "a JSON array"),
            (self.object, "a JSON object"),
            (self.null, "null"),
        ];
        let names: Vec<_> = named
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, name)| *name)
            .collect();
        names.join(" or ")
    }
}

/// Whether the schema comes from the signature alone: it describes nothing.
fn is_derived(schema: &Value) -> bool {
    schema.get("description").and_then(Value::as_str) == Some("") && schema.get("title").is_none()
}

/// The value of a parameter that was given as these texts (more than one when it was repeated). `schema` is the JSON
/// schema of the parameter.
///
/// # Errors
/// What was expected.
pub(super) fn coerce(texts: &[&str], schema: Option<&Value>) -> Result<Value, String> {
    let last = texts.last().copied().unwrap_or_default();
    let Some(types) = schema.and_then(Types::of) else {
        return Ok(guess(last));
    };
    if types.array && (texts.len() > 1 || !types.string && !last.trim_start().starts_with('[')) {
        let items = schema.and_then(|schema| items_of(schema, MAX_DEPTH));
        let values = texts.iter().map(|text| coerce(&[text], items));
        return values.collect::<Result<_, _>>().map(Value::List);
    }
    typed(last, types).ok_or_else(|| format!("expected {}", types.names()))
}

/// The schema of the items of an array, also where the array is one choice of several.
fn items_of(schema: &Value, depth: usize) -> Option<&Value> {
    if depth == 0 {
        return None;
    }
    let among = |key: &str| match schema.get(key) {
        Some(Value::List(choices)) => choices.iter().find_map(|choice| items_of(choice, depth - 1)),
        _ => None,
    };
    schema
        .get("items")
        .or_else(|| ["anyOf", "oneOf", "allOf"].into_iter().find_map(among))
}

fn typed(text: &str, types: Types) -> Option<Value> {
    let trimmed = text.trim();
    if types.boolean {
        match trimmed {
            "true" | "True" | "1" if !(types.integer && trimmed == "1") => return Some(Value::Bool(true)),
            "false" | "False" | "0" if !(types.integer && trimmed == "0") => return Some(Value::Bool(false)),
            _ => {}
        }
    }
    if types.integer
        && let Ok(number) = trimmed.parse()
    {
        return Some(Value::Int(number));
    }
    if types.number
        && let Ok(number) = trimmed.parse::<f64>()
    {
        let whole = trimmed.parse::<i64>().ok().map(Value::Int);
        return Some(whole.unwrap_or(Value::Float(number)));
    }
    if types.null && trimmed == "null" {
        return Some(Value::Nil);
    }
    let opens = |bracket: char| trimmed.starts_with(bracket);
    if (types.object && opens('{') || types.array && opens('['))
        && let Ok(json) = serde_json::from_str(trimmed)
    {
        return Some(from_json(json));
    }
    types.string.then(|| Value::from(text))
}

/// What the original makes of a text whose type nobody knows.
fn guess(text: &str) -> Value {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && let Ok(number) = text.parse() {
        return Value::Int(number);
    }
    if let Ok(number) = text.parse() {
        return Value::Float(number);
    }
    if text.starts_with('{')
        && let Ok(json) = serde_json::from_str(text)
    {
        return from_json(json);
    }
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(texts: &[&str], schema: serde_json::Value) -> Result<Value, String> {
        coerce(texts, Some(&from_json(schema)))
    }

    #[test]
    fn the_schema_decides() {
        let string = json!({"type": "string"});
        for text in ["007", "2024", "nan", "true", "{}", "null", ""] {
            assert_eq!(with(&[text], string.clone()), Ok(Value::from(text)));
        }
        assert_eq!(with(&["true"], json!({"type": "boolean"})), Ok(Value::Bool(true)));
        assert_eq!(with(&["0"], json!({"type": "boolean"})), Ok(Value::Bool(false)));
        assert_eq!(with(&["7"], json!({"type": "number"})), Ok(Value::Int(7)));
        assert_eq!(with(&["-7.5"], json!({"type": "number"})), Ok(Value::Float(-7.5)));
        assert_eq!(
            with(&["7"], json!({"anyOf": [{"type": "string"}, {"type": "null"}]})),
            Ok(Value::from("7"))
        );
        assert_eq!(
            with(
                &["null"],
                json!({"anyOf": [{"type": "integer"}, {"type": "null"}]})
            ),
            Ok(Value::Nil)
        );
        assert_eq!(
            with(
                &["1", "2"],
                json!({"type": "array", "items": {"type": "integer"}})
            ),
            Ok(Value::List(vec![Value::Int(1), Value::Int(2)]))
        );
        assert_eq!(
            with(&["[1]"], json!({"type": "array", "items": {"type": "integer"}})),
            Ok(Value::List(vec![Value::Int(1)]))
        );
        assert_eq!(
            with(&["x"], json!({"type": "integer"})),
            Err("expected an integer".into())
        );
    }

    #[test]
    fn without_a_schema_it_is_guessed() {
        for (text, value) in [
            ("7", Value::Int(7)),
            ("007", Value::Int(7)),
            ("1e3", Value::Float(1000.0)),
            ("-7", Value::Float(-7.0)),
            ("[1]", Value::from("[1]")),
            ("true", Value::from("true")),
            ("{\"a\": 1}", from_json(json!({"a": 1}))),
            ("{a", Value::from("{a")),
        ] {
            assert_eq!(coerce(&[text], None), Ok(value), "{text}");
        }
        assert_eq!(with(&["7"], json!({"description": "any"})), Ok(Value::Int(7)));
        assert_eq!(
            with(&["7"], json!({"description": "", "type": "string"})),
            Ok(Value::Int(7))
        );
    }
}
