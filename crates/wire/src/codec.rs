//! MessagePack bytes to [`Value`](crate::Value) and back.
//!
//! Decoding is bounded: nesting by [`Limits::max_depth`], the number of values by [`Limits::max_items`], and no
//! allocation is larger than the input that is left to read justifies. Strings must be UTF-8, map keys must be unique
//! strings, the only extension type is the timestamp (-1). A map with a known `_rtype` becomes the typed variant of
//! [`Value`](crate::Value); one with malformed fields stays a [`Value::Map`](crate::Value::Map).
//!
//! Encoding is canonical: the smallest form of each integer and length, floats as 64 bits, as the official clients do.

mod decode;
pub(crate) mod emit;
mod encode;
pub(crate) mod reader;

pub use decode::{decode, decode_bytes, decode_bytes_with, decode_prefix, decode_with};
pub(crate) use decode::{decode_entries, timestamp};
pub(crate) use encode::estimate;
pub use encode::{encode, encode_into};

/// How deep containers may nest in anything this crate reads.
pub const MAX_DEPTH: usize = 128;

/// What a decoder accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nesting of lists and maps; a scalar has depth 0.
    pub max_depth: usize,
    /// Number of values in one message, counting containers and map values. A decoded value takes up to 100 times the
    /// bytes that the smallest encoded one does, so this is what bounds memory.
    pub max_items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_depth: MAX_DEPTH,
            max_items: 1 << 20,
        }
    }
}

#[cfg(test)]
mod tests;
