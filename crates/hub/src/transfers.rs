//! Chunked transfers that pass through: the hub checks the keys of the message inside, chunk by chunk, and keeps none.
//!
//! A transfer may carry data only after the receiver has accepted its `create`; otherwise a sender could make hub and
//! receiver disagree about where the inner message starts, and hide a forged identity from the check.

use std::collections::HashMap;

use bytes::Bytes;
use hypha_wire::WireError;
use hypha_wire::transfer::{ChunkAction, ChunkCall, TransferGuard};
use parking_lot::Mutex;

/// Bytes of chunks that came before their predecessors, and that one connection may make the hub hold.
const MAX_EARLY: usize = 32 * 1024 * 1024;

/// One transfer of a connection: the receiver's address and the key in its message cache.
pub(crate) type TransferKey = (Box<str>, Box<str>);

enum State {
    /// `create` was sent; the receiver has not answered.
    Asked,
    /// The receiver has an empty cache entry.
    Open(Box<TransferGuard>),
}

/// Why a chunk is not forwarded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    #[error("ValueError: too many unfinished chunked transfers (at most {0}); finish or remove them first")]
    TooMany(usize),
    #[error(
        "ValueError: too many chunks came out of order (more than {MAX_EARLY} bytes); send them in order"
    )]
    TooEarly,
    #[error(
        "KeyError: 'Message with key {0} does not exists.' (create it, and wait for the answer, before sending chunks)"
    )]
    Unknown(String),
    #[error("ValueError: the chunked message {key} is refused: {source}")]
    Illegal { key: String, source: WireError },
}

/// The unfinished transfers of one sending connection.
#[derive(Default)]
pub(crate) struct Transfers {
    open: Mutex<HashMap<TransferKey, State>>,
}

impl Transfers {
    /// Checks one call of the receiver's message cache, whose chunk is a part of `payload`.
    /// Returns the key of the transfer that it opens.
    pub(crate) fn pass(
        &self,
        to: &str,
        call: &ChunkCall<'_>,
        payload: &Bytes,
        limit: usize,
    ) -> Result<Option<TransferKey>, TransferError> {
        let key: TransferKey = (to.into(), call.key.into());
        let mut open = self.open.lock();
        match call.action {
            ChunkAction::Create { .. } => {
                if open.len() >= limit && !open.contains_key(&key) {
                    return Err(TransferError::TooMany(limit));
                }
                open.insert(key.clone(), State::Asked);
                return Ok(Some(key));
            }
            ChunkAction::Remove => {
                open.remove(&key);
                return Ok(None);
            }
            ChunkAction::Append { .. } | ChunkAction::Set { .. } | ChunkAction::Process => {}
        }
        let Some(State::Open(guard)) = open.get_mut(&key) else {
            return Err(TransferError::Unknown(key.1.into()));
        };
        let checked = guard.check(call.action, |data| payload.slice_ref(data));
        if checked.is_err() || call.action == ChunkAction::Process {
            open.remove(&key);
        }
        checked.map_err(|source| TransferError::Illegal {
            key: key.1.to_string(),
            source,
        })?;
        let held = |state: &State| {
            if let State::Open(guard) = state {
                guard.held()
            } else {
                0
            }
        };
        if open.values().map(held).sum::<usize>() > MAX_EARLY {
            open.remove(&key);
            return Err(TransferError::TooEarly);
        }
        Ok(None)
    }

    /// The receiver has answered the `create` of this transfer.
    pub(crate) fn created(&self, key: &TransferKey, accepted: bool) {
        let mut open = self.open.lock();
        if !accepted {
            open.remove(key);
        } else if let Some(state @ State::Asked) = open.get_mut(key) {
            *state = State::Open(Box::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(transfers: &Transfers, action: ChunkAction<'_>) -> Result<Option<TransferKey>, TransferError> {
        // The guard shares slices of the payload that the chunk is in.
        let payload = match action {
            ChunkAction::Append { data } | ChunkAction::Set { data, .. } => Bytes::copy_from_slice(data),
            _ => Bytes::new(),
        };
        let action = match action {
            ChunkAction::Append { .. } => ChunkAction::Append { data: &payload },
            ChunkAction::Set { index, .. } => ChunkAction::Set {
                index,
                data: &payload,
            },
            other => other,
        };
        transfers.pass(
            "w/c",
            &ChunkCall {
                key: "k",
                heartbeat: false,
                action,
            },
            &payload,
            2,
        )
    }

    fn open(transfers: &Transfers, accepted: bool) {
        let key = pass(transfers, ChunkAction::Create { overwrite: false })
            .unwrap()
            .unwrap();
        transfers.created(&key, accepted);
    }

    #[test]
    fn data_needs_an_accepted_create() {
        let transfers = Transfers::default();
        let set = || ChunkAction::Set {
            index: 0,
            data: b"\x82\xa4type\xa6method\xa6method\xa1m",
        };
        assert!(matches!(pass(&transfers, set()), Err(TransferError::Unknown(_))));
        let key = pass(&transfers, ChunkAction::Create { overwrite: false })
            .unwrap()
            .unwrap();
        assert!(
            matches!(pass(&transfers, set()), Err(TransferError::Unknown(_))),
            "not answered yet"
        );
        transfers.created(&key, false);
        assert!(
            matches!(pass(&transfers, set()), Err(TransferError::Unknown(_))),
            "refused"
        );
        open(&transfers, true);
        pass(&transfers, set()).unwrap();
        assert!(pass(&transfers, set()).is_err(), "a chunk is sent once");
    }

    #[test]
    fn a_forged_key_inside_ends_the_transfer() {
        let transfers = Transfers::default();
        open(&transfers, true);
        let append = || ChunkAction::Append {
            data: b"\x81\xa3ctx\x80",
        };
        assert!(matches!(
            pass(&transfers, append()),
            Err(TransferError::Illegal { .. })
        ));
        assert!(matches!(
            pass(&transfers, append()),
            Err(TransferError::Unknown(_))
        ));
    }

    #[test]
    fn an_incomplete_message_is_not_processed() {
        let transfers = Transfers::default();
        open(&transfers, true);
        pass(&transfers, ChunkAction::Append { data: b"\x81" }).unwrap();
        assert!(matches!(
            pass(&transfers, ChunkAction::Process),
            Err(TransferError::Illegal { .. })
        ));
    }
}
