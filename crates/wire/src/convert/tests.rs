//! Rust types through [`Value`] and through other serde formats.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{from_json, from_value, to_json, to_value};
use crate::error::WireError;
use crate::value::{Method, NdArray, TypedArray, Value, samples};

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Shape {
    Unit,
    New(i32),
    Pair(i32, String),
    Named { x: f64 },
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Everything {
    id: u64,
    ratio: f32,
    flag: bool,
    letter: char,
    text: Option<String>,
    nothing: Option<i32>,
    raw: Bytes,
    list: Vec<u8>,
    pair: (i8, String),
    shapes: Vec<Shape>,
    by_number: BTreeMap<u32, String>,
    callback: Method,
    array: NdArray,
    any: Value,
}

fn everything() -> Everything {
    Everything {
        id: u64::MAX,
        ratio: 0.5,
        flag: true,
        letter: 'ß',
        text: Some("t".to_owned()),
        nothing: None,
        raw: Bytes::from_static(b"raw"),
        list: vec![1, 2],
        pair: (-1, "p".to_owned()),
        shapes: vec![
            Shape::Unit,
            Shape::New(3),
            Shape::Pair(4, "x".to_owned()),
            Shape::Named { x: 1.5 },
        ],
        by_number: BTreeMap::from([(7, "seven".to_owned())]),
        callback: Method {
            target: "ws/c".to_owned(),
            path: "services.a.b".to_owned(),
            ..Method::default()
        },
        array: NdArray {
            dtype: "uint8".to_owned(),
            shape: vec![2],
            data: Bytes::from_static(b"ab"),
        },
        any: Value::Set(vec![Value::StopIteration]),
    }
}

#[test]
fn structs_round_trip_and_keep_typed_fields() {
    let value = to_value(&everything()).unwrap();
    assert!(value.get("callback").unwrap().as_method().is_some());
    assert!(matches!(value.get("array"), Some(Value::NdArray(_))));
    assert_eq!(value.get("raw"), Some(&Value::Bytes(Bytes::from_static(b"raw"))));
    assert_eq!(value.get("any"), Some(&everything().any));
    assert_eq!(from_value::<Everything>(value).unwrap(), everything());
}

#[test]
fn errors_name_the_path() {
    let mut value = to_value(&everything()).unwrap();
    value.insert(
        "shapes",
        vec![
            to_value(&Shape::Pair(1, "y".to_owned())).unwrap(),
            Value::from("Other"),
        ],
    );
    let error = from_value::<Everything>(value).unwrap_err().to_string();
    assert!(error.starts_with("shapes[1]: unknown variant `Other`"), "{error}");

    let nested = Value::from_iter([("Named", Value::from_iter([("x", "no")]))]);
    let error = from_value::<Shape>(nested).unwrap_err();
    assert!(
        matches!(error, WireError::Convert { ref path, .. } if path == "Named.x"),
        "{error}"
    );

    let error = to_value(&BTreeMap::from([("big", u128::MAX)])).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("big: integers of more than 64 bits"),
        "{error}"
    );
}

#[test]
fn numbers_are_read_leniently_but_exactly() {
    assert_eq!(from_value::<u8>(Value::Float(200.0)), Ok(200));
    assert!(from_value::<u8>(Value::Float(256.0)).is_err());
    assert!(from_value::<i64>(Value::Float(0.5)).is_err());
    assert!(from_value::<i64>(Value::Float(1e300)).is_err());
    assert!(from_value::<i64>(Value::Str("5".to_owned())).is_err());
    assert_eq!(from_value::<f64>(Value::Int(2)), Ok(2.0));
    let scalar = NdArray {
        dtype: "float32".to_owned(),
        shape: vec![],
        data: Bytes::copy_from_slice(&1.5f32.to_le_bytes()),
    };
    assert_eq!(from_value::<f64>(scalar.into()), Ok(1.5));
}

#[test]
fn binaries_read_as_bytes_and_as_numbers() {
    let data = Bytes::copy_from_slice(&[1, 0, 2, 0]);
    let typed = Value::from(TypedArray {
        dtype: "int16".to_owned(),
        data: data.clone(),
    });
    assert_eq!(from_value::<Bytes>(typed.clone()).unwrap(), data);
    assert_eq!(from_value::<Vec<i16>>(typed), Ok(vec![1, 2]));
    assert_eq!(
        from_value::<Vec<u8>>(Value::Bytes(data.clone())),
        Ok(vec![1, 0, 2, 0])
    );
    assert_eq!(from_value::<Bytes>(Value::MemoryView(data.clone())), Ok(data));
}

#[test]
fn typed_lists_and_maps_read_as_plain_ones() {
    assert_eq!(
        from_value::<Vec<i32>>(Value::Set(vec![Value::Int(1)])),
        Ok(vec![1])
    );
    let ordered = Value::OrderedMap(vec![("a".into(), 1.into())]);
    assert_eq!(
        from_value::<BTreeMap<String, i32>>(ordered.clone()),
        Ok(BTreeMap::from([("a".to_owned(), 1)]))
    );
    assert_eq!(
        from_value::<Vec<(String, i32)>>(ordered),
        Ok(vec![("a".to_owned(), 1)])
    );
    assert!(from_value::<(i32, i32)>(vec![1i64, 2, 3].into()).is_err());
    assert_eq!(
        from_value::<Method>(Value::Int(1)).unwrap_err().to_string(),
        "expected a function"
    );
}

proptest! {
    #[test]
    fn values_pass_through_serde(value in samples::value()) {
        prop_assert_eq!(&to_value(&value).unwrap(), &value);
        prop_assert_eq!(from_value::<Value>(value.clone()).unwrap(), value);
    }

    #[test]
    fn values_pass_through_messagepack(value in samples::value()) {
        let bytes = rmp_serde::to_vec(&value).unwrap();
        prop_assert_eq!(&crate::decode(&bytes).unwrap(), &value);
        prop_assert_eq!(rmp_serde::from_slice::<Value>(&bytes).unwrap(), value);
    }

    #[test]
    fn json_keeps_what_it_can(value in samples::value()) {
        let json = to_json(&value);
        let back = to_json(&from_json(json.clone()));
        prop_assert_eq!(back, json);
    }
}

#[test]
fn encoded_values_pass_undecoded_here_and_decoded_elsewhere() {
    let map = Value::Map(vec![("a".into(), Value::Int(1))]);
    let encoded = Value::Encoded(crate::encode(&map).into());
    let list = to_value(&vec![encoded.clone()]).unwrap();
    assert_eq!(list, Value::List(vec![encoded.clone()]));
    assert_eq!(
        crate::decode(&crate::encode(&list)).unwrap(),
        Value::List(vec![map])
    );
    assert_eq!(serde_json::to_string(&encoded).unwrap(), r#"{"a":1}"#);
    assert_eq!(to_json(&encoded), serde_json::json!({"a": 1}));
    let read: std::collections::BTreeMap<String, i64> = from_value(encoded).unwrap();
    assert_eq!(read["a"], 1);
}
