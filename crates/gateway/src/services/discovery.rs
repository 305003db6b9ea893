//! What there is: services, apps, and the workspace they are in.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use hypha_hub::Visitor;
use hypha_rpc::{CallArgs, Value};

use super::answer::{self, Wanted};
use crate::credentials::identify;
use crate::error::Failure;
use crate::query::Query;
use crate::routes::Shared;

/// `GET /{workspace}/services/`
pub(super) async fn list(
    State(shared): State<Shared>,
    Path(workspace): Path<String>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (visitor, wanted) = enter(&shared, &workspace, request).await?;
    let query = [("workspace".to_owned(), Value::from(workspace.as_str()))];
    let mut services = ask(
        &visitor,
        "list_services",
        [("query".to_owned(), Value::Map(query.into()))],
    )
    .await?;
    if let Value::List(services) = &mut services {
        let prefix = format!("{workspace}/");
        for service in services {
            let id = service.get("id").and_then(Value::as_str);
            if let Some(short) = id.and_then(|id| id.strip_prefix(&prefix)).map(str::to_owned) {
                service.insert("id", short);
            }
        }
    }
    Ok(answer::whole(&services, wanted))
}

/// `GET /{workspace}/services/{service}`
pub(super) async fn describe(
    State(shared): State<Shared>,
    Path((workspace, service)): Path<(String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let query = Query::parse(request.uri().query());
    let (visitor, wanted) = enter(&shared, &workspace, request).await?;
    let id = match service.as_str() {
        "ws" => "~".to_owned(),
        service => format!("{workspace}/{service}"),
    };
    let mut config = Value::empty_map();
    if let Some(mode) = query.mode() {
        config.insert("mode", mode);
    }
    let args = [
        ("service_id".to_owned(), Value::from(id)),
        ("config".to_owned(), config),
    ];
    Ok(answer::whole(
        &ask(&visitor, "get_service_info", args).await?,
        wanted,
    ))
}

/// `GET /{workspace}/info`
pub(super) async fn workspace(
    State(shared): State<Shared>,
    Path(workspace): Path<String>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (visitor, wanted) = enter(&shared, &workspace, request).await?;
    let args = [("workspace".to_owned(), Value::from(workspace))];
    Ok(answer::whole(
        &ask(&visitor, "get_workspace_info", args).await?,
        wanted,
    ))
}

/// `GET /{workspace}/apps`: what the controller of apps lists.
pub(super) async fn apps(
    State(shared): State<Shared>,
    Path(workspace): Path<String>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (visitor, wanted) = enter(&shared, &workspace, request).await?;
    let controller = visitor.find("public", "server-apps", None).await?;
    let args = CallArgs {
        kwargs: vec![("workspace".to_owned(), Value::from(workspace))],
        ..CallArgs::default()
    };
    let apps = visitor.call(&controller.method("list_apps"), args, None).await?;
    Ok(answer::whole(&apps, wanted))
}

async fn enter(shared: &Shared, workspace: &str, request: Request) -> Result<(Visitor, Wanted), Failure> {
    let (parts, _) = request.into_parts();
    let identity = identify(&shared.hub, &parts).await?;
    let visitor = shared.hub.visit(identity, workspace).await?;
    Ok((visitor, Wanted::of(&parts.headers)))
}

/// Asks the workspace manager. Its failures are the server's own, so they are told as they are.
async fn ask<const N: usize>(
    visitor: &Visitor,
    function: &str,
    kwargs: [(String, Value); N],
) -> Result<Value, Failure> {
    let args = CallArgs {
        positional: Vec::new(),
        kwargs: kwargs.into(),
    };
    let method = visitor.manager().method(function);
    match visitor.call(&method, args, None).await {
        Ok(value) => Ok(value),
        Err(error @ hypha_rpc::Error::Remote { .. }) => Err(hypha_rpc::RemoteFailure::from(error).into()),
        Err(error) => Err(error.into()),
    }
}
