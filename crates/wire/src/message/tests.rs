//! Messages there and back, and what is ignored or refused on the way.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Encrypted, Message, Payload, PromiseMethods, PromiseSpec};
use crate::codec::{Limits, encode};
use crate::error::WireError;
use crate::value::{Method, Value, samples};

fn decode(frame: Vec<u8>) -> Result<Message, WireError> {
    Message::decode(&Bytes::from(frame), &Limits::default())
}

fn method(path: &str) -> Method {
    Method {
        target: "c1".to_owned(),
        path: path.to_owned(),
        ..Method::default()
    }
}

#[test]
fn calls_round_trip() {
    let payload = Payload::args(vec![1.into()]).kwargs(vec![("y".to_owned(), 4.into())]);
    let short = Payload {
        promise: Some(PromiseSpec::Short),
        t: Some(15.0),
        ..payload
    };
    let full = PromiseMethods {
        resolve: method("s.resolve"),
        reject: method("s.reject"),
        heartbeat: Some(method("s.heartbeat")),
        interval: Some(15.0),
    };
    let full = Payload {
        promise: Some(PromiseSpec::Full(Box::new(full))),
        ..Payload::default()
    };
    let sealed = Encrypted {
        v: 2,
        pub_key: [1; 32],
        nonce: [2; 24],
        ciphertext: Bytes::from_static(b"xyz"),
    };
    let sealed = Payload {
        encrypted: Some(sealed),
        ..Payload::default()
    };
    for payload in [Payload::default(), short, full, sealed] {
        let message = Message {
            from: Some("ws/c1".to_owned()),
            session: Some("s".to_owned()),
            user: Value::from_iter([("id", "u")]),
            ..Message::call("ws/c2", "services.calc.add", payload)
        };
        assert_eq!(decode(message.encode()), Ok(message));
    }
}

#[test]
fn keyword_arguments_are_the_last_argument() {
    let kwargs = vec![("y".to_owned(), Value::from(4))];
    let payload = Payload::args(vec![1.into()]).kwargs(kwargs.clone());
    assert_eq!(payload.into_args(), (vec![1.into()], kwargs));
    let last_is_a_value = Payload::args(vec![Value::empty_map()]);
    assert_eq!(last_is_a_value.into_args(), (vec![Value::empty_map()], vec![]));

    let lie = Payload {
        with_kwargs: true,
        ..Payload::args(vec![1.into()])
    };
    assert!(matches!(
        decode(Message::call("a", "b", lie).encode()),
        Err(WireError::BadType { .. })
    ));
}

#[test]
fn identity_in_the_payload_is_ignored() {
    let header = Message {
        from: Some("ws/c1".to_owned()),
        ..Message::call("c2", "f", Payload::default())
    };
    let forged = Value::from_iter([
        ("user", "root"),
        ("from", "x/y"),
        ("ws", "x"),
        ("to", "z"),
        ("ctx", "root"),
    ]);
    assert_eq!(decode([header.encode(), encode(&forged)].concat()), Ok(header));
}

#[test]
fn a_segment_is_never_a_typed_value() {
    let header = Value::from_iter([
        ("type", "evt"),
        ("to", "*"),
        ("_rtype", "error"),
        ("_rvalue", "x"),
    ]);
    let message = decode(encode(&header)).unwrap();
    assert_eq!(message.get("_rtype"), Some(&Value::from("error")));
    let payload = Value::from_iter([("_rtype", "set".into()), ("_rvalue", Value::List(vec![]))]);
    assert!(
        Payload::decode(&encode(&payload).into(), &Limits::default())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn malformed_messages_are_refused() {
    let header = || Message::call("c2", "f", Payload::default()).encode();
    for (payload, field) in [
        (Value::from_iter([("args", 5)]), "args"),
        (Value::from_iter([("with_kwargs", "yes")]), "with_kwargs"),
        (Value::from_iter([("promise", 5)]), "promise"),
        (Value::from_iter([("t", "soon")]), "t"),
        (Value::from_iter([("_enc", Value::empty_map())]), "_enc.v"),
    ] {
        match decode([header(), encode(&payload)].concat()) {
            Err(WireError::BadType { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    let twice = [header(), encode(&Value::empty_map()), encode(&Value::empty_map())].concat();
    assert_eq!(decode(twice), Err(WireError::Trailing(1)));
    assert_eq!(
        decode(encode(&Value::from_iter([("type", 1)]))),
        Err(WireError::bad_type("type", "a string"))
    );
}

proptest! {
    #[test]
    fn events_round_trip(data in samples::value()) {
        let message = Message::event("evt", "*", data);
        prop_assert_eq!(decode(message.encode()), Ok(message));
    }

    #[test]
    fn any_bytes_are_handled(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = decode(bytes);
    }
}
