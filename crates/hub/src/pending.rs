//! Calls that wait for an answer of one connection, so that their callers hear at once when it is gone.
//!
//! Kept at the called side. An entry is made when a message with a `session` passes, and removed when the answer
//! (`<session>.resolve` or `<session>.reject`) passes the other way.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::connection::Connection;
use crate::transfers::TransferKey;

/// Unanswered calls of one caller that are tracked; calls beyond that fail by their own timeouts only.
const MAX_PER_CALLER: usize = 16_384;

/// Longest session id that is tracked, in bytes. Those of clients are random words, joined by dots when calls are nested.
const MAX_SESSION: usize = 256;

/// One unanswered call.
pub(crate) struct PendingCall {
    pub(crate) caller: Weak<Connection>,
    pub(crate) session: Box<str>,
    /// The chunked transfer that this call opens, if it is one.
    pub(crate) opens: Option<TransferKey>,
}

/// The unanswered calls to one connection.
#[derive(Default)]
pub(crate) struct PendingCalls {
    calls: Mutex<HashMap<u64, PendingCall, foldhash::fast::RandomState>>,
    count: AtomicUsize,
}

impl PendingCalls {
    /// Notes that `caller` waits for an answer to `session`.
    pub(crate) fn add(&self, caller: &Arc<Connection>, session: &str, opens: Option<TransferKey>) {
        if session.len() > MAX_SESSION {
            return;
        }
        if caller.outstanding.fetch_add(1, Ordering::Relaxed) >= MAX_PER_CALLER {
            caller.outstanding.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let call = PendingCall {
            caller: Arc::downgrade(caller),
            session: session.into(),
            opens,
        };
        let mut calls = self.calls.lock();
        let key = calls.hasher().hash_one((&*caller.address, session));
        if calls.insert(key, call).is_some() {
            caller.outstanding.fetch_sub(1, Ordering::Relaxed);
        }
        self.count.store(calls.len(), Ordering::Relaxed);
    }

    /// Removes the call of the client at `caller` that `session` names.
    pub(crate) fn answered(&self, caller: &str, session: &str) -> Option<PendingCall> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut calls = self.calls.lock();
        let key = calls.hasher().hash_one((caller, session));
        let call = calls.remove(&key)?;
        self.count.store(calls.len(), Ordering::Relaxed);
        drop(calls);
        if let Some(caller) = call.caller.upgrade() {
            caller.outstanding.fetch_sub(1, Ordering::Relaxed);
        }
        Some(call)
    }

    /// Whether the client at `caller` waits for an answer to `session`.
    pub(crate) fn contains(&self, caller: &str, session: &str) -> bool {
        let calls = self.calls.lock();
        calls.contains_key(&calls.hasher().hash_one((caller, session)))
    }

    /// Takes all calls: the connection is gone, or another one of the same client goes on in its place.
    pub(crate) fn drain(&self) -> Vec<PendingCall> {
        let mut calls = self.calls.lock();
        self.count.store(0, Ordering::Relaxed);
        std::mem::take(&mut *calls).into_values().collect()
    }

    /// Puts calls here that were taken from the connection that this one supersedes.
    pub(crate) fn adopt(&self, taken: Vec<PendingCall>) {
        let mut calls = self.calls.lock();
        for call in taken {
            let Some(caller) = call.caller.upgrade() else {
                continue;
            };
            let key = calls.hasher().hash_one((&*caller.address, &*call.session));
            calls.insert(key, call);
        }
        self.count.store(calls.len(), Ordering::Relaxed);
    }
}

/// The session that a reply method ends: `S` of `S.resolve` and `S.reject`, and whether it was resolved.
pub(crate) fn answered_session(method: &str) -> Option<(&str, bool)> {
    match method.rsplit_once('.')? {
        (session, "resolve") => Some((session, true)),
        (session, "reject") => Some((session, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::answered_session;

    #[test]
    fn replies_name_their_session() {
        assert_eq!(answered_session("a.b.resolve"), Some(("a.b", true)));
        assert_eq!(answered_session("a.reject"), Some(("a", false)));
        assert_eq!(answered_session("a.heartbeat"), None);
        assert_eq!(answered_session("resolve"), None);
    }
}
