//! The services of a peer, by id, and who may call them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hypha_wire::{Method, Promise, Value};
use parking_lot::RwLock;

use super::Peer;
use crate::error::{Error, RemoteFailure};
use crate::service::spec::insert_nested;
use crate::service::{CallContext, Service, ServiceSpec, Visibility};

/// The prefix of the ids of interfaces, which are services for one caller.
pub(crate) const INTERFACE_PREFIX: &str = "_rintf_";

/// The function by which the holder of an interface gives it back.
pub(crate) const DISPOSE: &str = "_dispose";

/// One service with what was precomputed from its spec.
pub(crate) struct Entry {
    pub(crate) spec: ServiceSpec,
    pub(crate) service: Arc<dyn Service>,
    functions: HashSet<String>,
    /// The only peer that may call it: set for interfaces.
    pub(crate) only_caller: Option<Arc<str>>,
    /// The encoded payload of the answer to `get_service`.
    encoded: OnceLock<(Arc<str>, Bytes)>,
}

/// The services of one peer.
#[derive(Default)]
pub(crate) struct Registry(RwLock<HashMap<String, Arc<Entry>>>);

impl Registry {
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Entry>> {
        self.0.read().get(id).map(Arc::clone)
    }

    /// Finds the function at `<service id>.<function>`. Ids may hold dots, so the longest id that fits wins.
    pub(crate) fn function<'a>(&self, path: &'a str) -> Option<(Arc<Entry>, &'a str)> {
        let services = self.0.read();
        path.rmatch_indices('.').find_map(|(dot, _)| {
            let (id, function) = (&path[..dot], &path[dot + 1..]);
            let entry = services.get(id)?;
            entry
                .functions
                .contains(function)
                .then(|| (Arc::clone(entry), function))
        })
    }

    pub(crate) fn remove_interfaces_of(&self, caller: &str) {
        let removed: Vec<Arc<Entry>> = {
            let mut services = self.0.write();
            let of_caller = |entry: &Arc<Entry>| entry.only_caller.as_deref() == Some(caller);
            services
                .extract_if(|_, entry| of_caller(entry))
                .map(|(_, entry)| entry)
                .collect()
        };
        drop(removed);
    }

    pub(crate) fn clear(&self) {
        let removed = std::mem::take(&mut *self.0.write());
        drop(removed);
    }
}

impl Peer {
    /// Adds a service; others can call it at once. It is not announced to the hub, which is the client's part.
    ///
    /// # Errors
    /// The id is taken (and `replace` is false), reserved or malformed, or the configuration contradicts itself.
    pub fn add_service(&self, service: Arc<dyn Service>, replace: bool) -> Result<ServiceSpec, Error> {
        let spec = service.spec();
        check_spec(&spec)?;
        self.insert(spec, service, None, replace)
    }

    /// Adds an interface: a service that only `caller` may call and nobody may find.
    pub(crate) fn add_interface(
        &self,
        service: Arc<dyn Service>,
        caller: Arc<str>,
    ) -> Result<ServiceSpec, Error> {
        let mut spec = service.spec();
        spec.id = format!("{INTERFACE_PREFIX}{:016x}", rand::random::<u64>());
        spec.config.visibility = Visibility::Protected;
        self.insert(spec, service, Some(caller), false)
    }

    fn insert(
        &self,
        spec: ServiceSpec,
        service: Arc<dyn Service>,
        only_caller: Option<Arc<str>>,
        replace: bool,
    ) -> Result<ServiceSpec, Error> {
        if let Some(reason) = self.closed() {
            return Err(Error::Closed { reason });
        }
        let mut functions: HashSet<String> = spec
            .functions
            .iter()
            .map(|function| function.name.to_string())
            .collect();
        if only_caller.is_some() {
            functions.insert(DISPOSE.to_owned());
        }
        let entry = Entry {
            spec: spec.clone(),
            service,
            functions,
            only_caller,
            encoded: OnceLock::new(),
        };
        let mut services = self.0.registry.0.write();
        if !replace && services.contains_key(&spec.id) {
            return Err(Error::Config(format!(
                "Service already exists: {id}, please specify a different id (not {id}) or overwrite it",
                id = spec.id
            )));
        }
        let old = services.insert(spec.id.clone(), Arc::new(entry));
        drop(services);
        drop(old);
        Ok(spec)
    }

    /// Takes a service away; false when it was not there. Calls of it that run go on.
    pub fn remove_service(&self, id: &str) -> bool {
        let removed = self.0.registry.0.write().remove(id);
        removed.is_some()
    }

    /// The specs of all services that the hub may know of, the built-in one first.
    pub fn services(&self) -> Vec<ServiceSpec> {
        let services = self.0.registry.0.read();
        let mut specs = vec![super::builtin::spec()];
        specs.extend(
            services
                .values()
                .filter(|entry| entry.only_caller.is_none())
                .map(|entry| entry.spec.clone()),
        );
        specs
    }

