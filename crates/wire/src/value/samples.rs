//! Random values for property tests: every variant, bounded depth, unique keys, no NaN (it is not equal to itself).

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::{Generator, Method, NdArray, Promise, RemoteError, TypedArray, Value};

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 äß._-]{0,40}"
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        9 => vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        1 => vec(any::<u8>(), 250..1500).prop_map(Bytes::from),
    ]
}

/// Keys of plain maps; never `_rtype`.
fn entries<T: Strategy<Value = Value>>(value: T) -> impl Strategy<Value = Vec<(String, Value)>> {
    btree_map("[a-z]{1,6}", value, 0..20).prop_map(|map| map.into_iter().collect())
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-200i64..200).prop_map(Value::Int),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("NaN", |f| !f.is_nan())
            .prop_map(Value::Float),
        text().prop_map(Value::Str),
        bytes().prop_map(Value::Bytes),
        bytes().prop_map(Value::MemoryView),
        (any::<i64>(), 0u32..1_000_000_000)
            .prop_map(|(seconds, nanoseconds)| Value::Timestamp { seconds, nanoseconds }),
        (text(), vec(any::<u64>(), 0..4), bytes()).prop_map(|(dtype, shape, data)| Value::NdArray(NdArray {
            dtype,
            shape,
            data
        })),
        (text(), bytes()).prop_map(|(dtype, data)| Value::TypedArray(TypedArray { dtype, data })),
        (text(), text()).prop_map(|(message, trace)| Value::Error(RemoteError { message, trace })),
        Just(Value::StopIteration),
        (
            text(),
            text(),
            proptest::option::of(text()),
            proptest::option::of(text())
        )
            .prop_map(|(target, next, close, doc)| Generator {
                target,
                next,
                close,
                server: None,
                doc
            }
            .into()),
    ]
}

fn method<T: Strategy<Value = Value>>(schema: T) -> impl Strategy<Value = Value> {
    let promise = prop_oneof![Just(Promise::Short), Just(Promise::Full), Just(Promise::None)];
    let schema = proptest::option::of(schema.prop_filter("absent", |schema| !schema.is_nil()));
    let optional = || proptest::option::of(text());
    (
        text(),
        text(),
        promise,
        optional(),
        optional(),
        schema,
        proptest::option::of(any::<bool>()),
    )
        .prop_map(|(target, path, promise, server, name, schema, is_async)| {
            let encryption_public_key = is_async.map(|_| Bytes::from_static(&[7; 32]));
            Method {
                target,
                path,
                promise,
                server,
                doc: name.clone(),
                name,
                schema,
                is_async,
                encryption_public_key,
            }
        })
        .prop_map(Value::from)
}

/// Any value.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::List),
            vec(inner.clone(), 0..8).prop_map(Value::Set),
            vec((inner.clone(), inner.clone()), 0..8).prop_map(Value::OrderedMap),
            entries(inner.clone()).prop_map(Value::Map),
            entries(inner.clone()).prop_map(Value::IoStream),
            (inner.clone(), inner.clone()).prop_map(|(fields, schema)| Value::PydanticModel {
                fields: Box::new(fields),
                schema: Box::new(schema)
            }),
            method(inner),
        ]
    })
}
