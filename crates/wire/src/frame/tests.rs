//! What passes, what is dropped, what is refused.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{
    CallerContext, MAX_HEADER, PayloadKeys, claimed_sender, reject_frame, scan_header, scan_payload, split,
};
use crate::codec::{decode, decode_prefix, encode};
use crate::error::WireError;
use crate::value::{Value, samples};

fn map(entries: &[(&str, Value)]) -> Vec<u8> {
    encode(&Value::Map(
        entries
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect(),
    ))
}

fn call(extra: &[(&str, Value)]) -> Vec<u8> {
    let mut entries = vec![
        ("type", "method".into()),
        ("to", "c2".into()),
        ("method", "services.a.f".into()),
    ];
    entries.extend_from_slice(extra);
    map(&entries)
}

fn rewritten(frame: &[u8]) -> Value {
    let header = scan_header(frame).unwrap();
    let ctx = CallerContext::new("ws", "ws/c1", &Value::from_iter([("id", "u")]));
    let mut out = BytesMut::new();
    header.write_rewritten(frame, &ctx, "ws/c2", &mut out);
    assert_eq!(out.len(), header.rewritten_len(&ctx, "ws/c2"));
    decode(&out).unwrap()
}

#[test]
fn routing_fields_are_read_in_place() {
    let frame = [
        call(&[("session", "s9".into()), ("parent", Value::Nil)]),
        map(&[("args", Value::Nil)]),
    ]
    .concat();
    let header = scan_header(&frame).unwrap();
    assert_eq!(
        (header.kind, header.to, header.method),
        ("method", "c2", Some("services.a.f"))
    );
    assert_eq!((header.session, header.parent), (Some("s9"), None));
    assert_eq!(frame[header.len..], map(&[("args", Value::Nil)]));
}

#[test]
fn the_claimed_sender_is_read_in_place() {
    assert_eq!(claimed_sender(&call(&[("from", "ws/c".into())])), Some("ws/c"));
    for header in [
        call(&[]),
        call(&[("from", Value::Nil)]),
        call(&[("from", 7.into())]),
        b"\x81".to_vec(),
    ] {
        assert_eq!(claimed_sender(&header), None);
    }
}

#[test]
fn identity_is_replaced_and_private_keys_are_dropped() {
    let forged = Value::from_iter([("id", "root")]);
    let frame = call(&[
        ("from", "*/manager".into()),
        ("session", "s".into()),
        ("user", forged.clone()),
        ("ws", "other".into()),
        ("ctx", forged.clone()),
        ("connection_type", "websocket".into()),
        ("encryption", true.into()),
        ("caller_public_key", "00".into()),
        ("_scope_validated", true.into()),
        ("custom", vec![1i64].into()),
    ]);
    let expected = [
        ("type", Value::from("method")),
        ("method", "services.a.f".into()),
        ("session", "s".into()),
        ("custom", vec![1i64].into()),
        ("ws", "ws".into()),
        ("from", "ws/c1".into()),
        ("user", Value::from_iter([("id", "u")])),
        ("to", "ws/c2".into()),
    ];
    assert_eq!(rewritten(&frame), Value::from_iter(expected));
}

#[test]
fn malformed_headers_are_refused() {
    let bad = |frame: &[u8]| scan_header(frame).unwrap_err();
    assert_eq!(bad(&encode(&1i64.into())), WireError::NotAMap { what: "header" });
    assert_eq!(
        bad(&map(&[("type", "x".into())])),
        WireError::MissingKey { key: "to" }
    );
    assert_eq!(
        bad(&map(&[("to", "x".into())])),
        WireError::MissingKey { key: "type" }
    );
    let no_method = map(&[
        ("type", "method".into()),
        ("to", "x".into()),
        ("method", Value::Nil),
    ]);
    assert_eq!(bad(&no_method), WireError::MissingKey { key: "method" });
    for key in ["type", "to", "method"] {
        assert_eq!(
            bad(&call(&[(key, "x".into())])),
            WireError::DuplicateKey { key: key.to_owned() }
        );
    }
    let twice = call(&[("session", Value::Nil), ("session", "x".into())]);
    assert_eq!(
        bad(&twice),
        WireError::DuplicateKey {
            key: "session".to_owned()
        }
    );
    assert_eq!(
        bad(&call(&[("session", 5.into())])),
        WireError::bad_type("session", "a string")
    );
    assert_eq!(
        bad(&[0x81, 0xc4, 1, b't', 1]),
        WireError::NotAStringKey { what: "header" }
    );
    let frame = call(&[]);
    assert_eq!(bad(&frame[..frame.len() - 1]), WireError::Truncated);
}

