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

/// Longest key of a transfer, in bytes.
const MAX_KEY: usize = 256;

/// Chunks from this size on are shared with the frame they came in while they wait, smaller ones are copied: a few bytes
/// must not keep a whole frame.
const SHARED_FROM: usize = 64 * 1024;

/// One transfer of a connection: the receiver's address and the key in its message cache.
pub(crate) type TransferKey = (Box<str>, Box<str>);

enum State {
    /// `create` was sent; the receiver has not answered. The flag: each call is a heartbeat of a session.
    Asked(bool),
    /// The hub stopped the transfer, and the receiver may still hold chunks of it. It goes with `remove`, or with a
    /// `create` that overwrites.
    Dead,
    /// The receiver has an empty cache entry.
    Open(bool, Box<TransferGuard>),
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
    #[error(
        "ValueError: all calls of a chunked transfer must have the same heartbeat flag, and `remove` has none"
    )]
    Heartbeat,
    #[error("ValueError: the key of a chunked transfer has at most {MAX_KEY} bytes")]
    Key,
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
    ///
    /// A receiver refuses a heartbeat of a session that it does not have, and with it the chunk. So that the hub never
    /// counts a chunk that the receiver has not taken, either all calls of a transfer are heartbeats or none is: without
    /// the session the receiver refuses `create`, and once the session has ended it refuses `process`, too.
    pub(crate) fn pass(
        &self,
        to: &str,
        call: &ChunkCall<'_>,
        payload: &Bytes,
        limit: usize,
    ) -> Result<Option<TransferKey>, TransferError> {
        if call.key.len() > MAX_KEY {
            return Err(TransferError::Key);
        }
        let key: TransferKey = (to.into(), call.key.into());
        let mut open = self.open.lock();
        match call.action {
            ChunkAction::Create { overwrite: false } if matches!(open.get(&key), Some(State::Dead)) => {
                return Err(TransferError::Unknown(key.1.into()));
            }
            ChunkAction::Create { .. } => {
                if open.len() >= limit && !open.contains_key(&key) {
                    return Err(TransferError::TooMany(limit));
                }
                open.insert(key.clone(), State::Asked(call.heartbeat));
                return Ok(Some(key));
            }
            ChunkAction::Remove if call.heartbeat => return Err(TransferError::Heartbeat),
            ChunkAction::Remove => {
                open.remove(&key);
                return Ok(None);
            }
            ChunkAction::Append { .. } | ChunkAction::Set { .. } | ChunkAction::Process => {}
        }
        let Some(State::Open(heartbeat, guard)) = open.get_mut(&key) else {
            return Err(TransferError::Unknown(key.1.into()));
        };
        if *heartbeat != call.heartbeat {
            open.insert(key, State::Dead);
            return Err(TransferError::Heartbeat);
        }
        let checked = guard.check(call.action, |data| {
            if data.len() < SHARED_FROM {
                Bytes::copy_from_slice(data)
            } else {
                payload.slice_ref(data)
            }
        });
        if checked.is_err() {
            open.insert(key.clone(), State::Dead);
        } else if call.action == ChunkAction::Process {
            open.remove(&key);
        }
        checked.map_err(|source| TransferError::Illegal {
            key: key.1.to_string(),
            source,
        })?;
        let held = |state: &State| {
            if let State::Open(_, guard) = state {
                guard.held()
            } else {
                0
            }
        };
        if open.values().map(held).sum::<usize>() > MAX_EARLY {
            open.insert(key, State::Dead);
            return Err(TransferError::TooEarly);
        }
        Ok(None)
    }

    /// The receiver has answered the `create` of this transfer.
    pub(crate) fn created(&self, key: &TransferKey, accepted: bool) {
        let mut open = self.open.lock();
        if !accepted {
            open.remove(key);
        } else if let Some(state) = open.get_mut(key)
            && let State::Asked(heartbeat) = *state
        {
            *state = State::Open(heartbeat, Box::default());
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
    fn all_calls_of_a_transfer_are_heartbeats_or_none_is() {
        let transfers = Transfers::default();
        let pass = |heartbeat, action| {
            let call = ChunkCall {
                key: "k",
                heartbeat,
                action,
            };
            transfers.pass("w/c", &call, &Bytes::new(), 2)
        };
        let create = |overwrite| ChunkAction::Create { overwrite };
        let append = ChunkAction::Append { data: b"" };
        let key = pass(false, create(false)).unwrap().unwrap();
        transfers.created(&key, true);
        assert!(matches!(pass(true, append), Err(TransferError::Heartbeat)));
        assert!(
            matches!(pass(false, append), Err(TransferError::Unknown(_))),
            "it has ended"
        );
        assert!(matches!(
            pass(true, ChunkAction::Remove),
            Err(TransferError::Heartbeat)
        ));
        // The receiver may still hold chunks: only what makes it forget them opens the key again.
        assert!(matches!(
            pass(false, create(false)),
            Err(TransferError::Unknown(_))
        ));
        assert!(pass(false, create(true)).is_ok());
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
