//! Functions of others.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hypha_wire::{Method, Promise, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Callback, outside};
use crate::error::Error;
use crate::into_args::IntoArgs;
use crate::peer::{CallOptions, Peer};
use crate::scope;
use crate::service::CallArgs;

/// A function of another peer.
///
/// It can be a parameter of a service function, a field of one, or part of a result. Clones are cheap.
#[derive(Clone)]
pub struct RemoteFunction {
    peer: Peer,
    method: Arc<Method>,
    options: CallOptions,
}

impl RemoteFunction {
    /// The function `method`, called through `peer`.
    pub fn new(peer: Peer, method: Method) -> Self {
        Self {
            peer,
            method: Arc::new(method),
            options: CallOptions::default(),
        }
    }

    /// Calls it and waits for the answer.
    ///
    /// # Errors
    /// See [`Error`]; also when the answer is not a `T`.
    pub fn call<T: DeserializeOwned>(
        &self,
        args: impl IntoArgs,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let call = self.call_value(args);
        async move { Ok(scope::decode(&self.peer, None, call.await?)?) }
    }

    /// Calls it and gives the answer as it came.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call_value<A: IntoArgs>(
        &self,
        args: A,
    ) -> impl Future<Output = Result<Value, Error>> + Send + use<A> {
        self.peer.call(&self.method, args, &self.options)
    }

    /// Calls it without wanting an answer. Returns when the request was handed to the connection.
    ///
    /// # Errors
    /// The arguments have no wire form, or the connection is closed.
    pub async fn notify(&self, args: impl IntoArgs) -> Result<(), Error> {
        let method = Method {
            promise: Promise::None,
            ..(*self.method).clone()
        };
        let call = self.peer.call(&method, args, &self.options);
        call.await.map(|_| ())
    }

    /// The same function with another limit on how long to wait for an answer or a heartbeat.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// The same function with other options.
    pub fn with_options(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// Its description on the wire: owner, path, name, documentation, schema.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The peer it is called through.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// A callback that passes calls on to this function, for receivers that cannot reach its owner.
    fn proxy(&self) -> Callback {
        let function = self.clone();
        let forward = move |_, args: CallArgs| {
            let call = function.call_value(args);
            let answer: futures_util::future::BoxFuture<'static, _> =
                Box::pin(async move { Ok(call.await?) });
            answer
        };
        Callback::from_function(self.method.name.clone(), Arc::new(forward))
    }
}

impl<'de> Deserialize<'de> for RemoteFunction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let method = Method::deserialize(deserializer)?;
        let (peer, parent) = scope::receiver()
            .ok_or_else(|| D::Error::custom("a remote function can only be received by a peer"))?;
        // Functions of a service exist by themselves; others belong to the call they came with.
        let parent = parent.filter(|_| !method.path.starts_with("services."));
        let options = CallOptions {
            parent,
            ..CallOptions::default()
        };
        Ok(Self {
            peer,
            method: Arc::new(method),
            options,
        })
    }
}

impl Serialize for RemoteFunction {
    /// A function of a peer at the same hub is handed over: the receiver calls its owner. Others are proxied.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sender = scope::sender().ok_or_else(|| outside("a remote function"))?;
        if self.method.server.as_deref() == Some(&*sender.server_base_url()) {
            self.method.serialize(serializer)
        } else {
            self.proxy().serialize(serializer)
        }
    }
}

impl JsonSchema for RemoteFunction {
    fn schema_name() -> Cow<'static, str> {
        "Function".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "a function", "x-hypha": "function" })
    }
}

impl fmt::Debug for RemoteFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFunction")
            .field("target", &self.method.target)
            .field("path", &self.method.path)
            .finish_non_exhaustive()
    }
}
