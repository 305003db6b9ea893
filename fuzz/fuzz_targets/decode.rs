//! Whatever decodes encodes again, to bytes that decode to the same encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = hypha_wire::decode(bytes) {
        let encoded = hypha_wire::encode(&value);
        // Bytes are compared, because a NaN is not equal to itself.
        let again = hypha_wire::decode(&encoded).expect("what was encoded decodes");
        assert_eq!(hypha_wire::encode(&again), encoded);
        let _ = hypha_wire::convert::to_json(&value);
    }
});
