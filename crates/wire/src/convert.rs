//! Rust types to [`Value`] and back, through serde.
//!
//! Arguments and results of typed functions go through here. The mapping is serde's own data model:
//!
//! | Rust | [`Value`] |
//! |---|---|
//! | numbers, `bool`, `String`, `char` | the scalar |
//! | `None`, `()`, unit structs | `Nil` |
//! | sequences, tuples, `Vec<u8>` | `List` |
//! | types that serialize as bytes (`serde_bytes`) | `Bytes` |
//! | structs, maps (integer and boolean keys as text, as in JSON) | `Map` |
//! | enums | `"Variant"`, or a `Map` of one entry: `{"Variant": content}` |
//! | [`Value`] and the types of [`value`](crate::value) in it | themselves |
//!
//! Reading is lenient where dynamic languages are: an integer is read from a float without a fraction, a float from an
//! integer, a number from a zero-dimensional numpy array, bytes also from a memory view and a typed array. Formats that
//! differ between human-readable and binary (UUIDs, dates, addresses) use the human-readable form, which is what Python
//! and JavaScript peers expect. Errors name the path of the field.
//!
//! The types of this crate also implement `Serialize` and `Deserialize` for other formats, as their wire form: a map
//! with `_rtype`. Reading a map with a known `_rtype` gives the typed variant again.

mod arrays;
mod de;
mod deserializer;
mod json;
mod ser;
mod serializer;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::value::Value;

pub use json::{from_json, to_json};

/// Converts a Rust value.
///
/// # Errors
/// [`WireError::Convert`](crate::WireError::Convert) with the path of the field: integers of more than 64 bits, maps
/// with keys that are not strings, integers or booleans, or what the type's `Serialize` reports.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
    value.serialize(serializer::ValueSerializer)
}

/// Converts into a Rust type.
///
/// # Errors
/// [`WireError::Convert`](crate::WireError::Convert) with the path of the field that does not fit.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    T::deserialize(deserializer::ValueDeserializer(value))
}

#[cfg(test)]
mod tests;
