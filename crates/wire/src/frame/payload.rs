//! The payload: which keys it has, without a look at the values.

use crate::codec::reader::{Head, Reader};
use crate::error::{Result, WireError};

/// What the payload of a message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadKeys {
    /// `args` is there.
    pub has_args: bool,
    /// `with_kwargs` is `true`: the last argument holds the keyword arguments.
    pub with_kwargs: bool,
    /// `promise` is there: the sender wants an answer.
    pub has_promise: bool,
    /// `_enc` is there: the arguments are end-to-end encrypted in `data`.
    pub encrypted: bool,
}

/// The keys a payload may have.
const LEGAL: [&str; 6] = ["args", "with_kwargs", "promise", "t", "_enc", "data"];

/// Index of a key that a payload may have, below 8.
pub(crate) fn legal_key(key: &str) -> Option<usize> {
    LEGAL.iter().position(|legal| *legal == key)
}

/// Checks the payload of a message of type `kind`: empty, or exactly one map with legal keys, each at most once.
///
/// # Errors
/// What is wrong, with the offending key; values nested more than 128 levels deep.
pub fn scan_payload(kind: &str, payload: &[u8]) -> Result<PayloadKeys> {
    let mut keys = PayloadKeys::default();
    if payload.is_empty() {
        return Ok(keys);
    }
    let mut reader = Reader::new(payload);
    let mut seen = 0u8;
    for _ in 0..reader.map("payload")? {
        let key = reader.key("payload")?;
        let Some(index) = legal_key(key) else {
            return Err(WireError::IllegalKey {
                kind: kind.to_owned(),
                segment: "payload",
                key: key.to_owned(),
            });
        };
        if seen & 1 << index != 0 {
            return Err(WireError::DuplicateKey { key: key.to_owned() });
        }
        seen |= 1 << index;
        match key {
            "args" => keys.has_args = true,
            "promise" => keys.has_promise = true,
            "_enc" => keys.encrypted = true,
            "with_kwargs" => keys.with_kwargs = reader.clone().head()? == Head::Bool(true),
            _ => {}
        }
        reader.skip()?;
    }
    match reader.remaining() {
        0 => Ok(keys),
        extra => Err(WireError::Trailing(extra)),
    }
}
