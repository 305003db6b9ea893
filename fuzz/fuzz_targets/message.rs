//! Whatever is a message is one after encoding, with the same sender.
#![no_main]

use bytes::Bytes;
use hypha_wire::Limits;
use hypha_wire::message::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    if let Ok(message) = Message::decode(&Bytes::copy_from_slice(bytes), &limits) {
        let encoded = message.encode();
        let again = Message::decode(&Bytes::from(encoded.clone()), &limits).expect("what was encoded decodes");
        assert_eq!(again.from, message.from);
        assert_eq!(again.encode(), encoded);
    }
});
