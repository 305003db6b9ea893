//! What a hub keeps about a chunked transfer that passes through it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::TransferScan;
use super::call::ChunkAction;
use crate::error::{Result, WireError};

/// Watches over one transfer: scans its chunks in order, and lets it be processed only when all of it was seen and is legal.
///
/// Chunks may arrive out of order; those that come early are held here (shared, not copied, if the caller shares) up to a bound.
/// A chunk may be sent once, for the receiver would believe the last one.
#[derive(Debug, Default)]
pub struct TransferGuard {
    scan: TransferScan,
    /// Index of the chunk to be scanned next.
    next: u64,
    early: BTreeMap<u64, Bytes>,
    early_bytes: usize,
    /// The first chunk decides between `append` and `set`; the two do not mix.
    appends: Option<bool>,
}

impl TransferGuard {
    /// Bytes of chunks that came before their predecessors, and that one transfer may hold.
    pub const MAX_EARLY: usize = 16 * 1024 * 1024;

    /// A transfer that has just been created.
    pub fn new() -> Self {
        TransferGuard::default()
    }

    /// Bytes held because they came early; for a bound over many transfers.
    pub fn held(&self) -> usize {
        self.early_bytes
    }

    /// Decides whether a call of this transfer may pass. `share` makes a chunk of the call outlive it
    /// (`|data| frame.slice_ref(data)`, or a copy).
    ///
    /// # Errors
    /// The violation. The hub then drops the transfer; the receiver never gets to process it.
    pub fn check(&mut self, action: ChunkAction<'_>, share: impl FnOnce(&[u8]) -> Bytes) -> Result<()> {
        match action {
            ChunkAction::Create { .. } | ChunkAction::Remove => Ok(()),
            ChunkAction::Append { data } => {
                self.mode(true)?;
                self.scan.feed(data)
            }
            ChunkAction::Set { index, data } => {
                self.mode(false)?;
                self.set(index, data, share)
            }
            ChunkAction::Process => {
                if !self.early.is_empty() {
                    return Err(WireError::Truncated);
                }
                self.scan.finish()
            }
        }
    }

    fn mode(&mut self, appends: bool) -> Result<()> {
        match *self.appends.get_or_insert(appends) == appends {
            true => Ok(()),
            false => Err(WireError::bad_type(
                "method",
                "the same for all chunks of a message (set or append)",
            )),
        }
    }

    fn set(&mut self, index: u64, data: &[u8], share: impl FnOnce(&[u8]) -> Bytes) -> Result<()> {
        if index < self.next || self.early.contains_key(&index) {
            return Err(WireError::DuplicateKey {
                key: format!("chunk {index}"),
            });
        }
        if index > self.next {
            // The entry itself is counted too, so that empty chunks are not free.
            self.early_bytes += data.len() + size_of::<(u64, Bytes)>();
            if self.early_bytes > Self::MAX_EARLY {
                return Err(WireError::TooLarge {
                    what: "chunks out of order (bytes)",
                    max: Self::MAX_EARLY,
                });
            }
            self.early.insert(index, share(data));
            return Ok(());
        }
        self.scan.feed(data)?;
        self.next += 1;
        while let Some(data) = self.early.remove(&self.next) {
            self.early_bytes -= data.len() + size_of::<(u64, Bytes)>();
            self.scan.feed(&data)?;
            self.next += 1;
        }
        Ok(())
    }
}
