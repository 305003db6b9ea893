//! [`Value`] to bytes.

use bytes::BufMut;

use super::emit;
use crate::value::Value;
use crate::value::fields::{Field, unfold};

/// Encodes a value.
///
/// # Panics
/// If a string, binary, list or map in it has 2^32 or more bytes or items.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(estimate(value));
    encode_into(value, &mut out);
    out
}

/// Appends an encoded value to a growable buffer.
///
/// # Panics
/// As [`encode`].
pub fn encode_into<B: BufMut>(value: &Value, out: &mut B) {
    match value {
        Value::Nil => emit::nil(out),
        Value::Bool(b) => emit::bool(out, *b),
        Value::Int(i) => emit::int(out, *i),
        Value::UInt(u) => emit::uint(out, *u),
        Value::Float(f) => emit::float(out, *f),
        Value::Str(s) => emit::str(out, s),
        Value::Bytes(b) => emit::bin(out, b),
        Value::Timestamp { seconds, nanoseconds } => emit::timestamp(out, *seconds, *nanoseconds),
        Value::List(items) => list(items, out),
        Value::Map(entries) => map(entries, out),
        Value::Encoded(bytes) => out.put_slice(bytes),
        typed => {
            let fields = unfold(typed).unwrap_or_default();
            emit::map(out, fields.len());
            for (key, field) in &fields {
                emit::str(out, key);
                encode_field(*field, out);
            }
        }
    }
}

/// About how many bytes a value takes, so that a buffer for it is made once: growing a large one copies it over and over.
/// Never more than a few bytes above the truth for each value.
pub(crate) fn estimate(value: &Value) -> usize {
    // The longest head of a string, binary, list or map.
    const HEAD: usize = 5;
    let content: usize = match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) | Value::MemoryView(bytes) | Value::Encoded(bytes) => bytes.len(),
        Value::List(items) | Value::Set(items) => items.iter().map(estimate).sum(),
        Value::Map(entries) | Value::IoStream(entries) => entries
            .iter()
            .map(|(key, value)| HEAD + key.len() + estimate(value))
            .sum(),
        Value::NdArray(array) => array.data.len(),
        Value::TypedArray(array) => array.data.len(),
        // Small: a buffer that is too small for many of them grows.
        _ => return 1,
    };
    HEAD + content
}

/// Appends a plain map.
pub(crate) fn map<B: BufMut>(entries: &[(String, Value)], out: &mut B) {
    emit::map(out, entries.len());
    for (key, value) in entries {
        emit::str(out, key);
        encode_into(value, out);
    }
}

/// Appends a list.
pub(crate) fn list<B: BufMut>(items: &[Value], out: &mut B) {
    emit::array(out, items.len());
    for item in items {
        encode_into(item, out);
    }
}

fn encode_field<B: BufMut>(field: Field<'_>, out: &mut B) {
    match field {
        Field::Bool(b) => emit::bool(out, b),
        Field::Str(s) => emit::str(out, s),
        Field::Bytes(b) => emit::bin(out, b),
        Field::Shape(shape) => {
            emit::array(out, shape.len());
            for extent in shape {
                emit::uint(out, *extent);
            }
        }
        Field::List(items) => list(items, out),
        Field::Pairs(pairs) => {
            emit::array(out, pairs.len());
            for (key, value) in pairs {
                emit::array(out, 2);
                encode_into(key, out);
                encode_into(value, out);
            }
        }
        Field::Value(value) => encode_into(value, out),
    }
}
