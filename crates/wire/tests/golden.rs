//! Frames recorded from the official clients and server: all of them decode and encode again without loss, and to the same
//! bytes unless they have keys in another order.
//!
//! `golden/record.py` makes the recordings.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use hypha_wire::frame::{CallerContext, scan_header, scan_payload, split};
use hypha_wire::message::{Message, Payload, PromiseSpec};
use hypha_wire::transfer::{ChunkAction, TransferGuard, TransferScan, parse_chunk_call};
use hypha_wire::{Limits, Value, codec, decode, encode};

const RECORDINGS: [(&str, &str); 2] = [
    ("python", include_str!("golden/python.jsonl")),
    ("javascript", include_str!("golden/javascript.jsonl")),
];

/// A frame and whether the client sent it.
fn frames(recording: &str) -> Vec<(bool, Bytes)> {
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let frame = BASE64_STANDARD.decode(line["frame"].as_str().unwrap()).unwrap();
        (line["way"] == "sent", Bytes::from(frame))
    };
    recording.lines().map(line).collect()
}

/// The name of the variant, for each value of a tree.
fn variants(value: &Value, seen: &mut BTreeSet<String>) {
    let debug = format!("{value:?}");
    seen.insert(debug.chars().take_while(|c| c.is_alphanumeric()).collect());
    match value {
        Value::List(items) | Value::Set(items) => items.iter().for_each(|item| variants(item, seen)),
        Value::Map(entries) | Value::IoStream(entries) => {
            entries.iter().for_each(|(_, value)| variants(value, seen));
        }
        Value::OrderedMap(pairs) => pairs.iter().for_each(|(_, value)| variants(value, seen)),
        Value::PydanticModel { fields, schema } => [fields, schema]
            .map(|value| variants(value, seen))
            .into_iter()
            .collect(),
        _ => {}
    }
}

#[test]
fn every_kind_of_value_is_recorded() {
    let mut seen = BTreeMap::new();
    for (client, recording) in RECORDINGS {
        let seen = seen.entry(client).or_insert_with(BTreeSet::new);
        for (_, frame) in frames(recording) {
            let message = Message::decode(&frame, &Limits::default()).unwrap();
            message.payload.args.iter().for_each(|arg| variants(arg, seen));
        }
    }
    let both = "Bool Bytes Error Float Generator Int List Map MemoryView Method Nil Set StopIteration Str";
    for (client, more) in [
        ("python", "IoStream NdArray PydanticModel UInt"),
        ("javascript", "IoStream OrderedMap Timestamp TypedArray"),
    ] {
        for variant in both.split(' ').chain(more.split(' ')) {
            assert!(
                seen[client].contains(variant),
                "{client}: {variant} is not in {:?}",
                seen[client]
            );
        }
    }
}

#[test]
fn values_encode_to_the_recorded_bytes() {
    for (client, recording) in RECORDINGS {
        let (mut same, mut all) = (0, 0);
        for (_, frame) in frames(recording) {
            let (main, payload) = split(&frame).unwrap();
            for segment in [main, payload].into_iter().filter(|segment| !segment.is_empty()) {
                let value = decode(&segment).unwrap();
                let again = encode(&value);
                assert_eq!(decode(&again).as_ref(), Ok(&value));
                all += 1;
                same += usize::from(again == segment);
            }
        }
        // The rest: functions, whose keys have another order in callbacks and in JavaScript; nil fields of
        // functions, which are left out; JavaScript's floats that hold whole numbers.
        assert!(same * 10 >= all * 9, "{client}: {same} of {all}");
    }
}

#[test]
fn messages_keep_everything() {
    for (_, recording) in RECORDINGS {
        for (_, frame) in frames(recording) {
            let message = Message::decode(&frame, &Limits::default()).unwrap();
            let again = Message::decode(&message.encode().into(), &Limits::default()).unwrap();
            assert_eq!(again, message);
        }
    }
}

#[test]
fn hubs_let_the_official_clients_pass() {
    let ctx = CallerContext::new("ws", "ws/c", &Value::from_iter([("id", "u")]));
    for (_, recording) in RECORDINGS {
        for (_, frame) in frames(recording).into_iter().filter(|(sent, _)| *sent) {
            let header = scan_header(&frame).unwrap();
            scan_payload(header.kind, &frame[header.len..]).unwrap();

            let mut out = BytesMut::new();
            header.write_rewritten(&frame, &ctx, "ws/other", &mut out);
            out.extend_from_slice(&frame[header.len..]);
            let received = Message::decode(&out.freeze(), &Limits::default()).unwrap();
            let sent = Message::decode(&frame, &Limits::default()).unwrap();
            let expected = Message {
                to: "ws/other".to_owned(),
                from: Some("ws/c".to_owned()),
                ws: Some("ws".to_owned()),
                user: Value::from_iter([("id", "u")]),
                ..sent
            };
            assert_eq!(received, expected);
        }
    }
}

#[test]
fn chunked_messages_pass_the_guard_and_decode() {
    for (client, recording) in RECORDINGS {
        let mut transfers: BTreeMap<String, (TransferGuard, Vec<u8>)> = BTreeMap::new();
        let mut processed = 0;
        for (_, frame) in frames(recording).into_iter().filter(|(sent, _)| *sent) {
            let header = scan_header(&frame).unwrap();
            let payload = &frame[header.len..];
            let method = header.method.unwrap_or_default();
            let Some(call) = parse_chunk_call(method, payload).unwrap() else {
                continue;
            };
            let (guard, joined) = transfers.entry(call.key.to_owned()).or_default();
            guard.check(call.action, |data| frame.slice_ref(data)).unwrap();
            match call.action {
                ChunkAction::Set { data, .. } | ChunkAction::Append { data } => {
                    joined.extend_from_slice(data)
                }
                ChunkAction::Process => {
                    processed += 1;
                    let mut scan = TransferScan::new();
                    scan.feed(joined).unwrap();
                    scan.finish().unwrap();
                    Message::decode(&Bytes::from(std::mem::take(joined)), &Limits::default()).unwrap();
                }
                ChunkAction::Create { .. } | ChunkAction::Remove => {}
            }
        }
        assert!(processed > 0, "{client}");
    }
}

#[test]
fn promises_and_envelopes_are_understood() {
    let mut seen = BTreeSet::new();
    for (_, recording) in RECORDINGS {
        for (_, frame) in frames(recording) {
            let Payload {
                promise,
                with_kwargs,
                encrypted,
                ..
            } = Message::decode(&frame, &Limits::default()).unwrap().payload;
            seen.extend(promise.map(|promise| match promise {
                PromiseSpec::Short => "short",
                PromiseSpec::Full(methods) if methods.heartbeat.is_some() && methods.interval.is_some() => {
                    "full"
                }
                PromiseSpec::Full(_) => "full without heartbeat",
            }));
            seen.extend(with_kwargs.then_some("kwargs"));
            seen.extend(encrypted.filter(|sealed| sealed.v == 2).map(|_| "encrypted"));
        }
    }
    assert!(
        ["short", "full", "kwargs", "encrypted"]
            .iter()
            .all(|kind| seen.contains(kind)),
        "{seen:?}"
    );
}

#[test]
fn binaries_of_a_frame_are_shared() {
    let value = Value::Bytes(vec![1; 5000].into());
    let frame = Bytes::from(encode(&value));
    let Value::Bytes(data) = codec::decode_bytes(&frame).unwrap() else {
        panic!("not bytes")
    };
    assert_eq!(frame.slice_ref(&data), data);
}
