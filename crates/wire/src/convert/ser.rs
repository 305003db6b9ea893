//! `Serialize` for the value types, as their wire form.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::serializer::ValueSerializer;
use crate::value::fields::{self, Field, Fields};
use crate::value::{Generator, Method, NdArray, RemoteError, TypedArray, Value};

/// Name by which MessagePack serializers know an extension: a newtype of `(type, bytes)`.
pub(super) const EXT_STRUCT: &str = "_ExtStruct";
/// Name by which this crate's serializer takes encoded values as they are.
pub(super) const ENCODED_STRUCT: &str = "_HyphaEncoded";

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nil => serializer.serialize_unit(),
            Value::Bool(b) => serializer.serialize_bool(*b),
            Value::Int(i) => serializer.serialize_i64(*i),
            Value::UInt(u) => serializer.serialize_u64(*u),
            Value::Float(f) => serializer.serialize_f64(*f),
            Value::Str(s) => serializer.serialize_str(s),
            Value::Bytes(b) => serializer.serialize_bytes(b),
            Value::Timestamp { seconds, nanoseconds } => {
                let mut body = [0; 12];
                body[..4].copy_from_slice(&nanoseconds.to_be_bytes());
                body[4..].copy_from_slice(&seconds.to_be_bytes());
                serializer.serialize_newtype_struct(EXT_STRUCT, &(-1i8, Raw(&body)))
            }
            Value::List(items) => serializer.collect_seq(items),
            Value::Map(entries) => serializer.collect_map(entries.iter().map(|(k, v)| (k, v))),
            Value::Encoded(bytes) if is_own::<S>() => {
                serializer.serialize_newtype_struct(ENCODED_STRUCT, &Raw(bytes))
            }
            Value::Encoded(bytes) => crate::decode(bytes)
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
            typed => serialize_fields(fields::unfold(typed).unwrap_or_default(), serializer),
        }
    }
}

/// Whether `S` is this crate's serializer, which takes encoded values without decoding them. Others never see them.
fn is_own<S>() -> bool {
    std::any::type_name::<S>() == std::any::type_name::<ValueSerializer>()
}

macro_rules! serialize_as_map {
    ($($type:ty => $unfold:path),* $(,)?) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_fields($unfold(self), serializer)
            }
        }
    )*};
}
serialize_as_map! {
    Method => fields::unfold_method,
    Generator => fields::unfold_generator,
    NdArray => fields::unfold_ndarray,
    TypedArray => fields::unfold_typedarray,
    RemoteError => fields::unfold_error,
}

fn serialize_fields<S: Serializer>(fields: Fields<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(fields.len()))?;
    for (key, field) in &fields {
        map.serialize_entry(key, field)?;
    }
    map.end()
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Field::Bool(b) => serializer.serialize_bool(*b),
            Field::Str(s) => serializer.serialize_str(s),
            Field::Bytes(b) => serializer.serialize_bytes(b),
            Field::Shape(shape) => serializer.collect_seq(*shape),
            Field::List(items) => serializer.collect_seq(*items),
            Field::Pairs(pairs) => {
                let mut seq = serializer.serialize_seq(Some(pairs.len()))?;
                for pair in *pairs {
                    seq.serialize_element(pair)?;
                }
                seq.end()
            }
            Field::Value(value) => value.serialize(serializer),
        }
    }
}

/// Bytes that serialize as bytes.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
