//! Round trips, malformed input, limits.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Limits, decode, decode_bytes, decode_prefix, decode_with, encode};
use crate::error::WireError;
use crate::value::{Value, samples};

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(
        entries
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect(),
    )
}

#[test]
fn integers_take_the_smallest_form() {
    for (value, bytes) in [
        (Value::Int(127), &[0x7f][..]),
        (Value::Int(-32), &[0xe0]),
        (Value::Int(128), &[0xcc, 0x80]),
        (Value::Int(-33), &[0xd0, 0xdf]),
        (Value::Int(256), &[0xcd, 1, 0]),
        (Value::Int(65536), &[0xce, 0, 1, 0, 0]),
        (
            Value::UInt(u64::MAX),
            &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255],
        ),
    ] {
        assert_eq!(encode(&value), bytes);
        assert_eq!(decode(bytes), Ok(value));
    }
}

#[test]
fn the_buffer_of_a_large_value_is_made_once() {
    let text = Value::Str("a text of some length".repeat(20));
    let record = map(&[
        ("name", text.clone()),
        ("data", Value::Bytes(Bytes::from(vec![7; 5000]))),
    ]);
    let list = Value::List(vec![record; 1000]);
    let (estimate, encoded) = (super::estimate(&list), encode(&list));
    assert!(encoded.len() <= estimate && estimate < encoded.len() + 20 * 1000);
    assert_eq!(encoded.capacity(), estimate);
}

#[test]
fn narrow_floats_are_widened() {
    assert_eq!(decode(&[0xca, 0x3f, 0x80, 0, 0]), Ok(Value::Float(1.0)));
}

#[test]
fn timestamps_of_all_widths() {
    for seconds in [0, 1 << 33, -5] {
        for nanoseconds in [0, 7] {
            let value = Value::Timestamp { seconds, nanoseconds };
            assert_eq!(decode(&encode(&value)), Ok(value));
        }
    }
    assert_eq!(decode(&[0xd4, 0xff, 0]), Err(WireError::UnsupportedExt(-1)));
    assert_eq!(decode(&[0xd4, 5, 0]), Err(WireError::UnsupportedExt(5)));
}

#[test]
fn malformed_typed_maps_stay_maps() {
    for value in [
        map(&[("_rtype", "method".into()), ("_rtarget", 5.into())]),
        map(&[("_rtype", "ndarray".into()), ("_rvalue", "text".into())]),
        map(&[("_rtype", "pydantic-model".into()), ("id", "x".into())]),
        map(&[("_rtype", 7.into())]),
        map(&[("_rtype", "orderedmap".into()), ("_rvalue", vec![1i64, 2].into())]),
    ] {
        assert_eq!(decode(&encode(&value)), Ok(value));
    }
}

#[test]
fn array_chunks_are_joined() {
    let chunks = vec![Bytes::from_static(b"ab"), Bytes::from_static(b"cd")];
    let wire = map(&[
        ("_rtype", "ndarray".into()),
        ("_rvalue", chunks.into()),
        ("_rshape", vec![4i64].into()),
        ("_rdtype", "uint8".into()),
    ]);
    let Ok(Value::NdArray(array)) = decode(&encode(&wire)) else {
        panic!("not an array")
    };
    assert_eq!((array.data.as_ref(), array.shape), (&b"abcd"[..], vec![4]));
}

#[test]
fn long_binaries_are_shared_and_short_ones_copied() {
    let frame = Bytes::from(encode(
        &vec![Bytes::from(vec![1; 4096]), Bytes::from_static(b"x")].into(),
    ));
    let value = decode_bytes(&frame).unwrap();
    let range = frame.as_ptr() as usize..frame.as_ptr() as usize + frame.len();
    let shared: Vec<bool> = value
        .as_list()
        .unwrap()
        .iter()
        .map(|item| range.contains(&(item.as_bytes().unwrap().as_ptr() as usize)))
        .collect();
    assert_eq!(shared, [true, false]);
}

#[test]
fn bad_bytes_are_named() {
    assert_eq!(decode(&[]), Err(WireError::Truncated));
    assert_eq!(decode(&[0xc1]), Err(WireError::InvalidMarker));
    assert_eq!(decode(&[0xa1, 0xff]), Err(WireError::InvalidUtf8));
    assert_eq!(decode(&[1, 1]), Err(WireError::Trailing(1)));
    assert_eq!(
        decode(&[0x81, 1, 1]),
        Err(WireError::NotAStringKey { what: "a map" })
    );
    assert_eq!(
        decode(&[0x82, 0xa1, b'k', 1, 0xa1, b'k', 1]),
        Err(WireError::DuplicateKey { key: "k".to_owned() })
    );
    // A claim of 4 billion items costs nothing.
    assert_eq!(decode(&[0xdd, 255, 255, 255, 255, 1]), Err(WireError::Truncated));
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| [vec![0x91; depth], vec![1]].concat();
    assert!(decode(&nested(128)).is_ok());
    assert_eq!(decode(&nested(129)), Err(WireError::TooDeep(128)));
    let limits = Limits {
        max_items: 3,
        ..Limits::default()
    };
    assert!(decode_with(&[0x92, 1, 2], &limits).is_ok());
    assert!(matches!(
        decode_with(&[0x93, 1, 2, 3], &limits),
        Err(WireError::TooLarge { max: 3, .. })
    ));
}

#[test]
fn many_keys_are_checked_for_duplicates_too() {
    let mut entries: Vec<(String, Value)> = (0..100).map(|i| (format!("k{i}"), Value::Nil)).collect();
    assert!(decode(&encode(&Value::Map(entries.clone()))).is_ok());
    entries[99].0 = "k0".to_owned();
    assert!(matches!(
        decode(&encode(&Value::Map(entries))),
        Err(WireError::DuplicateKey { .. })
    ));
}

proptest! {
    #[test]
    fn values_round_trip(value in samples::value()) {
        let bytes = encode(&value);
        prop_assert_eq!(&decode(&bytes).unwrap(), &value);
        prop_assert_eq!(decode_bytes(&Bytes::from(bytes.clone())).unwrap(), value);
        prop_assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
    }

    #[test]
    fn prefixes_are_truncated(value in samples::value(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(&value);
        prop_assert_eq!(decode(&bytes[..cut.index(bytes.len())]), Err(WireError::Truncated));
        let mut longer = bytes.clone();
        longer.push(0);
        prop_assert_eq!(decode_prefix(&longer), Ok((value, bytes.len())));
    }

    #[test]
    fn any_bytes_are_handled(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn damaged_bytes_are_handled(value in samples::value(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = encode(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(value) = decode(&bytes) {
            prop_assert!(decode(&encode(&value)).is_ok());
        }
    }
}
