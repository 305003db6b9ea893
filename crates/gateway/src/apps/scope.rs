//! What an app is told about a request: the scope of ASGI
//! (<https://asgi.readthedocs.io/en/latest/specs/www.html>), with the workspace and service it was addressed by.

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Version};
use bytes::Bytes;
use hypha_rpc::Value;
use percent_encoding::percent_decode_str;

use crate::credentials::remote;

/// Which kind of conversation a scope opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    WebSocket,
}

fn bytes(data: &[u8]) -> Value {
    Value::Bytes(Bytes::copy_from_slice(data))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The scope of a request for the path `path` below an app.
pub(super) fn of(request: &Parts, path: &str, workspace: &str, service: &str, kind: Kind) -> Value {
    let entry = |key: &str, value: Value| (key.to_owned(), value);
    // Only a trusted proxy's word is still there.
    let is_secure = text(&request.headers, "x-forwarded-proto").is_some_and(|proto| proto == "https");
    let scheme = match (kind, is_secure) {
        (Kind::Http, false) => "http",
        (Kind::Http, true) => "https",
        (Kind::WebSocket, false) => "ws",
        (Kind::WebSocket, true) => "wss",
    };
    let http_version = match request.version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    };
    let host = text(&request.headers, HOST.as_str()).unwrap_or_default();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port.parse().ok()),
        _ => (host.as_str(), None),
    };
    let port: i64 = port.unwrap_or(if is_secure { 443 } else { 80 });
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| Value::List(vec![bytes(name.as_str().as_bytes()), bytes(value.as_bytes())]))
        .collect();
    let mut scope = vec![
        entry(
            "type",
            match kind {
                Kind::Http => "http",
                Kind::WebSocket => "websocket",
            }
            .into(),
        ),
        entry(
            "asgi",
            Value::Map(vec![
                entry("version", "3.0".into()),
                entry("spec_version", "2.3".into()),
            ]),
        ),
        entry("http_version", http_version.into()),
        entry("scheme", scheme.into()),
        entry("method", request.method.as_str().into()),
        entry("root_path", "".into()),
        entry(
            "path",
            percent_decode_str(path).decode_utf8_lossy().into_owned().into(),
        ),
        entry("raw_path", bytes(path.as_bytes())),
        entry(
            "query_string",
            bytes(request.uri.query().unwrap_or_default().as_bytes()),
        ),
        entry("headers", Value::List(headers)),
        entry("server", Value::List(vec![name.into(), Value::Int(port)])),
        entry(
            "client",
            Value::List(vec![remote(request).to_string().into(), Value::Int(0)]),
        ),
        entry("state", Value::empty_map()),
        entry("workspace", workspace.into()),
        entry("service_id", service.into()),
    ];
    if kind == Kind::WebSocket {
        scope.retain(|(key, _)| key != "method");
        let asked = text(&request.headers, "sec-websocket-protocol").unwrap_or_default();
        let names = asked.split(',').map(str::trim).filter(|name| !name.is_empty());
        scope.push(entry(
            "subprotocols",
            names.map(Value::from).collect::<Vec<_>>().into(),
        ));
    }
    Value::Map(scope)
}

/// The scope as a function gets it: texts instead of bytes, headers by name, the whole body, and who asks.
pub(super) fn as_event(scope: Value, headers: &HeaderMap, body: Bytes, user: Value) -> Value {
    let Value::Map(mut event) = scope else {
        return scope;
    };
    for (key, value) in &mut event {
        match (key.as_str(), &*value) {
            ("query_string" | "raw_path", Value::Bytes(data)) => {
                *value = Value::Str(String::from_utf8_lossy(data).into_owned());
            }
            ("headers", _) => {
                let named = headers.iter().map(|(name, value)| {
                    (
                        name.as_str().to_owned(),
                        Value::Str(String::from_utf8_lossy(value.as_bytes()).into_owned()),
                    )
                });
                *value = Value::Map(named.collect());
            }
            _ => {}
        }
    }
    let body = if body.is_empty() {
        Value::Nil
    } else {
        Value::Bytes(body)
    };
    event.push(("body".to_owned(), body));
    event.push(("user".to_owned(), user));
    Value::Map(event)
}
