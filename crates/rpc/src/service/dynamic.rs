//! A service assembled at run time from closures.

use std::collections::HashMap;
use std::future::Future;

use futures_util::future::BoxFuture;
use hypha_wire::Value;
use serde::Serialize;

use super::{CallArgs, CallContext, FromArgs, FunctionSpec, Service, ServiceConfig, ServiceSpec, Visibility};
use crate::error::RemoteFailure;
use crate::function::{Function, typed};

/// A service made of closures.
///
/// ```no_run
/// use hypha_rpc::{DynService, Visibility};
///
/// let service = DynService::new("calc")
///     .name("Calculator")
///     .visibility(Visibility::Public)
///     .function("add", |_ctx, (a, b): (f64, f64)| async move { Ok(a + b) })
///     .function("tools.negate", |_ctx, (a,): (f64,)| async move { Ok(-a) });
/// ```
pub struct DynService {
    spec: ServiceSpec,
    functions: HashMap<String, Function>,
}

impl DynService {
    /// An empty service with this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self::with_spec(ServiceSpec::new(id))
    }

    /// A service with this spec; its functions are those added afterwards.
    pub fn with_spec(mut spec: ServiceSpec) -> Self {
        spec.functions.clear();
        Self {
            spec,
            functions: HashMap::new(),
        }
    }

    /// Sets the name for people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.spec.name = Some(name.into());
        self
    }

    /// Sets the type.
    pub fn service_type(mut self, service_type: impl Into<String>) -> Self {
        self.spec.service_type = Some(service_type.into());
        self
    }

    /// Sets the description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.spec.description = Some(description.into());
        self
    }

    /// Sets who may find and call it.
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.spec.config.visibility = visibility;
        self
    }

    /// Sets the whole `config`.
    pub fn config(mut self, config: ServiceConfig) -> Self {
        self.spec.config = config;
        self
    }

    /// Adds a member that is not a function; dots in the name lead into nested maps.
    pub fn constant(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.spec.constants.push((name.into(), value.into()));
        self
    }

    /// Adds a function; dots in the name lead into nested maps. A function of the same name is replaced.
    pub fn function<A, T, F, Fut>(self, name: impl Into<String>, function: F) -> Self
    where
        A: FromArgs + Send + 'static,
        T: Serialize + 'static,
        F: Fn(CallContext, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, RemoteFailure>> + Send + 'static,
    {
        self.function_with(FunctionSpec::new(name.into()), function)
    }

    /// Adds a function with documentation and a schema of its parameters.
    pub fn function_with<A, T, F, Fut>(mut self, spec: FunctionSpec, function: F) -> Self
    where
        A: FromArgs + Send + 'static,
        T: Serialize + 'static,
        F: Fn(CallContext, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, RemoteFailure>> + Send + 'static,
    {
        self.spec.functions.retain(|known| known.name != spec.name);
        self.functions.insert(spec.name.to_string(), typed(function));
        self.spec.functions.push(spec);
        self
    }
}

impl Service for DynService {
    fn spec(&self) -> ServiceSpec {
        self.spec.clone()
    }

    fn call<'a>(
        &'a self,
        context: CallContext,
        method: &'a str,
        args: CallArgs,
    ) -> BoxFuture<'a, Result<Value, RemoteFailure>> {
        match self.functions.get(method) {
            Some(function) => function(context, args),
            None => {
                let failure = RemoteFailure::key(format!("Function not found: {method}"));
                Box::pin(std::future::ready(Err(failure)))
            }
        }
    }
}