    /// The map of a local service as others receive it, with its functions as [`Value::Method`]. `None` when there is
    /// no such service. Nobody's permission is checked.
    pub fn service_value(&self, id: &str) -> Option<Value> {
        self.0.registry.get(id).map(|entry| self.entry_value(&entry))
    }

    pub(super) fn entry_value(&self, entry: &Entry) -> Value {
        self.spec_value(&entry.spec)
    }

    pub(super) fn spec_value(&self, spec: &ServiceSpec) -> Value {
        let config = self.config();
        let mut map = Value::Map(spec.head(&config.workspace, &config.client_id));
        for function in &spec.functions {
            let method = Method {
                name: Some(function.short_name().to_owned()),
                doc: function.doc.as_ref().map(|doc| doc.to_string()),
                schema: Some(function.schema()),
                is_async: Some(true),
                ..self.local_method(format!("services.{}.{}", spec.id, function.name), Promise::Short)
            };
            insert_nested(&mut map, &function.name, Value::from(method));
        }
        for (name, value) in &spec.constants {
            insert_nested(&mut map, name, value.clone());
        }
        map
    }

    /// The payload of an answer that holds nothing but the service; encoded once per service and server.
    pub(super) fn encoded_entry(&self, entry: &Entry) -> Bytes {
        let base_url = self.server_base_url();
        let encode = || {
            let payload = hypha_wire::message::Payload {
                args: vec![self.entry_value(entry)],
                ..Default::default()
            };
            Bytes::from(payload.encode())
        };
        let (known_url, bytes) = entry.encoded.get_or_init(|| (Arc::clone(&base_url), encode()));
        if *known_url == base_url {
            bytes.clone()
        } else {
            encode()
        }
    }
}

fn check_spec(spec: &ServiceSpec) -> Result<(), Error> {
    let id = &spec.id;
    if id.is_empty() || id.contains(['/', ':', '@', '*']) || id.chars().any(char::is_control) {
        return Err(Error::Config(format!(
            "Invalid service id: `{id}`; it must not be empty nor have any of `/:@*`"
        )));
    }
    if id == "built-in" || id.starts_with(INTERFACE_PREFIX) {
        return Err(Error::Config(format!("The service id `{id}` is reserved")));
    }
    let config = &spec.config;
    if !config.authorized_workspaces.is_empty() && config.visibility != Visibility::Protected {
        return Err(Error::Config(format!(
            "authorized_workspaces can only be set when visibility is 'protected', got visibility='{}'",
            config.visibility.as_str()
        )));
    }
    Ok(())
}

impl Entry {
    /// May the caller fetch this service?
    pub(crate) fn allow_get(&self, peer: &Peer, workspace: &str, id: &str) -> Result<(), RemoteFailure> {
        if self.only_caller.is_none() && self.visible_from(peer, workspace) {
            return Ok(());
        }
        Err(RemoteFailure::permission(format!(
            "Permission denied for getting protected service: {id}, workspace mismatch: {} != {workspace}",
            peer.config().workspace
        )))
    }

    /// May the caller call a function of this service?
    pub(crate) fn allow_call(&self, context: &CallContext, encrypted: bool) -> Result<(), RemoteFailure> {
        let (from, path) = (context.from(), context.method());
        match &self.only_caller {
            Some(caller) if **caller != *from => {
                return Err(RemoteFailure::permission(format!(
                    "Permission denied for _rintf callback {path}, caller {from} is not the allowed caller {caller}"
                )));
            }
            Some(_) => {}
            None => {
                let manager = context.peer().manager_address();
                let is_manager = manager.as_deref() == Some(from);
                if !is_manager && !self.visible_from(context.peer(), context.workspace()) {
                    return Err(RemoteFailure::permission(format!(
                        "Permission denied for invoking protected method {from}:{path}, workspace mismatch: {} != {}",
                        context.peer().config().workspace,
                        context.workspace()
                    )));
                }
            }
        }
        self.allow_key(context, encrypted)
    }

    fn allow_key(&self, context: &CallContext, encrypted: bool) -> Result<(), RemoteFailure> {
        let trusted = &self.spec.config.trusted_keys;
        if trusted.is_empty() {
            return Ok(());
        }
        let path = context.method();
        match context.caller_public_key() {
            Some(key) if encrypted && trusted.contains(key) => Ok(()),
            Some(_) if encrypted => Err(RemoteFailure::permission(format!(
                "Caller's public key is not in the trusted keys list for {path}"
            ))),
            _ => Err(RemoteFailure::permission(format!(
                "Encryption required for method {path} (trusted_keys is set)"
            ))),
        }
    }

    fn visible_from(&self, peer: &Peer, workspace: &str) -> bool {
        let config = &self.spec.config;
        match config.visibility {
            Visibility::Public | Visibility::Unlisted => true,
            Visibility::Protected => {
                workspace == peer.config().workspace
                    || config
                        .authorized_workspaces
                        .iter()
                        .any(|authorized| authorized == workspace)
            }
        }
    }
}
