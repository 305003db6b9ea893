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
    let mut out = Vec::new();
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
