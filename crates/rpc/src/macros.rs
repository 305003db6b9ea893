//! What the code that [`service`](macro@crate::service) writes relies on. Not for use by hand.

use std::borrow::Cow;
use std::fmt::Display;
use std::marker::PhantomData;

use hypha_wire::Value;
use hypha_wire::convert::from_json;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use crate::error::RemoteFailure;
use crate::service::ParamSpec;

pub use futures_util::future::BoxFuture;

/// Asks for the schema of a type that may not have one, such as [`Value`](crate::Value).
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// A probe for `T`.
    #[expect(clippy::new_without_default, reason = "written by the macro only")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

/// Types that have a schema.
pub trait ViaSchema {
    /// The schema, without references and meta data.
    fn schema(&self) -> Schema;
}

impl<T: JsonSchema> ViaSchema for Probe<T> {
    fn schema(&self) -> Schema {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let mut schema = settings.into_generator().into_root_schema_for::<T>();
        // The name of a Rust type says nothing to a caller.
        schema.remove("title");
        schema
    }
}

/// All other types: any value may be one. Method look-up tries it second, because it takes one more reference.
pub trait ViaAny {
    /// The schema that everything fits.
    fn schema(&self) -> Schema;
}

impl<T> ViaAny for &Probe<T> {
    fn schema(&self) -> Schema {
        Schema::default()
    }
}

/// Builds the JSON schema of a function's parameters.
#[derive(Default)]
pub struct Parameters {
    properties: Vec<(String, Value)>,
    required: Vec<Value>,
}

impl Parameters {
    /// No parameters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter.
    pub fn param(
        mut self,
        name: &str,
        schema: Schema,
        required: bool,
        doc: Option<Cow<'static, str>>,
        default: Option<Value>,
    ) -> Self {
        let mut schema = from_json(schema.to_value());
        if schema.as_map().is_none() {
            schema = Value::empty_map();
        }
        if let Some(doc) = doc {
            schema.insert("description", &*doc);
        }
        if let Some(default) = default {
            schema.insert("default", default);
        }
        self.properties.push((name.to_owned(), schema));
        if required {
            self.required.push(Value::from(name));
        }
        self
    }

    /// The schema.
    pub fn build(self) -> Value {
        let mut schema = vec![
            ("type".to_owned(), Value::from("object")),
            ("properties".to_owned(), Value::Map(self.properties)),
        ];
        if !self.required.is_empty() {
            schema.push(("required".to_owned(), Value::List(self.required)));
        }
        Value::Map(schema)
    }
}

/// How arguments are assigned to a parameter of this schema.
pub fn param_spec(name: &'static str, schema: &Schema, required: bool) -> ParamSpec {
    ParamSpec {
        name: Cow::Borrowed(name),
        required,
        accepts_map: accepts_map(schema.as_value()),
    }
}

/// Can a value of this schema be a map? Functions and the like, whose schema names no type, are marked.
fn accepts_map(schema: &serde_json::Value) -> bool {
    if schema.get(NOT_A_MAP).is_some() || schema.get("enum").is_some() || schema.get("const").is_some() {
        return false;
    }
    if let Some(types) = schema.get("type") {
        return match types {
            serde_json::Value::Array(types) => types.iter().any(|name| name == "object"),
            name => name == "object",
        };
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(serde_json::Value::Array(choices)) = schema.get(key) {
            return choices.iter().any(accepts_map);
        }
    }
    true
}

/// A mark in the schema of values that have a map on the wire and are none.
pub(crate) const NOT_A_MAP: &str = "x-hypha";

/// An error on its way to a caller.
pub struct Failed<E>(
    /// The error.
    pub E,
);

/// Errors that know what to tell the caller.
pub trait ViaInto {
    /// Converts the error.
    fn into_failure(self) -> RemoteFailure;
}

impl<E: Into<RemoteFailure>> ViaInto for Failed<E> {
    fn into_failure(self) -> RemoteFailure {
        self.0.into()
    }
}

/// Errors that have a text only, which becomes that of a `RuntimeError`. Method look-up tries it second, because it
/// takes a reference.
pub trait ViaDisplay {
    /// Converts the error.
    fn into_failure(self) -> RemoteFailure;
}

impl<E: Display> ViaDisplay for &Failed<E> {
    fn into_failure(self) -> RemoteFailure {
        RemoteFailure::runtime(self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::value::RemoteFunction;

    #[test]
    fn which_types_can_be_maps() {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only the schema is used")]
        enum Either {
            Number(f64),
            Nothing,
        }
        macro_rules! accepts {
            ($type:ty) => {
                accepts_map((&Probe::<$type>::new()).schema().as_value())
            };
        }
        assert!(!accepts!(f64));
        assert!(!accepts!(Option<Vec<String>>));
        assert!(!accepts!(RemoteFunction));
        assert!(!accepts!(Option<RemoteFunction>));
        assert!(accepts!(HashMap<String, f64>));
        assert!(accepts!(Option<HashMap<String, f64>>));
        assert!(accepts!(serde_json::Value));
        assert!(accepts!(Value));
        assert!(accepts!(Either));
    }
}
