//! Services of type `functions`: the path names a function, which gets the whole request as one map and returns
//! `{status, headers, body}`.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method as HttpMethod, Response, StatusCode, header};
use futures_util::StreamExt;
use hypha_hub::{Target, Visitor};
use hypha_rpc::{Error, Method, Value};

use super::scope::{self, Kind};
use super::{AppRequest, response};
use crate::body;
use crate::error::Failure;
use crate::routes::Shared;

/// Largest body of a request, in bytes: a function gets all of it at once.
const MAX_BODY: usize = 256 << 20;

/// Answers a request.
pub(super) async fn serve(_: &Shared, app: AppRequest) -> Result<Response<Body>, Failure> {
    let AppRequest {
        visitor,
        target,
        workspace,
        service,
        path,
        request,
    } = app;
    let (parts, body) = request.into_parts();
    let origin = parts.headers.get(header::ORIGIN).cloned();
    if parts.method == HttpMethod::OPTIONS {
        return Ok(with_cors(Response::new(Body::empty()), origin.as_ref()));
    }
    let scope = scope::of(&parts, &path, &workspace, &service, Kind::Http);
    let name = scope
        .get("path")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim_matches('/')
        .to_owned();
    let (method, rest) = find(&visitor, &target, &name).await?;
    let body = body::read(body, MAX_BODY).await?;
    let mut event = scope::as_event(scope, &parts.headers, body, visitor.user().to_value());
    if let Some(rest) = rest {
        event.insert("function_path", rest);
    }
    let answer = visitor.call(&method, (event,), None).await.map_err(failed)?;
    let response = respond(visitor, answer).map_err(|text| {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "invalid_response",
            format!("Internal Server Error: the function's answer is not valid: {text}"),
        )
    })?;
    Ok(with_cors(response, origin.as_ref()))
}

fn failed(error: Error) -> Failure {
    match error {
        Error::Remote { kind, message, .. } => Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            format!("Internal Server Error: {kind}: {message}"),
        ),
        other => other.into(),
    }
}

/// The function that answers for a path (without slashes at its ends), and the path that it is told when it answers
/// for all.
async fn find(visitor: &Visitor, target: &Target, path: &str) -> Result<(Method, Option<String>), Failure> {
    let is_single = !path.is_empty() && !path.contains(['/', '.']);
    if is_single && target.function_schema(path).is_some() {
        return Ok((target.method(path), None));
    }
    let missing = || Failure::not_found(format!("Function not found: {path}"));
    let service = visitor.service(target).await?.ok_or_else(missing)?;
    let exact = if path.is_empty() { "index" } else { path };
    let candidates = [
        Some(exact.to_owned()),
        path.contains('/').then(|| format!("{path}/index")),
    ];
    let callable = |path: &str| match path.split('/').try_fold(&service, |value, part| value.get(part)) {
        Some(Value::Method(method)) => Some(Method {
            target: target.address.clone(),
            ..(**method).clone()
        }),
        _ => None,
    };
    if let Some(method) = candidates.iter().flatten().find_map(|path| callable(path)) {
        return Ok((method, None));
    }
    let default = callable("default").ok_or_else(missing)?;
    Ok((default, Some(format!("/{path}"))))
}

/// The response that a function's result stands for.
fn respond(visitor: Visitor, answer: Value) -> Result<Response<Body>, String> {
    let Value::Map(mut entries) = answer else {
        return Err("it must be a map with `status`, `headers` and `body`".into());
    };
    let body = entries
        .iter()
        .position(|(key, _)| key == "body")
        .map(|index| entries.swap_remove(index).1);
    let head = response::head(&Value::Map(entries))?;
    let body = match body {
        None | Some(Value::Nil) => Body::empty(),
        Some(Value::Str(text)) => Body::from(text),
        Some(Value::Bytes(bytes)) => Body::from(bytes),
        Some(Value::Generator(generator)) => {
            let items = visitor.read(*generator).map_err(|error| error.to_string())?;
            Body::from_stream(items.map(move |item| {
                // Held by the stream: it lives as long as the answer.
                let _ = &visitor;
                match item {
                    Ok(Value::Str(text)) => Ok(bytes::Bytes::from(text)),
                    Ok(Value::Bytes(bytes)) => Ok(bytes),
                    Ok(_) => Err("an item of the body is neither a string nor bytes".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }))
        }
        Some(_) => return Err("`body` must be a string, bytes, or a generator of these".into()),
    };
    head.body(body).map_err(|error| error.to_string())
}

/// Pages of other origins may call functions; what the function says about that does not count.
fn with_cors(mut response: Response<Body>, origin: Option<&HeaderValue>) -> Response<Body> {
    let any = HeaderValue::from_static("*");
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        origin.cloned().unwrap_or(any),
    );
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET,POST,PUT,DELETE,OPTIONS",
        ),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization,Content-Type"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Content-Disposition"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    response
}
