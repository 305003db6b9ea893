//! The incremental scan against a scan of the whole, and the life of a transfer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    CHUNK_SIZE, ChunkAction, ChunkCall, Reassembly, ReassemblyLimits, TransferGuard, TransferScan, chunks,
    is_direct, parse_chunk_call,
};
use crate::codec::encode;
use crate::codec::reader::Reader;
use crate::error::{Result, WireError};
use crate::frame::scan_payload;
use crate::message::{Message, Payload};
use crate::value::{Value, samples};

fn map(entries: &[(&str, Value)]) -> Vec<u8> {
    encode(&Value::Map(
        entries
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect(),
    ))
}

fn message(extra: &[(&str, Value)], payload: &[(&str, Value)]) -> Vec<u8> {
    let mut header = vec![
        ("type", "method".into()),
        ("from", "ws/c".into()),
        ("method", "services.a.f".into()),
    ];
    header.extend_from_slice(extra);
    [map(&header), map(payload)].concat()
}

fn whole(frame: &[u8]) -> Result<()> {
    let mut scan = TransferScan::new();
    scan.feed(frame)?;
    scan.finish()
}

/// The same rules, written down again over the reader of whole frames.
fn reference(frame: &[u8]) -> Result<()> {
    let mut reader = Reader::new(frame);
    let mut seen = Vec::new();
    for _ in 0..reader.map("header")? {
        let key = reader.key("header")?;
        let bad = WireError::bad_type("header", "legal");
        if key.len() > 64 || key.starts_with('_') {
            return Err(bad);
        }
        match key {
            "ctx" | "connection_type" | "encryption" | "caller_public_key" => return Err(bad),
            "type" | "method" | "session" | "parent" | "to" if seen.contains(&key) => return Err(bad),
            "type" if reader.clone().str()? != Some("method") => return Err(bad),
            "method" => match reader.clone().str() {
                Ok(Some(method)) if !method.starts_with("services.built-in.message_cache.") => {}
                Err(WireError::InvalidUtf8) => {}
                _ => return Err(bad),
            },
            _ => {}
        }
        seen.push(key);
        reader.skip()?;
    }
    if !seen.contains(&"type") || !seen.contains(&"method") {
        return Err(WireError::MissingKey { key: "type" });
    }
    scan_payload("method", &frame[reader.position()..]).map(|_| ())
}

#[test]
fn legal_messages_pass() {
    let args = Value::List(vec![
        Value::empty_map(),
        Value::Bytes(vec![1; 70000].into()),
        Value::List(vec![]),
    ]);
    let identity = [
        ("to", "x".into()),
        ("ws", "x".into()),
        ("user", Value::from_iter([("id", "u")])),
    ];
    assert_eq!(
        whole(&message(
            &identity,
            &[("args", args.clone()), ("with_kwargs", true.into())]
        )),
        Ok(())
    );
    assert_eq!(whole(&message(&[], &[])), Ok(()));
    let header_only = map(&[("type", "method".into()), ("method", "s.resolve".into())]);
    assert_eq!(whole(&header_only), Ok(()));
}

#[test]
fn forged_messages_fail() {
    for key in [
        "ctx",
        "connection_type",
        "encryption",
        "caller_public_key",
        "_scope_validated",
    ] {
        assert!(
            matches!(
                whole(&message(&[(key, Value::Nil)], &[])),
                Err(WireError::IllegalKey { .. })
            ),
            "{key}"
        );
    }
    for key in [
        "ctx", "from", "user", "ws", "to", "type", "method", "session", "parent",
    ] {
        assert!(
            matches!(
                whole(&message(&[], &[(key, Value::Nil)])),
                Err(WireError::IllegalKey { .. })
            ),
            "{key}"
        );
    }
    let event = map(&[("type", "client_disconnected".into()), ("method", "x".into())]);
    assert!(whole(&event).is_err());
    let nested = map(&[
        ("type", "method".into()),
        ("method", "services.built-in.message_cache.append".into()),
        ("session", "s".into()),
    ]);
    assert!(whole(&nested).is_err());
    let third = [message(&[], &[("args", Value::Nil)]), map(&[])].concat();
    assert!(matches!(whole(&third), Err(WireError::Trailing(1))));
    assert_eq!(whole(&message(&[], &[])[..5]), Err(WireError::Truncated));
    assert!(matches!(
        whole(&message(&[("x", Value::Bytes(vec![0; 70000].into()))], &[])),
        Err(WireError::TooLarge { .. })
    ));
}

