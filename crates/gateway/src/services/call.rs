//! Calling a function: `GET|POST /{workspace}/services/{service}/{function}`.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use axum::http::request::Parts;
use hypha_hub::{Target, Visitor};
use hypha_rpc::{CallArgs, Method, Value};

use super::answer::{self, Wanted};
use super::arguments::{self, Parameters};
use crate::credentials::identify;
use crate::error::Failure;
use crate::query::Query;
use crate::routes::Shared;

/// The parts of the path.
type Address = Path<(String, String, String)>;

/// A call with its arguments in the query.
pub(super) async fn get(
    State(shared): State<Shared>,
    Path(address): Address,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let call = Call::prepare(&shared, &parts, address, &query).await?;
    let args = arguments::from_query(&query, call.parameters())?;
    call.run(args, Wanted::of(&parts.headers)).await
}

/// A call with its arguments in the body.
pub(super) async fn post(
    State(shared): State<Shared>,
    Path(address): Address,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    // Who may not call gets no megabytes read.
    let call = Call::prepare(&shared, &parts, address, &query).await?;
    let (body, format) = arguments::read_body(&parts.headers, body).await?;
    let args = arguments::from_body(&body, format, call.parameters())?;
    drop(body);
    call.run(args, Wanted::of(&parts.headers)).await
}

/// What is called by whom.
struct Call {
    visitor: Visitor,
    target: Target,
    function: Function,
}

/// What the last part of the path leads to.
enum Function {
    /// A function that the registration of the service describes, by its name.
    Registered(String),
    /// Something else that can be called.
    Method(Box<Method>),
    /// A value of the service.
    Value(Value),
}

impl Call {
    async fn prepare(
        shared: &Shared,
        request: &Parts,
        (workspace, service, key): (String, String, String),
        query: &Query,
    ) -> Result<Self, Failure> {
        let identity = identify(&shared.hub, request).await?;
        let visitor = shared.hub.visit(identity, &workspace).await?;
        let target = visitor.find(&workspace, &service, query.mode()).await?;
        let function = match target.function_schema(&key) {
            Some(_) => Function::Registered(key),
            None => resolve(&visitor, &target, &key).await?,
        };
        Ok(Self {
            visitor,
            target,
            function,
        })
    }

    fn parameters(&self) -> Parameters<'_> {
        let schema = match &self.function {
            Function::Registered(key) => self.target.function_schema(key),
            Function::Method(method) => method.schema.as_ref(),
            Function::Value(_) => None,
        };
        Parameters(schema.and_then(|schema| schema.get("parameters")))
    }

    async fn run(self, args: CallArgs, wanted: Wanted) -> Result<Response<Body>, Failure> {
        let method = match self.function {
            Function::Value(value) => return Ok(answer::whole(&value, wanted)),
            Function::Registered(key) => self.target.method(&key),
            Function::Method(method) => *method,
        };
        tracing::debug!(
            caller = self.visitor.address(),
            service = self.target.name,
            method = method.path,
            "service call"
        );
        let value = self.visitor.call(&method, args, None).await?;
        answer::respond(self.visitor, value, wanted)
    }
}

/// Looks into the service itself for what its registration does not mention: nested functions, values, functions that
/// were added later.
async fn resolve(visitor: &Visitor, target: &Target, key: &str) -> Result<Function, Failure> {
    let missing = || Failure::not_found(format!("{key} not found."));
    let mut found = visitor.service(target).await?.ok_or_else(missing)?;
    if key == "id" && !target.is_manager() {
        return Ok(Function::Value(Value::from(target.id())));
    }
    for part in key.split('.') {
        found = match found {
            Value::Map(entries) => entries
                .into_iter()
                .find(|(name, _)| name == part)
                .map(|(_, value)| value)
                .ok_or_else(missing)?,
            Value::List(items) => {
                let index: usize = part.parse().map_err(|_| missing())?;
                items.into_iter().nth(index).ok_or_else(missing)?
            }
            _ => return Err(missing()),
        };
    }
    Ok(match found {
        Value::Method(method) => {
            // Called by its address as the registry knows it.
            let method = Method {
                target: target.address.clone(),
                ..*method
            };
            Function::Method(Box::new(method))
        }
        value => Function::Value(value),
    })
}
