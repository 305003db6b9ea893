//! The arguments of a call: from the query, or from a body of JSON or MessagePack.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use hypha_rpc::wire::convert::from_json;
use hypha_rpc::wire::decode;
use hypha_rpc::{CallArgs, Value};

use super::coerce::coerce;
use crate::body;
use crate::error::Failure;
use crate::query::Query;

/// Largest body of JSON, in bytes: as values it takes a multiple.
const MAX_JSON: usize = 32 << 20;
/// Largest body of MessagePack, in bytes: its arrays are bytes.
const MAX_MSGPACK: usize = 256 << 20;

/// Names that mean something to the route; they are arguments only if the function declares them.
const RESERVED: [&str; 4] = ["workspace", "service_id", "function_key", "_mode"];

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    MessagePack,
}

impl Format {
    /// The format that a media type names; parameters such as `charset` do not matter.
    fn of_media_type(text: &str) -> Option<Self> {
        let essence = text
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Some(Self::Json),
            "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
                Some(Self::MessagePack)
            }
            other if other.ends_with("+json") => Some(Self::Json),
            other if other.ends_with("+msgpack") => Some(Self::MessagePack),
            _ => None,
        }
    }

    /// The format of the request's body, if its headers name a known one.
    pub(super) fn of_request(headers: &HeaderMap) -> Option<Self> {
        Self::of_media_type(headers.get(header::CONTENT_TYPE)?.to_str().ok()?)
    }

    fn limit(self) -> usize {
        match self {
            Self::Json => MAX_JSON,
            Self::MessagePack => MAX_MSGPACK,
        }
    }
}

/// What the function says about its parameters: the JSON schema under `parameters`.
#[derive(Clone, Copy, Default)]
pub(super) struct Parameters<'a>(pub(super) Option<&'a Value>);

impl<'a> Parameters<'a> {
    fn of(self, name: &str) -> Option<&'a Value> {
        self.0?.get("properties")?.get(name)
    }

    /// Whether a name of the query or body is one of the route's own.
    fn reserves(self, name: &str) -> bool {
        RESERVED.contains(&name) && (name == "_mode" || self.of(name).is_none())
    }
}

/// Arguments from the query of a URL.
///
/// # Errors
/// A text that is nothing its parameter may be; the error names the parameter.
pub(super) fn from_query(query: &Query, parameters: Parameters<'_>) -> Result<CallArgs, Failure> {
    let mut kwargs = Vec::new();
    for (name, texts) in query.grouped() {
        if parameters.reserves(name) {
            continue;
        }
        let value = coerce(&texts, parameters.of(name)).map_err(|expected| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                "invalid_argument",
                format!("Invalid value of parameter '{name}': {expected}"),
            )
        })?;
        kwargs.push((name.to_owned(), value));
    }
    Ok(CallArgs {
        positional: Vec::new(),
        kwargs,
    })
}

/// Reads a body whole, as large as its format may be.
///
/// # Errors
/// Those of [`body::read`], and 415.
pub(super) async fn read_body(headers: &HeaderMap, body: Body) -> Result<(Bytes, Format), Failure> {
    let format = Format::of_request(headers);
    let limit = format.unwrap_or(Format::Json).limit();
    let bytes = body::read(body, limit).await?;
    match format {
        Some(format) => Ok((bytes, format)),
        None if bytes.is_empty() => Ok((bytes, Format::Json)),
        None => {
            let given = headers
                .get(header::CONTENT_TYPE)
                .map_or("nothing".into(), |value| {
                    String::from_utf8_lossy(value.as_bytes())
                });
            Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                format!("Content-Type must be application/json or application/msgpack, not {given}"),
            ))
        }
    }
}

/// Arguments from a body: an object's entries by name, an array's items by position, anything else as the only one.
///
/// # Errors
/// The body is not what its content type says.
pub(super) fn from_body(
    body: &Bytes,
    format: Format,
    parameters: Parameters<'_>,
) -> Result<CallArgs, Failure> {
    if body.is_empty() {
        return Ok(CallArgs::default());
    }
    let invalid =
        |error: &dyn std::fmt::Display| Failure::bad_request(format!("Invalid request body: {error}"));
    let value = match format {
        Format::Json => from_json(serde_json::from_slice(body).map_err(|error| invalid(&error))?),
        Format::MessagePack => decode(body).map_err(|error| invalid(&error))?,
    };
    Ok(match value {
        Value::Map(mut kwargs) => {
            kwargs.retain(|(name, _)| !parameters.reserves(name));
            CallArgs {
                positional: Vec::new(),
                kwargs,
            }
        }
        Value::List(positional) => CallArgs::positional(positional),
        only => CallArgs::positional(vec![only]),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn media_types() {
        for (text, format) in [
            ("application/json", Some(Format::Json)),
            ("Application/JSON; charset=utf-8", Some(Format::Json)),
            ("application/problem+json", Some(Format::Json)),
            ("application/msgpack", Some(Format::MessagePack)),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(Format::of_media_type(text), format, "{text}");
        }
    }

    #[test]
    fn reserved_names_are_arguments_where_they_are_declared() {
        let schema = from_json(json!({"properties": {"workspace": {"type": "string"}}}));
        let query = Query::parse(Some("workspace=1&service_id=2&_mode=first&x=3"));
        let names = |parameters| {
            let args = from_query(&query, parameters).unwrap();
            args.kwargs.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(Parameters(Some(&schema))), ["workspace", "x"]);
        assert_eq!(names(Parameters(None)), ["x"]);
    }

    #[test]
    fn bodies() {
        let args = |text: &str| {
            from_body(
                &Bytes::copy_from_slice(text.as_bytes()),
                Format::Json,
                Parameters(None),
            )
        };
        assert_eq!(
            args("{\"a\": 1, \"_mode\": 2}").unwrap().kwargs,
            [("a".to_owned(), Value::Int(1))]
        );
        assert_eq!(args("[1, 2]").unwrap().positional.len(), 2);
        assert_eq!(args("3").unwrap().positional, [Value::Int(3)]);
        assert_eq!(args("").unwrap(), CallArgs::default());
        assert!(
            args("{")
                .unwrap_err()
                .detail
                .starts_with("Invalid request body: ")
        );
    }
}
