//! The answer to a message that cannot be delivered.

use crate::codec::{emit, encode_into};
use crate::value::{RemoteError, Value};

/// A frame that rejects a call as if its target had done so.
///
/// - `from`: the `to` of the request, absolute;
/// - `to`: the full client id of the caller;
/// - `session`: the request's `session`;
/// - `error`: the text, `<Kind>: <message>`.
pub fn reject_frame(from: &str, to: &str, session: &str, error: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 + from.len() + to.len() + session.len() + error.len());
    let method = format!("{session}.reject");
    emit::map(&mut out, 4);
    for (key, value) in [
        ("type", "method"),
        ("from", from),
        ("to", to),
        ("method", &method),
    ] {
        emit::str(&mut out, key);
        emit::str(&mut out, value);
    }
    let error = RemoteError {
        message: error.to_owned(),
        trace: String::new(),
    };
    emit::map(&mut out, 1);
    emit::str(&mut out, "args");
    emit::array(&mut out, 1);
    encode_into(&Value::from(error), &mut out);
    out
}
