//! `POST /rpc` of somebody who has no stream: one call, whose result is the answer.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use hypha_hub::Hub;
use hypha_hub::auth::{Permission, effective};
use hypha_rpc::CallArgs;
use hypha_wire::Value;
use hypha_wire::convert::to_json;

use super::send::read;
use crate::credentials::identify;
use crate::error::Failure;

/// To a client whose stream has ended, and which does not know it yet.
const NO_STREAM: &str = "This client has no open stream, and the body is no call without one";
/// Largest body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// Calls what the body asks for: `{"type": "method", "to": "[workspace/]client:service", "method", "args", "kwargs"}`.
///
/// A client whose stream has just ended comes here, too, with messages that are not such calls. It is answered with 400, upon
/// which it tries again, and may find its new stream.
pub(super) async fn call(
    hub: &Hub,
    head: &Parts,
    body: Body,
    asked: Option<&str>,
) -> Result<Response, Failure> {
    let identity = identify(hub, head).await?;
    let workspace = match (asked, &identity.user.scope.current_workspace) {
        (Some(asked), _) => asked.to_owned(),
        (None, Some(pinned)) => pinned.clone(),
        (None, None) => identity.user.home(),
    };
    let visitor = hub.visit(identity, &workspace).await?;
    if visitor.workspace() != workspace || effective(visitor.user(), &workspace) < Some(Permission::ReadWrite)
    {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "permission_denied",
            format!("Permission denied for workspace: {workspace}"),
        ));
    }
    let body = read(head, body, MAX_BODY).await?;
    let call = Call::of(&body)?;
    let service = match call.to.contains('/') {
        true => call.to.as_str(),
        false => &format!("{workspace}/{}", call.to),
    };
    let (owner, service) = service.split_once('/').unwrap_or((&workspace, service));
    let target = visitor.find(owner, service, None).await?;
    let result = visitor
        .call(&target.method(&call.method), call.args, None)
        .await?;
    Ok(Json(serde_json::json!({"success": true, "result": to_json(&result)})).into_response())
}

/// What the body asks for.
struct Call {
    /// `[workspace/]client:service`.
    to: String,
    method: String,
    args: CallArgs,
}

impl Call {
    fn of(body: &Bytes) -> Result<Self, Failure> {
        let invalid = |text: &str| Failure::bad_request(text);
        let message = hypha_wire::codec::decode_bytes(body)
            .map_err(|error| invalid(&format!("{NO_STREAM}; not one MessagePack map: {error}")))?;
        let text = |key: &str| message.get(key).and_then(Value::as_str);
        if text("type") != Some("method") {
            return Err(invalid("Stateless calls require type='method'"));
        }
        let to = text("to").filter(|to| to.contains(':'));
        let to = to.ok_or_else(|| invalid("Invalid target format, expected 'client_id:service_id'"))?;
        let method = text("method").filter(|method| !method.is_empty());
        let method = method.ok_or_else(|| invalid("`method` must be the name of a function"))?;
        let positional = match message.get("args") {
            None | Some(Value::Nil) => Vec::new(),
            Some(Value::List(args)) => args.clone(),
            Some(_) => return Err(invalid("`args` must be a list")),
        };
        let kwargs = match message.get("kwargs") {
            None | Some(Value::Nil) => Vec::new(),
            Some(Value::Map(kwargs)) => kwargs.clone(),
            Some(_) => return Err(invalid("`kwargs` must be a map")),
        };
        Ok(Self {
            to: to.to_owned(),
            method: method.to_owned(),
            args: CallArgs { positional, kwargs },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(fields: &[(&str, Value)]) -> Result<(String, CallArgs), String> {
        let mut message = Value::empty_map();
        for (key, value) in fields {
            message.insert(*key, value.clone());
        }
        let call = Call::of(&hypha_wire::encode(&message).into()).map_err(|failure| failure.detail)?;
        Ok((format!("{} {}", call.to, call.method), call.args))
    }

    #[test]
    fn calls_and_what_is_none() {
        let to = ("to", Value::from("c:s"));
        let (call, args) = parsed(&[
            ("type", "method".into()),
            to.clone(),
            ("method", "f".into()),
            ("args", Value::List(vec![1.into()])),
        ])
        .unwrap();
        assert_eq!((call.as_str(), args.positional.len()), ("c:s f", 1));
        for (fields, expected) in [
            (vec![], "Stateless calls require type='method'"),
            (
                vec![("type", Value::from("method")), ("to", "w/c".into())],
                "Invalid target format, expected 'client_id:service_id'",
            ),
            (
                vec![("type", Value::from("method")), to.clone()],
                "`method` must be the name of a function",
            ),
            (
                vec![
                    ("type", Value::from("method")),
                    to,
                    ("method", "f".into()),
                    ("args", 1.into()),
                ],
                "`args` must be a list",
            ),
        ] {
            assert_eq!(parsed(&fields).unwrap_err(), expected);
        }
        assert!(Call::of(&Bytes::from_static(b"\x80\x80")).is_err());
    }
}
