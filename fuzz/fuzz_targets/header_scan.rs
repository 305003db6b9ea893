//! No frame that a hub passes on carries another identity than the hub's, wherever a receiver may look for it.
#![no_main]

use bytes::BytesMut;
use hypha_wire::frame::{CallerContext, scan_header, scan_payload};
use hypha_wire::{Value, codec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let Ok(header) = scan_header(frame) else { return };
    let ctx = CallerContext::new("ws", "ws/c1", &Value::from("user"));
    let mut out = BytesMut::new();
    header.write_rewritten(frame, &ctx, "ws/c2", &mut out);
    assert_eq!(out.len(), header.rewritten_len(&ctx, "ws/c2"));
    if let Ok((main, len)) = codec::decode_prefix(&out) {
        assert_eq!(len, out.len());
        for (key, value) in [("ws", "ws"), ("from", "ws/c1"), ("user", "user"), ("to", "ws/c2")] {
            // A header that is a typed value (it has an `_rtype`) cannot come out: private keys are dropped.
            assert_eq!(main.get(key).and_then(Value::as_str), Some(value));
        }
        assert!(main.get("ctx").is_none());
    }
    let payload = &frame[header.len..];
    if scan_payload(header.kind, payload).is_ok()
        && let Ok(payload) = hypha_wire::decode(payload)
    {
        for key in ["ctx", "from", "to", "ws", "user", "type", "method", "session", "parent"] {
            assert!(payload.get(key).is_none());
        }
    }
});
