//! Local functions that are given to others.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::outside;
use crate::error::RemoteFailure;
use crate::function::{Function, typed};
use crate::scope;
use crate::service::{CallContext, FromArgs};

/// A function that the receiver of an argument or a result can call.
///
/// Among the arguments of a call it can be called until the call is over; in a result, until nobody has called it for
/// ten minutes. For callbacks that live longer, see [`Interface`](super::Interface).
///
/// ```no_run
/// # async fn f(service: hypha_rpc::RemoteService) -> Result<(), hypha_rpc::Error> {
/// use hypha_rpc::Callback;
///
/// let progress = Callback::from_fn(|(percent,): (f64,)| println!("{percent} %"));
/// let result: String = service.call("train", ("model", progress)).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Callback {
    name: Option<Cow<'static, str>>,
    function: Function,
}

impl Callback {
    /// An asynchronous function that can fail. A tuple of types takes arguments by position; see [`FromArgs`].
    pub fn new<A, T, F, Fut>(function: F) -> Self
    where
        A: FromArgs + Send + 'static,
        T: Serialize + 'static,
        F: Fn(A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, RemoteFailure>> + Send + 'static,
    {
        Self::with_context(move |_, args| function(args))
    }

    /// Like [`new`](Self::new), for a function that wants to know who calls.
    pub fn with_context<A, T, F, Fut>(function: F) -> Self
    where
        A: FromArgs + Send + 'static,
        T: Serialize + 'static,
        F: Fn(CallContext, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, RemoteFailure>> + Send + 'static,
    {
        Self {
            name: None,
            function: typed(function),
        }
    }

    /// A function that answers at once and cannot fail. It must not block.
    pub fn from_fn<A, T, F>(function: F) -> Self
    where
        A: FromArgs + Send + 'static,
        T: Serialize + Send + 'static,
        F: Fn(A) -> T + Send + Sync + 'static,
    {
        Self::new(move |args| std::future::ready(Ok(function(args))))
    }

    /// Gives it a name, which the receiver sees.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    pub(crate) fn from_function(name: Option<String>, function: Function) -> Self {
        Self {
            name: name.map(Cow::Owned),
            function,
        }
    }
}

impl Serialize for Callback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let method = scope::keep(self.name.as_deref(), Arc::clone(&self.function));
        method.ok_or_else(|| outside("a callback"))?.serialize(serializer)
    }
}

impl JsonSchema for Callback {
    fn schema_name() -> Cow<'static, str> {
        "Callback".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "a function", "x-hypha": "function" })
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