#[test]
fn a_failed_scan_stays_failed() {
    let mut scan = TransferScan::new();
    let error = scan.feed(&[1]).unwrap_err();
    assert_eq!(scan.feed(&message(&[], &[])), Err(error.clone()));
    assert_eq!(scan.finish(), Err(error));
}

#[test]
fn guards_let_each_chunk_pass_once_and_in_any_order() {
    let frame = Bytes::from(message(&[], &[("args", Value::Bytes(vec![7; 100].into()))]));
    let parts: Vec<Bytes> = chunks(frame.len(), 40).map(|range| frame.slice(range)).collect();
    let set = |guard: &mut TransferGuard, index: usize| {
        guard.check(
            ChunkAction::Set {
                index: index as u64,
                data: &parts[index],
            },
            |data| frame.slice_ref(data),
        )
    };
    let mut guard = TransferGuard::new();
    for index in (0..parts.len()).rev() {
        assert_eq!(
            guard.check(ChunkAction::Process, |_| Bytes::new()),
            Err(WireError::Truncated)
        );
        assert_eq!(set(&mut guard, index), Ok(()));
    }
    assert_eq!(guard.held(), 0);
    assert_eq!(guard.check(ChunkAction::Process, |_| Bytes::new()), Ok(()));
    assert!(matches!(set(&mut guard, 0), Err(WireError::DuplicateKey { .. })));
    assert!(
        guard
            .check(ChunkAction::Append { data: b"x" }, |_| Bytes::new())
            .is_err()
    );
}

#[test]
fn chunk_calls_are_read_in_place() {
    let parse = |function: &str, args: Vec<Value>| {
        let payload = Payload {
            promise: Some(crate::message::PromiseSpec::Short),
            ..Payload::args(args)
        }
        .encode();
        let payload: &'static [u8] = payload.leak();
        parse_chunk_call(&format!("services.built-in.message_cache.{function}"), payload)
    };
    let data = Value::Bytes(Bytes::from_static(b"abc"));
    let call = |heartbeat, action| {
        Ok(Some(ChunkCall {
            key: "k",
            heartbeat,
            action,
        }))
    };
    let key = || Value::from("k");
    assert_eq!(
        parse("create", vec![key()]),
        call(false, ChunkAction::Create { overwrite: false })
    );
    assert_eq!(
        parse("create", vec![key(), true.into(), true.into()]),
        call(true, ChunkAction::Create { overwrite: true })
    );
    assert_eq!(
        parse("append", vec![key(), data.clone()]),
        call(false, ChunkAction::Append { data: b"abc" })
    );
    assert_eq!(
        parse("set", vec![key(), 3.into(), data.clone(), true.into()]),
        call(
            true,
            ChunkAction::Set {
                index: 3,
                data: b"abc"
            }
        )
    );
    assert_eq!(parse("process", vec![key()]), call(false, ChunkAction::Process));
    assert_eq!(parse("remove", vec![key()]), call(false, ChunkAction::Remove));
    assert_eq!(parse("other", vec![]), Ok(None));
    assert_eq!(parse_chunk_call("services.a.create", &[0xc0]), Ok(None));

    assert_eq!(
        parse("set", vec![key(), "3".into()]),
        Err(WireError::bad_type("index", "an index"))
    );
    assert_eq!(
        parse("append", vec![key(), "text".into()]),
        Err(WireError::bad_type("data", "bytes"))
    );
    assert_eq!(
        parse("process", vec![1.into()]),
        Err(WireError::bad_type("key", "a string"))
    );
    assert_eq!(
        parse("remove", vec![key(), false.into(), key()]),
        Err(WireError::bad_type("args", "a shorter list"))
    );
    assert_eq!(
        parse("remove", vec![]),
        Err(WireError::MissingKey { key: "args" })
    );

    let method = "services.built-in.message_cache.process";
    let hidden = Payload::args(vec![])
        .kwargs(vec![("key".to_owned(), key())])
        .encode();
    assert!(matches!(
        parse_chunk_call(method, &hidden),
        Err(WireError::BadType { .. })
    ));
    let sealed = map(&[("_enc", Value::empty_map()), ("data", data)]);
    assert!(matches!(
        parse_chunk_call(method, &sealed),
        Err(WireError::IllegalKey { .. })
    ));
}

#[test]
fn ranges_of_chunks() {
    assert!(is_direct(CHUNK_SIZE + 1024) && !is_direct(CHUNK_SIZE + 1025));
    assert_eq!(chunks(10, 4).collect::<Vec<_>>(), [0..4, 4..8, 8..10]);
    assert_eq!(chunks(8, 4).len(), 2);
    assert_eq!(chunks(0, 4).len(), 0);
}

