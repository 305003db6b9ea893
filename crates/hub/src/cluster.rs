//! What several hubs need of each other to be one system: presence, leases, and one channel per hub.
//!
//! - **Presence** names the hub that holds a client's socket. A hub publishes what it holds under its own lease and
//!   nobody else deletes it; when the hub dies, its lease and with it all its presence expires.
//! - **Leases** make work run once: whoever holds the lease does it, and must renew it.
//! - **Channels**: a frame for a client of another hub crosses once, to exactly that hub. It carries the stamped
//!   identity of its sender, so the receiving hub only delivers it.
//!
//! [`SingleProcess`] serves hubs of one process; a shared store implements the same trait for many.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

/// Receives frames that other hubs forward to this one.
pub trait Channel: Send + Sync + 'static {
    /// Delivers a stamped frame to the client at `address` (`workspace/client`). Returns whether it is here.
    fn deliver(&self, address: &str, frame: Bytes) -> bool;
}

/// What a hub asks of its siblings. Look-ups are local: implementations keep an index in memory.
pub trait Cluster: Send + Sync + 'static {
    /// Joins under this id; frames for this hub go to `channel` from now on.
    ///
    /// # Errors
    /// [`ClusterError::DuplicateHub`] when a live hub has the same id.
    fn join(&self, hub: &str, channel: Weak<dyn Channel>) -> Result<(), ClusterError>;
    /// Ends this hub's lease and all its presence.
    fn leave(&self, hub: &str);
    /// Publishes that `hub` holds the client at `address`.
    fn announce(&self, hub: &str, address: &str);
    /// Takes the announcement back, unless another hub has announced the address since.
    fn withdraw(&self, hub: &str, address: &str);
    /// Sends a stamped frame to the hub that holds `address`, if that is another hub than `hub`.
    fn forward(&self, hub: &str, address: &str, frame: &Bytes) -> bool;
    /// Takes or renews a lease for `hub`. Returns whether it is held.
    fn lease(&self, hub: &str, name: &str, life: Duration) -> bool;
}

/// Why a hub cannot join.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ClusterError {
    /// Two hubs with one id would answer for the same manager address.
    #[error(
        "Server with the same id ({0}) is already running, please use a different server id by passing \
         --server-id=new-server-id to the command line."
    )]
    DuplicateHub(String),
}

/// Hubs of one process.
#[derive(Default)]
pub struct SingleProcess(Mutex<State>);

#[derive(Default)]
struct State {
    channels: HashMap<String, Weak<dyn Channel>>,
    presence: HashMap<String, String>,
    leases: HashMap<String, (String, Instant)>,
}

impl Cluster for SingleProcess {
    fn join(&self, hub: &str, channel: Weak<dyn Channel>) -> Result<(), ClusterError> {
        let mut state = self.0.lock();
        if state
            .channels
            .get(hub)
            .is_some_and(|channel| channel.strong_count() > 0)
        {
            return Err(ClusterError::DuplicateHub(hub.into()));
        }
        state.channels.insert(hub.into(), channel);
        Ok(())
    }

    fn leave(&self, hub: &str) {
        let mut state = self.0.lock();
        state.channels.remove(hub);
        state.presence.retain(|_, holder| holder != hub);
        state.leases.retain(|_, (holder, _)| holder != hub);
    }

    fn announce(&self, hub: &str, address: &str) {
        let mut state = self.0.lock();
        // A hub that is alone is found by its own registry; nobody asks for its presence.
        if state.channels.len() > 1 {
            state.presence.insert(address.into(), hub.into());
        }
    }

    fn withdraw(&self, hub: &str, address: &str) {
        let mut state = self.0.lock();
        if state.presence.get(address).is_some_and(|holder| holder == hub) {
            state.presence.remove(address);
        }
    }

    fn forward(&self, hub: &str, address: &str, frame: &Bytes) -> bool {
        let channel = {
            let state = self.0.lock();
            let Some(holder) = state.presence.get(address).filter(|holder| *holder != hub) else {
                return false;
            };
            state.channels.get(holder).and_then(Weak::upgrade)
        };
        channel.is_some_and(|channel: Arc<dyn Channel>| channel.deliver(address, frame.clone()))
    }

    fn lease(&self, hub: &str, name: &str, life: Duration) -> bool {
        let now = Instant::now();
        let mut state = self.0.lock();
        match state.leases.get(name) {
            Some((holder, until)) if holder != hub && *until > now => false,
            _ => {
                state.leases.insert(name.into(), (hub.into(), now + life));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sink(Mutex<Vec<String>>);
    impl Channel for Sink {
        fn deliver(&self, address: &str, _: Bytes) -> bool {
            self.0.lock().push(address.into());
            true
        }
    }

    fn sink() -> (Arc<Sink>, Weak<dyn Channel>) {
        let sink = Arc::new(Sink(Mutex::default()));
        let weak: Weak<dyn Channel> = Arc::downgrade(&(sink.clone() as Arc<dyn Channel>));
        (sink, weak)
    }

    #[test]
    fn frames_cross_to_the_hub_that_announced_last_and_vanish_with_it() {
        let cluster = SingleProcess::default();
        let ((_a, weak_a), (b, weak_b)) = (sink(), sink());
        cluster.join("a", weak_a.clone()).unwrap();
        cluster.join("b", weak_b).unwrap();
        assert_eq!(
            cluster.join("a", weak_a),
            Err(ClusterError::DuplicateHub("a".into()))
        );
        cluster.announce("a", "w/c");
        cluster.announce("b", "w/c");
        cluster.withdraw("a", "w/c");
        assert!(cluster.forward("a", "w/c", &Bytes::new()));
        assert_eq!(*b.0.lock(), ["w/c"]);
        assert!(
            !cluster.forward("b", "w/c", &Bytes::new()),
            "never back to itself"
        );
        cluster.leave("b");
        assert!(!cluster.forward("a", "w/c", &Bytes::new()));
    }

    #[test]
    fn a_lease_has_one_holder_until_it_ends() {
        let cluster = SingleProcess::default();
        assert!(cluster.lease("a", "reap", Duration::from_secs(60)));
        assert!(!cluster.lease("b", "reap", Duration::from_secs(60)));
        assert!(cluster.lease("a", "reap", Duration::ZERO), "renewed");
        assert!(cluster.lease("b", "reap", Duration::from_secs(60)));
    }
}
