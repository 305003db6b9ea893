//! [`Value`] to JSON and back, for the places where a client speaks JSON (HTTP, MCP, schemas).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Number, Value as Json, json};

use crate::value::{Value, fields};

/// The JSON form of a value. It is total, and loses what JSON cannot say:
///
/// - typed values become their wire map with `_rtype`;
/// - bytes, also those inside typed values, become `{"_rtype": "bytes", "_rvalue": "<base64>"}`;
/// - NaN and infinities become `null`; a timestamp becomes seconds since the Unix epoch.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) => Json::from(*i),
        Value::UInt(u) => Json::from(*u),
        Value::Float(f) => Number::from_f64(*f).map_or(Json::Null, Json::Number),
        Value::Str(s) => Json::String(s.clone()),
        Value::Bytes(bytes) => json!({"_rtype": "bytes", "_rvalue": BASE64_STANDARD.encode(bytes)}),
        Value::Timestamp { seconds, nanoseconds } => json!(*seconds as f64 + f64::from(*nanoseconds) / 1e9),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => entries.iter().map(|(k, v)| (k.clone(), to_json(v))).collect(),
        // What does not decode was not encoded by this crate; there is nothing in it to show.
        Value::Encoded(bytes) => crate::decode(bytes).map_or(Json::Null, |value| to_json(&value)),
        typed => {
            let fields = fields::unfold(typed).unwrap_or_default();
            let entries = fields
                .iter()
                .map(|(key, field)| ((*key).to_owned(), to_json(&field.to_value())));
            Json::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// The value of a JSON document. A map with a known `_rtype` becomes the typed value, and the form in which
/// [`to_json`] writes bytes becomes bytes.
pub fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => n
            .as_i64()
            .map(Value::Int)
            .or_else(|| n.as_u64().map(Value::UInt))
            .unwrap_or_else(|| Value::Float(n.as_f64().unwrap_or(f64::NAN))),
        Json::String(s) => Value::Str(s),
        Json::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        Json::Object(entries) => match binary(&entries) {
            Some(bytes) => Value::Bytes(bytes.into()),
            None => fields::fold(entries.into_iter().map(|(k, v)| (k, from_json(v))).collect()),
        },
    }
}

/// The bytes that an object of the form `{"_rtype": "bytes", "_rvalue": "<base64>"}` stands for.
fn binary(entries: &Map<String, Json>) -> Option<Vec<u8>> {
    if entries.get("_rtype")?.as_str()? != "bytes" {
        return None;
    }
    BASE64_STANDARD.decode(entries.get("_rvalue")?.as_str()?).ok()
}
