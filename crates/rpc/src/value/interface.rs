//! Long-lived callbacks: a whole service that is given to one peer.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use hypha_wire::{Promise, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::outside;
use crate::peer::DISPOSE;
use crate::scope;
use crate::service::Service;

/// A set of functions that the receiver, and nobody else, can call until it disposes of them or disconnects.
///
/// Unlike a [`Callback`](super::Callback), it outlives the call it travels with. The hub never hears of it.
#[derive(Clone)]
pub struct Interface(Arc<dyn Service>);

impl Interface {
    /// The functions of `service`. Its id and visibility are not used.
    pub fn new(service: impl Service) -> Self {
        Self(Arc::new(service))
    }
}

impl Serialize for Interface {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;
        let (peer, caller) = scope::receiver_of_value().ok_or_else(|| outside("an interface"))?;
        let spec = peer
            .add_interface(Arc::clone(&self.0), caller)
            .map_err(S::Error::custom)?;
        let mut map = Value::empty_map();
        for function in &spec.functions {
            let mut method =
                peer.local_method(format!("services.{}.{}", spec.id, function.name), Promise::Short);
            method.name = Some(function.short_name().to_owned());
            crate::service::spec::insert_nested(&mut map, &function.name, Value::from(method));
        }
        map.insert("_rintf", true);
        map.insert("_rintf_service_id", spec.id.as_str());
        let dispose = peer.local_method(format!("services.{}.{DISPOSE}", spec.id), Promise::Short);
        map.insert(DISPOSE, dispose);
        map.serialize(serializer)
    }
}

impl JsonSchema for Interface {
    fn schema_name() -> Cow<'static, str> {
        "Interface".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interface").field(&self.0.spec().id).finish()
    }
}
