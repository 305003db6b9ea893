//! The service that every peer has: a sign of life, its services, and the reassembly of chunked messages.

use std::time::Instant;

use hypha_wire::Value;

use super::Peer;
use super::serve::Answer;
use super::session::SessionId;
use crate::error::RemoteFailure;
use crate::service::{
    CallArgs, CallContext, FunctionSpec, ParamSpec, RequireContext, ServiceConfig, ServiceSpec, Visibility,
};

/// The version of the protocol that the built-in service declares.
const API_VERSION: i64 = 3;

/// A function of the built-in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BuiltIn {
    Ping,
    GetService,
    CacheCreate,
    CacheAppend,
    CacheSet,
    CacheProcess,
    CacheRemove,
}

const FUNCTIONS: [(BuiltIn, &str); 7] = [
    (BuiltIn::Ping, "ping"),
    (BuiltIn::GetService, "get_service"),
    (BuiltIn::CacheCreate, "message_cache.create"),
    (BuiltIn::CacheAppend, "message_cache.append"),
    (BuiltIn::CacheSet, "message_cache.set"),
    (BuiltIn::CacheProcess, "message_cache.process"),
    (BuiltIn::CacheRemove, "message_cache.remove"),
];

impl BuiltIn {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        FUNCTIONS
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(function, _)| *function)
    }
}

/// What the built-in service says about itself.
pub(super) fn spec() -> ServiceSpec {
    ServiceSpec {
        name: Some("Built-in services".to_owned()),
        service_type: Some("built-in".to_owned()),
        config: ServiceConfig {
            visibility: Visibility::Public,
            require_context: RequireContext::All,
            extra: vec![("api_version".to_owned(), Value::from(API_VERSION))],
            ..ServiceConfig::default()
        },
        functions: FUNCTIONS
            .iter()
            .map(|(_, name)| FunctionSpec::new(*name))
            .collect(),
        ..ServiceSpec::new("built-in")
    }
}

impl Peer {
    pub(super) async fn call_builtin(
        &self,
        function: BuiltIn,
        context: CallContext,
        args: CallArgs,
    ) -> Result<Answer, RemoteFailure> {
        let nothing = |()| Answer::Value(Value::Nil);
        match function {
            BuiltIn::Ping => ping(&context, args).map(Answer::Value),
            BuiltIn::GetService => self.get_local_service(&context, args),
            BuiltIn::CacheCreate => self.cache_create(&context, args).map(nothing),
            BuiltIn::CacheAppend => self.cache_append(&context, args).map(nothing),
            BuiltIn::CacheSet => self.cache_set(&context, args).map(nothing),
            BuiltIn::CacheProcess => self.cache_process(&context, args).map(nothing),
            BuiltIn::CacheRemove => self.cache_remove(&context, args).map(nothing),
        }
    }

    fn get_local_service(&self, context: &CallContext, args: CallArgs) -> Result<Answer, RemoteFailure> {
        let mut args = args.bind("get_service", &[ParamSpec::required("service_id")])?;
        let asked: String = context.decode_arg("service_id", args.take(0))?;
        // A peer without a workspace may have more addresses than one.
        if context.to() != self.address() && self.config().workspace != "*" {
            return Err(RemoteFailure::permission("Services can only be accessed locally"));
        }
        // Callers may give the id as the hub lists it: `workspace/client:service@app`.
        let id = asked.rsplit_once(':').map_or(asked.as_str(), |(_, id)| id);
        let id = id.split_once('@').map_or(id, |(id, _)| id);
        if id == "built-in" {
            return Ok(Answer::Value(self.spec_value(&spec())));
        }
        let not_found = || RemoteFailure::key(format!("Service not found: {asked}"));
        let entry = self.0.registry.get(id).ok_or_else(not_found)?;
        entry.allow_get(self, context.workspace(), id)?;
        Ok(Answer::Encoded(self.encoded_entry(&entry)))
    }

