//! The verdict about a chunked message does not depend on where it was cut, and a legal one has no illegal key.
//!
//! The first byte says into how long pieces the rest is cut.
#![no_main]

use bytes::Bytes;
use hypha_wire::transfer::{TransferScan, parse_chunk_call};
use hypha_wire::{Limits, codec, message::Message};
use libfuzzer_sys::fuzz_target;

fn scan<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut scan = TransferScan::new();
    pieces.into_iter().all(|piece| scan.feed(piece).is_ok()) && scan.finish().is_ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, frame)) = bytes.split_first() else { return };
    let whole = scan(std::iter::once(frame));
    assert_eq!(whole, scan(frame.chunks(usize::from(*cut).max(1))));
    if whole && let Ok((main, _)) = codec::decode_prefix(frame) {
        assert!(main.get("ctx").is_none() && main.get("connection_type").is_none());
        let _ = Message::decode(&Bytes::copy_from_slice(frame), &Limits::default());
    }
    let _ = parse_chunk_call("services.built-in.message_cache.set", frame);
});
