//! The two segments of a frame, read in place: what a hub does with every message that passes.
//!
//! A frame is a header map and, unless it is empty, a payload map. [`scan_header`] finds the routing fields and what of the
//! header may be passed on; [`Header::write_rewritten`] writes the header the receiver gets; [`scan_payload`] checks that the
//! payload's keys are legal without looking at its values.
//!
//! Deployed clients copy the header into the context that a service trusts and merge the payload over it, so these rules
//! are what stops a sender from forging its identity:
//!
//! - the header loses `ctx`, `from`, `ws`, `user`, `connection_type`, `encryption`, `caller_public_key` and every key that
//!   starts with `_`; the hub adds its own `ws`, `from` and `user` ([`CallerContext`]) and the absolute `to`;
//! - the payload may have the keys `args`, `with_kwargs`, `promise`, `t`, `_enc` and `data` and no other, each once, and
//!   nothing may follow it.

mod header;
mod payload;
mod reject;

pub use header::{CallerContext, Header, MAX_HEADER, claimed_sender, scan_header};
pub(crate) use payload::legal_key as legal_payload_key;
pub use payload::{PayloadKeys, scan_payload};
pub use reject::reject_frame;

use bytes::Bytes;

use crate::codec::reader::Reader;
use crate::error::Result;

/// Splits a frame into its header and its payload (empty if there is none), without looking into either.
///
/// # Errors
/// If the frame does not start with a map.
pub fn split(frame: &Bytes) -> Result<(Bytes, Bytes)> {
    let mut reader = Reader::new(frame);
    reader.clone().map("header")?;
    reader.skip()?;
    let end = reader.position();
    Ok((frame.slice(..end), frame.slice(end..)))
}

#[cfg(test)]
mod tests;
