//! Messages that are too large for one frame.
//!
//! The sender cuts the frame into chunks and calls `message_cache` of the receiver's built-in service: `create`, then `set`
//! (or `append`) for each chunk, then `process`. The receiver joins the chunks, replaces the identity in the header with the one
//! of the `process` call, and goes on as if the message had come in one frame.
//!
//! | who | uses |
//! |---|---|
//! | a sender | [`is_direct`], [`chunks`] |
//! | a receiver | [`Reassembly`] |
//! | a hub in between | [`parse_chunk_call`], and one [`TransferGuard`] per transfer, which applies the rules of [`frame`](crate::frame) to the chunks as they pass |

mod call;
mod guard;
mod reassembly;
mod scan;

use std::ops::Range;

pub use call::{ChunkAction, ChunkCall, parse_chunk_call};
pub use guard::TransferGuard;
pub use reassembly::{Reassembly, ReassemblyLimits};
pub use scan::TransferScan;

/// Bytes per chunk.
pub const CHUNK_SIZE: usize = 256 * 1024;

/// Bytes that a frame may have beyond [`CHUNK_SIZE`] and still be sent in one piece.
const DIRECT_SLACK: usize = 1024;

/// True if a frame of `len` bytes is sent as it is, false if in chunks.
pub fn is_direct(len: usize) -> bool {
    len <= CHUNK_SIZE + DIRECT_SLACK
}

/// The ranges of the chunks of a frame of `len` bytes, in order. `size` of 0 counts as 1.
pub fn chunks(len: usize, size: usize) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
    let size = size.max(1);
    (0..len.div_ceil(size)).map(move |index| {
        let start = index * size;
        start..len.min(start.saturating_add(size))
    })
}

#[cfg(test)]
mod tests;
