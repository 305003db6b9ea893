//! The head of an app's response, out of what the app says.

use axum::http::response::Builder;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hypha_rpc::Value;

/// Headers that are about one connection, which is the server's.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::PROXY_AUTHENTICATE,
];
/// Most headers of a response.
const MAX_HEADERS: usize = 256;

/// A text or bytes.
fn octets(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Str(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// The status that an app names, as a number of any kind or a text of digits.
///
/// # Errors
/// What was expected.
pub(super) fn status(value: Option<&Value>) -> Result<StatusCode, String> {
    let number = match value {
        None | Some(Value::Nil) => Some(200.0),
        Some(Value::Str(text)) => text.trim().parse().ok(),
        Some(value) => value.as_f64(),
    };
    number
        .filter(|number| number.fract() == 0.0 && (200.0..=999.0).contains(number))
        .and_then(|number| StatusCode::from_u16(number as u16).ok())
        .ok_or_else(|| format!("`status` must be a number from 200 to 999, got {value:?}"))
}

/// The headers that an app names, as a map or as a list of pairs; order and repetition are kept.
///
/// # Errors
/// What was expected.
pub(super) fn headers(value: Option<&Value>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &[u8], value: &Value| {
        let number;
        let value = match value {
            Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Bool(_) => {
                number = hypha_rpc::wire::convert::to_json(value).to_string();
                number.as_bytes()
            }
            other => octets(other).ok_or("a header's value must be a string or bytes")?,
        };
        let shown = || String::from_utf8_lossy(name).into_owned();
        let name =
            HeaderName::from_bytes(name).map_err(|_| format!("{:?} is no name of a header", shown()))?;
        let value = HeaderValue::from_bytes(value)
            .map_err(|_| format!("the value of header {name} has control characters"))?;
        if headers.len() >= MAX_HEADERS {
            return Err(format!("more than {MAX_HEADERS} headers"));
        }
        if !HOP_BY_HOP.contains(&name) {
            headers.append(name, value);
        }
        Ok(())
    };
    match value {
        None | Some(Value::Nil) => {}
        Some(Value::Map(entries)) => {
            for (name, value) in entries {
                match value {
                    Value::List(values) => {
                        values.iter().try_for_each(|value| add(name.as_bytes(), value))?;
                    }
                    value => add(name.as_bytes(), value)?,
                }
            }
        }
        Some(Value::List(pairs)) => {
            for pair in pairs {
                match pair {
                    Value::List(pair) if pair.len() == 2 => {
                        let name = octets(&pair[0]).ok_or("a header's name must be a string or bytes")?;
                        add(name, &pair[1])?;
                    }
                    _ => return Err("`headers` must be a map or a list of pairs".into()),
                }
            }
        }
        Some(_) => return Err("`headers` must be a map or a list of pairs".into()),
    }
    Ok(headers)
}

/// The head of a response, from a map with `status` and `headers`.
///
/// # Errors
/// Which of them is not what it should be.
pub(super) fn head(start: &Value) -> Result<Builder, String> {
    let mut builder = Response::builder().status(status(start.get("status"))?);
    let given = headers(start.get("headers"))?;
    if let Some(headers) = builder.headers_mut() {
        *headers = given;
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: Value, value: Value) -> Value {
        Value::List(vec![name, value])
    }

    #[test]
    fn heads() {
        let start = Value::Map(vec![
            ("status".into(), Value::Float(201.0)),
            (
                "headers".into(),
                Value::List(vec![
                    pair(Value::from("Set-Cookie"), Value::from("a=1")),
                    pair(Value::Bytes("set-cookie".into()), Value::Bytes("b=2".into())),
                    pair(Value::from("Transfer-Encoding"), Value::from("chunked")),
                    pair(Value::from("x-n"), Value::Int(7)),
                ]),
            ),
        ]);
        let response = head(&start).unwrap().body(()).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(response.headers()["x-n"], "7");
        assert!(!response.headers().contains_key("transfer-encoding"));
    }

    #[test]
    fn what_no_head_is() {
        for (key, value) in [
            ("status", Value::from("abc")),
            ("status", Value::Int(101)),
            ("status", Value::Int(99)),
            ("status", Value::Float(200.5)),
            ("headers", Value::Int(1)),
            ("headers", Value::Map(vec![("a b".into(), Value::from("c"))])),
            (
                "headers",
                Value::Map(vec![("a".into(), Value::from("b\r\nc: d"))]),
            ),
            ("headers", Value::List(vec![Value::from("a")])),
        ] {
            assert!(
                head(&Value::Map(vec![(key.into(), value.clone())])).is_err(),
                "{key} {value:?}"
            );
        }
        assert_eq!(status(Some(&Value::from("404"))), Ok(StatusCode::NOT_FOUND));
    }
}