#[test]
fn only_events_may_have_large_headers() {
    let large = Value::Bytes(vec![0; MAX_HEADER].into());
    assert!(matches!(
        scan_header(&call(&[("x", large.clone())])),
        Err(WireError::TooLarge { .. })
    ));
    let event = map(&[("type", "evt".into()), ("to", "*".into()), ("data", large)]);
    assert_eq!(scan_header(&event).unwrap().len, event.len());
}

#[test]
fn depth_is_bounded_without_recursion() {
    let event = |depth: usize| {
        let mut value = Value::Nil;
        for _ in 0..depth {
            value = Value::List(vec![Value::Nil, value, Value::Nil]);
        }
        map(&[("type", "evt".into()), ("to", "*".into()), ("data", value)])
    };
    assert!(scan_header(&event(128)).is_ok());
    assert_eq!(scan_header(&event(129)).unwrap_err(), WireError::TooDeep(128));
}

#[test]
fn payload_keys() {
    let all = map(&[
        ("args", vec![1i64].into()),
        ("with_kwargs", true.into()),
        ("promise", "*".into()),
        ("t", 1.5.into()),
    ]);
    let keys = PayloadKeys {
        has_args: true,
        with_kwargs: true,
        has_promise: true,
        encrypted: false,
    };
    assert_eq!(scan_payload("method", &all), Ok(keys));
    assert_eq!(scan_payload("method", &[]), Ok(PayloadKeys::default()));
    let sealed = map(&[("_enc", Value::empty_map()), ("data", Bytes::new().into())]);
    assert!(scan_payload("method", &sealed).unwrap().encrypted);

    for key in [
        "ctx", "from", "to", "ws", "user", "type", "method", "session", "parent", "Args", "",
    ] {
        let error = scan_payload("method", &map(&[("args", Value::Nil), (key, Value::Nil)])).unwrap_err();
        let expected = WireError::IllegalKey {
            kind: "method".to_owned(),
            segment: "payload",
            key: key.to_owned(),
        };
        assert_eq!(error, expected);
    }
    let twice = map(&[("args", Value::Nil), ("args", Value::Nil)]);
    assert_eq!(
        scan_payload("m", &twice),
        Err(WireError::DuplicateKey {
            key: "args".to_owned()
        })
    );
    let two = [all.clone(), all].concat();
    assert!(matches!(scan_payload("m", &two), Err(WireError::Trailing(_))));
    assert_eq!(
        scan_payload("m", &[0x90]),
        Err(WireError::NotAMap { what: "payload" })
    );
}

#[test]
fn a_rejection_is_a_call_of_reject() {
    let frame = Bytes::from(reject_frame("ws/c2", "ws/c1", "a.b", "KeyError: 'x'"));
    let header = scan_header(&frame).unwrap();
    assert_eq!((header.to, header.method), ("ws/c1", Some("a.b.reject")));
    let (main, payload) = split(&frame).unwrap();
    assert_eq!(main.len(), header.len);
    assert!(scan_payload(header.kind, &payload).unwrap().has_args);
    let error = decode(&payload).unwrap();
    let Some([Value::Error(error)]) = error.get("args").and_then(Value::as_list) else {
        panic!("no error")
    };
    assert_eq!(error.message, "KeyError: 'x'");
}

proptest! {
    #[test]
    fn kept_entries_survive(value in samples::value(), other in samples::value()) {
        let frame = map(&[("type", "evt".into()), ("a", value.clone()), ("to", "*".into()), ("b", other.clone())]);
        let header = rewritten(&frame);
        prop_assert_eq!(header.get("a"), Some(&value));
        prop_assert_eq!(header.get("b"), Some(&other));
    }

    #[test]
    fn any_bytes_are_handled(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = scan_header(&bytes);
        let _ = scan_payload("method", &bytes);
        let _ = split(&Bytes::from(bytes));
    }

    /// What a damaged header still lets through carries no identity but the hub's.
    #[test]
    fn damaged_headers_do_not_forge(at in any::<prop::sample::Index>(), byte: u8) {
        let forged = Value::from_iter([("id", "root")]);
        let mut frame = call(&[("user", forged.clone()), ("ctx", forged), ("x", 1.into())]);
        let at = at.index(frame.len());
        frame[at] = byte;
        if let Ok(header) = scan_header(&frame) {
            let ctx = CallerContext::new("ws", "ws/c1", &Value::from_iter([("id", "u")]));
            let mut out = BytesMut::new();
            header.write_rewritten(&frame, &ctx, "ws/c2", &mut out);
            prop_assert_eq!(out.len(), header.rewritten_len(&ctx, "ws/c2"));
            if let Ok((value, len)) = decode_prefix(&out) {
                prop_assert_eq!(len, out.len());
                let user = Value::from_iter([("id", "u")]);
                prop_assert_eq!(value.get("user"), Some(&user));
                prop_assert_eq!(value.get("ctx"), None);
            }
        }
    }
}