    fn cache_create(&self, context: &CallContext, args: CallArgs) -> Result<(), RemoteFailure> {
        let params = [
            ParamSpec::required("key"),
            ParamSpec::optional("heartbeat"),
            ParamSpec::optional("overwrite"),
        ];
        let mut args = args.bind("create", &params)?;
        let key = self.cache_key(context, args.take(0), args.take(1))?;
        let overwrite = flag(context, "overwrite", args.take(2))?;
        let now = Instant::now();
        let mut transfers = self.0.transfers.lock();
        transfers.expire(now);
        Ok(transfers.create(context.from(), &key, overwrite, now)?)
    }

    fn cache_append(&self, context: &CallContext, args: CallArgs) -> Result<(), RemoteFailure> {
        let params = [
            ParamSpec::required("key"),
            ParamSpec::required("data"),
            ParamSpec::optional("heartbeat"),
        ];
        let mut args = args.bind("append", &params)?;
        let data = args.take(1);
        let key = self.cache_key(context, args.take(0), args.take(2))?;
        let data = context.decode_arg("data", data)?;
        Ok(self
            .0
            .transfers
            .lock()
            .append(context.from(), &key, data, Instant::now())?)
    }

    fn cache_set(&self, context: &CallContext, args: CallArgs) -> Result<(), RemoteFailure> {
        let params = [
            ParamSpec::required("key"),
            ParamSpec::required("index"),
            ParamSpec::required("data"),
            ParamSpec::optional("heartbeat"),
        ];
        let mut args = args.bind("set", &params)?;
        let (index, data) = (args.take(1), args.take(2));
        let key = self.cache_key(context, args.take(0), args.take(3))?;
        let index = context.decode_arg("index", index)?;
        let data = context.decode_arg("data", data)?;
        Ok(self
            .0
            .transfers
            .lock()
            .set(context.from(), &key, index, data, Instant::now())?)
    }

    fn cache_process(&self, context: &CallContext, args: CallArgs) -> Result<(), RemoteFailure> {
        let params = [ParamSpec::required("key"), ParamSpec::optional("heartbeat")];
        let mut args = args.bind("process", &params)?;
        let key = self.cache_key(context, args.take(0), args.take(1))?;
        let frame = self.0.transfers.lock().process(context.from(), &key)?;
        self.receive_transfer(frame, context)
    }

    fn cache_remove(&self, context: &CallContext, args: CallArgs) -> Result<(), RemoteFailure> {
        let mut args = args.bind("remove", &[ParamSpec::required("key")])?;
        let key: String = context.decode_arg("key", args.take(0))?;
        Ok(self.0.transfers.lock().remove(context.from(), &key)?)
    }

    /// Reads the key of a transfer and, if asked for, keeps the call alive that the transfer will answer.
    fn cache_key(
        &self,
        context: &CallContext,
        key: Option<Value>,
        heartbeat: Option<Value>,
    ) -> Result<String, RemoteFailure> {
        let key: String = context.decode_arg("key", key)?;
        if flag(context, "heartbeat", heartbeat)? {
            let known = SessionId::parse(&key).is_some_and(|id| self.sessions().alive(id, context.from()));
            if !known {
                return Err(RemoteFailure::key(format!(
                    "session does not exist anymore: {key}"
                )));
            }
        }
        Ok(key)
    }
}

fn ping(context: &CallContext, args: CallArgs) -> Result<Value, RemoteFailure> {
    let mut args = args.bind("ping", &[ParamSpec::required("msg")])?;
    let message: String = context.decode_arg("msg", args.take(0))?;
    if message == "ping" {
        Ok(Value::from("pong"))
    } else {
        Err(RemoteFailure::assertion("msg must be 'ping'"))
    }
}

fn flag(context: &CallContext, name: &str, value: Option<Value>) -> Result<bool, RemoteFailure> {
    Ok(context.decode_arg::<Option<bool>>(name, value)?.unwrap_or(false))
}
