//! The receiver's end: chunks by sender and key, bounded.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::error::{Result, WireError};

/// What the senders together and each of them may keep at a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReassemblyLimits {
    /// Bytes of one sender's transfers.
    pub sender_bytes: usize,
    /// Number of one sender's transfers.
    pub sender_transfers: usize,
    /// Bytes of all transfers.
    pub total_bytes: usize,
    /// A transfer without a new chunk for this long is forgotten by [`Reassembly::expire`].
    pub idle: Duration,
}

impl Default for ReassemblyLimits {
    fn default() -> Self {
        ReassemblyLimits {
            sender_bytes: 2 << 30,
            sender_transfers: 64,
            total_bytes: 4 << 30,
            idle: Duration::from_secs(300),
        }
    }
}

/// Counted for each transfer and each chunk beside its bytes, so that empty ones are not free.
const OVERHEAD: usize = 128;

/// Transfers that are under way. A sender only ever sees its own keys.
#[derive(Debug, Default)]
pub struct Reassembly {
    limits: ReassemblyLimits,
    senders: HashMap<String, HashMap<String, Transfer>>,
    total: usize,
}

#[derive(Debug)]
struct Transfer {
    chunks: BTreeMap<u64, Bytes>,
    /// Index that `append` uses next: one more than the highest.
    next: u64,
    /// What the transfer counts for.
    size: usize,
    touched: Instant,
}

impl Reassembly {
    /// No transfers yet.
    pub fn new(limits: ReassemblyLimits) -> Self {
        Reassembly {
            limits,
            ..Reassembly::default()
        }
    }

    /// Bytes kept for all senders, with overhead.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Starts a transfer.
    ///
    /// # Errors
    /// If the key is in use and `overwrite` is false, or a limit is reached.
    pub fn create(&mut self, sender: &str, key: &str, overwrite: bool, now: Instant) -> Result<()> {
        let exists = self
            .senders
            .get(sender)
            .is_some_and(|transfers| transfers.contains_key(key));
        if exists && !overwrite {
            return Err(WireError::TransferExists { key: key.to_owned() });
        }
        if exists {
            self.take(sender, key)?;
        }
        let count = self.senders.get(sender).map_or(0, HashMap::len);
        if count >= self.limits.sender_transfers {
            let max = self.limits.sender_transfers;
            return Err(WireError::TooLarge {
                what: "number of chunked messages under way",
                max,
            });
        }
        let size = OVERHEAD + key.len();
        self.room(sender, size)?;
        self.total += size;
        let transfer = Transfer {
            chunks: BTreeMap::new(),
            next: 0,
            size,
            touched: now,
        };
        self.senders
            .entry(sender.to_owned())
            .or_default()
            .insert(key.to_owned(), transfer);
        Ok(())
    }

    /// Adds the next chunk.
    ///
    /// # Errors
    /// If there is no such transfer, or a limit is reached; the transfer stays as it was.
    pub fn append(&mut self, sender: &str, key: &str, data: Bytes, now: Instant) -> Result<()> {
        let index = self.transfer(sender, key)?.next;
        self.set(sender, key, index, data, now)
    }

    /// Adds the chunk at `index`, in place of one that was there.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn set(&mut self, sender: &str, key: &str, index: u64, data: Bytes, now: Instant) -> Result<()> {
        self.transfer(sender, key)?;
        let size = data.len() + OVERHEAD;
        self.room(sender, size)?;
        let transfer = self.transfer(sender, key)?;
        let replaced = transfer
            .chunks
            .insert(index, data)
            .map_or(0, |old| old.len() + OVERHEAD);
        transfer.next = transfer.next.max(index.saturating_add(1));
        transfer.size = transfer.size + size - replaced;
        transfer.touched = now;
        self.total = self.total + size - replaced;
        Ok(())
    }

    /// Ends a transfer: the joined message.
    ///
    /// # Errors
    /// If there is no such transfer, or a chunk is missing; the transfer is forgotten in both cases.
    pub fn process(&mut self, sender: &str, key: &str) -> Result<Bytes> {
        let transfer = self.take(sender, key)?;
        let missing = (0..)
            .zip(transfer.chunks.keys())
            .find(|(wanted, index)| wanted != *index);
        if let Some((missing, _)) = missing {
            return Err(WireError::TransferIncomplete {
                key: key.to_owned(),
                missing,
            });
        }
        let mut chunks = transfer.chunks;
        if chunks.len() == 1 {
            return Ok(chunks.pop_first().map(|(_, chunk)| chunk).unwrap_or_default());
        }
        let mut joined = BytesMut::with_capacity(chunks.values().map(Bytes::len).sum());
        chunks.values().for_each(|chunk| joined.extend_from_slice(chunk));
        Ok(joined.freeze())
    }

    /// Forgets a transfer.
    ///
    /// # Errors
    /// If there is no such transfer.
    pub fn remove(&mut self, sender: &str, key: &str) -> Result<()> {
        self.take(sender, key).map(|_| ())
    }

    /// Forgets all transfers of a sender that is gone.
    pub fn remove_sender(&mut self, sender: &str) {
        let transfers = self.senders.remove(sender).unwrap_or_default();
        self.total -= transfers.values().map(|transfer| transfer.size).sum::<usize>();
    }

    /// Forgets transfers that have been idle for too long; how many.
    pub fn expire(&mut self, now: Instant) -> usize {
        let mut expired = 0;
        for transfers in self.senders.values_mut() {
            transfers.retain(|_, transfer| {
                let live = now.saturating_duration_since(transfer.touched) < self.limits.idle;
                if !live {
                    expired += 1;
                    self.total -= transfer.size;
                }
                live
            });
        }
        self.senders.retain(|_, transfers| !transfers.is_empty());
        expired
    }

    fn transfer(&mut self, sender: &str, key: &str) -> Result<&mut Transfer> {
        self.senders
            .get_mut(sender)
            .and_then(|transfers| transfers.get_mut(key))
            .ok_or_else(|| WireError::TransferUnknown { key: key.to_owned() })
    }

    fn take(&mut self, sender: &str, key: &str) -> Result<Transfer> {
        let unknown = || WireError::TransferUnknown { key: key.to_owned() };
        let transfers = self.senders.get_mut(sender).ok_or_else(unknown)?;
        let transfer = transfers.remove(key).ok_or_else(unknown)?;
        if transfers.is_empty() {
            self.senders.remove(sender);
        }
        self.total -= transfer.size;
        Ok(transfer)
    }

    /// Checks that `more` bytes of a sender are within the limits.
    fn room(&self, sender: &str, more: usize) -> Result<()> {
        let limits = &self.limits;
        let transfers = self.senders.get(sender);
        let used: usize = transfers
            .into_iter()
            .flat_map(HashMap::values)
            .map(|transfer| transfer.size)
            .sum();
        if used + more > limits.sender_bytes {
            let what = "chunked messages of one sender (bytes)";
            return Err(WireError::TooLarge {
                what,
                max: limits.sender_bytes,
            });
        }
        if self.total + more > limits.total_bytes {
            let what = "chunked messages under way (bytes)";
            return Err(WireError::TooLarge {
                what,
                max: limits.total_bytes,
            });
        }
        Ok(())
    }
}
