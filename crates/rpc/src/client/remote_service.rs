//! Services of others.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hypha_wire::{Method, Value};
use parking_lot::RwLock;
use serde::de::DeserializeOwned;

use super::Manager;
use crate::args;
use crate::error::{Error, ErrorKind};
use crate::into_args::IntoArgs;
use crate::peer::{CallOptions, Peer};
use crate::scope;
use crate::service::CallArgs;
use crate::value::RemoteFunction;

/// Errors of an owner that has restarted: the functions are gone, the service may be there again.
const STALE: [&str; 4] = [
    "Method expired or not found",
    "Session not found",
    "Method not found",
    "Connection is closed",
];

/// A service that is being looked for. Awaiting it gives the service.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for before this is awaited"]
pub struct GetService {
    peer: Peer,
    id: String,
    mode: Option<String>,
    fetch_timeout: Option<Duration>,
    call_timeout: Option<Duration>,
    encrypt_for: Option<[u8; 32]>,
}

impl GetService {
    pub(super) fn new(peer: Peer, id: String) -> Self {
        Self {
            peer,
            id,
            mode: None,
            fetch_timeout: None,
            call_timeout: None,
            encrypt_for: None,
        }
    }

    /// How to choose among several services of the id: `random`, `first`, `last`, `exact`, `min_load`, `select:..`.
    pub fn mode(mut self, mode: impl Into<String>) -> Self {
        self.mode = Some(mode.into());
        self
    }

    /// How long the hub may wait for the owner.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = Some(timeout);
        self
    }

    /// How long calls of the service wait for an answer or a heartbeat.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = Some(timeout);
        self
    }

    /// Encrypts calls for the owner's public key, if this client has encryption on.
    pub fn encrypt_for(mut self, key: [u8; 32]) -> Self {
        self.encrypt_for = Some(key);
        self
    }

    async fn fetch(&self) -> Result<Value, Error> {
        let mut config = Value::empty_map();
        if let Some(mode) = &self.mode {
            config.insert("mode", mode.as_str());
        }
        if let Some(timeout) = self.fetch_timeout {
            config.insert("timeout", timeout.as_secs_f64());
        }
        let manager = Manager::new(self.peer.clone());
        if config.as_map().is_some_and(<[_]>::is_empty) {
            manager.call("get_service", (&self.id,)).await
        } else {
            manager.call("get_service", args![&self.id, config]).await
        }
    }
}

impl IntoFuture for GetService {
    type Output = Result<RemoteService, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let value = self.fetch().await?;
            if value.as_map().is_none() {
                return Err(Error::Config(format!(
                    "The hub's answer for {} is not a service",
                    self.id
                )));
            }
            Ok(RemoteService(Arc::new(Inner {
                query: self,
                value: RwLock::new(value),
            })))
        })
    }
}

/// A service of another client. Clones are cheap and are the same service.
///
/// When its owner has restarted in the meantime, a call fetches the service again and is repeated once, unless there
/// were functions among its arguments.
#[derive(Clone)]
pub struct RemoteService(Arc<Inner>);

struct Inner {
    query: GetService,
    value: RwLock<Value>,
}

impl RemoteService {
    /// `workspace/client:service`.
    pub fn id(&self) -> String {
        self.member("id")
            .and_then(|id| id.as_str().map(str::to_owned))
            .unwrap_or_else(|| self.0.query.id.clone())
    }

    /// Everything the service is: its metadata, constants, and functions as [`Value::Method`].
    pub fn value(&self) -> Value {
        self.0.value.read().clone()
    }

    /// A member by its name; dots lead into nested maps.
    pub fn member(&self, name: &str) -> Option<Value> {
        let value = self.0.value.read();
        name.split('.')
            .try_fold(&*value, |value, part| value.get(part))
            .cloned()
    }

    /// The names of the functions, dotted for nested ones.
    pub fn functions(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect_functions(&self.0.value.read(), "", &mut names);
        names
    }

    /// A function by its name.
    ///
    /// # Errors
    /// A `KeyError` when the service has none of that name.
    pub fn function(&self, name: &str) -> Result<RemoteFunction, Error> {
        let function = RemoteFunction::new(self.0.query.peer.clone(), self.method(name)?);
        Ok(function.with_options(self.options()))
    }

    /// Calls a function and converts its result.
    ///
    /// ```no_run
    /// # async fn f(client: hypha_rpc::Client) -> Result<(), hypha_rpc::Error> {
    /// use hypha_rpc::args;
    ///
    /// let calc = client.get_service("calc").await?;
    /// let sum: f64 = calc.call("add", (1, 2)).await?;
    /// let sum: f64 = calc.call("add", args![1, b = 2]).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// See [`Error`]; also when the answer is not a `T`.
    pub fn call<T: DeserializeOwned>(
        &self,
        name: &str,
        args: impl IntoArgs,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let call = self.call_value(name, args);
        async move { Ok(scope::decode(&self.0.query.peer, None, call.await?)?) }
    }

    /// Calls a function and gives its result as it came.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn call_value<A: IntoArgs>(
        &self,
        name: &str,
        args: A,
    ) -> impl Future<Output = Result<Value, Error>> + Send + use<A> {
        let peer = &self.0.query.peer;
        let call = self
            .method(name)
            .map(|method| peer.call_keeping_args(&method, args, &self.options()));
        let (service, name) = (self.clone(), name.to_owned());
        async move {
            match call?.await {
                Ok(value) => Ok(value),
                Err((error, Some(args))) if is_stale(&error) => service.repeat(&name, args, error).await,
                Err((error, _)) => Err(error),
            }
        }
    }

    async fn repeat(&self, name: &str, args: CallArgs, error: Error) -> Result<Value, Error> {
        tracing::debug!(%error, service = self.0.query.id, "fetching a service again");
        let Ok(fresh) = self.0.query.fetch().await else {
            return Err(error);
        };
        *self.0.value.write() = fresh;
        let method = self.method(name)?;
        self.0.query.peer.call(&method, args, &self.options()).await
    }

    fn method(&self, name: &str) -> Result<Method, Error> {
        match self.member(name) {
            Some(Value::Method(method)) => Ok(*method),
            _ => Err(Error::Remote {
                kind: ErrorKind::KeyError,
                message: format!("The service {} has no function {name}", self.id()),
                trace: String::new(),
            }),
        }
    }

    fn options(&self) -> CallOptions {
        let query = &self.0.query;
        CallOptions {
            timeout: query.call_timeout,
            encrypt_for: query.encrypt_for,
            ..CallOptions::default()
        }
    }
}

impl fmt::Debug for RemoteService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteService")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// Did the call not reach a function, because the service was made anew? A call that may have run is not repeated.
fn is_stale(error: &Error) -> bool {
    match error {
        Error::PeerGone { .. } => error.is_undelivered(),
        Error::Remote { message, .. } => STALE.iter().any(|text| message.contains(text)),
        _ => false,
    }
}

fn collect_functions(value: &Value, prefix: &str, names: &mut Vec<String>) {
    for (key, value) in value.as_map().unwrap_or_default() {
        match value {
            Value::Method(_) => names.push(format!("{prefix}{key}")),
            Value::Map(_) => collect_functions(value, &format!("{prefix}{key}."), names),
            _ => {}
        }
    }
}