#[test]
fn chunks_are_joined_by_index() {
    let now = Instant::now();
    let mut cache = Reassembly::new(ReassemblyLimits::default());
    cache.create("a", "k", false, now).unwrap();
    assert_eq!(
        cache.create("a", "k", false, now).unwrap_err().to_string(),
        "Message with the same key (k) already exists in the cache store, please use overwrite=True or remove it first."
    );
    cache.set("a", "k", 1, Bytes::from_static(b"b"), now).unwrap();
    cache.set("a", "k", 0, Bytes::from_static(b"x"), now).unwrap();
    cache.set("a", "k", 0, Bytes::from_static(b"a"), now).unwrap();
    cache.append("a", "k", Bytes::from_static(b"c"), now).unwrap();
    assert_eq!(
        cache.process("b", "k").unwrap_err().to_string(),
        "Message with key k does not exists."
    );
    assert_eq!(cache.process("a", "k").unwrap(), "abc");
    assert_eq!(cache.total(), 0);

    cache.create("a", "k", false, now).unwrap();
    cache.set("a", "k", 2, Bytes::new(), now).unwrap();
    assert_eq!(
        cache.process("a", "k"),
        Err(WireError::TransferIncomplete {
            key: "k".to_owned(),
            missing: 0
        })
    );
    assert_eq!(cache.total(), 0);
}

#[test]
fn senders_are_bounded_and_forgotten() {
    let start = Instant::now();
    let limits = ReassemblyLimits {
        sender_bytes: 1000,
        sender_transfers: 2,
        total_bytes: 1500,
        idle: Duration::from_secs(10),
    };
    let mut cache = Reassembly::new(limits);
    for key in ["1", "2"] {
        cache.create("a", key, false, start).unwrap();
    }
    assert!(matches!(
        cache.create("a", "3", false, start),
        Err(WireError::TooLarge { .. })
    ));
    assert!(cache.append("a", "1", vec![0; 800].into(), start).is_err());
    cache.append("a", "1", vec![0; 500].into(), start).unwrap();
    cache.create("b", "1", true, start).unwrap();
    assert!(cache.append("b", "1", vec![0; 500].into(), start).is_err());
    let later = start + Duration::from_secs(9);
    cache.append("b", "1", vec![0; 50].into(), later).unwrap();
    assert_eq!(cache.expire(start + Duration::from_secs(10)), 2);
    cache.remove_sender("b");
    assert_eq!(cache.total(), 0);
    assert!(cache.remove("b", "1").is_err());
}

#[test]
fn a_joined_message_belongs_to_who_asked_to_process_it() {
    let inner = Message {
        from: Some("x/forged".to_owned()),
        ..Message::call("y", "services.a.f", Payload::default())
    };
    let process = Message {
        from: Some("ws/c".to_owned()),
        user: "u".into(),
        ..Message::call("ws/me", "m", Payload::default())
    };
    let stamped = inner.stamped_by(&process);
    assert_eq!(
        (stamped.from.as_deref(), stamped.to.as_str(), stamped.user),
        (Some("ws/c"), "ws/me", "u".into())
    );
    assert_eq!(stamped.method.as_deref(), Some("services.a.f"));
}

fn scan_in_pieces(frame: &[u8], cuts: &[prop::sample::Index]) -> Result<()> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(frame.len() + 1)).collect();
    at.extend([0, frame.len()]);
    at.sort_unstable();
    let mut scan = TransferScan::new();
    for pair in at.windows(2) {
        scan.feed(&frame[pair[0]..pair[1]])?;
    }
    scan.finish()
}

proptest! {
    #[test]
    fn pieces_and_whole_agree(value in samples::value(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let frame = message(&[("x", value.clone())], &[("args", value)]);
        prop_assert_eq!(scan_in_pieces(&frame, &cuts), Ok(()));
    }

    #[test]
    fn damaged_messages_get_the_same_verdict(
        value in samples::value(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut frame = message(&[("session", "s".into()), ("x", 1.into())], &[("args", value), ("t", 1.5.into())]);
        let at = at.index(frame.len());
        frame[at] = byte;
        let expected = reference(&frame).is_ok();
        prop_assert_eq!(whole(&frame).is_ok(), expected);
        prop_assert_eq!(scan_in_pieces(&frame, &cuts).is_ok(), expected);
    }

    #[test]
    fn any_bytes_get_the_same_verdict(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(whole(&bytes).is_ok(), reference(&bytes).is_ok());
        let _ = parse_chunk_call("services.built-in.message_cache.set", &bytes);
    }
}
