//! Sessions: what a peer keeps for a call until it is over.
//!
//! A session has a target, the only peer that may reach into it. It holds the waiter of a pending call, functions
//! that the target may call (callbacks among the arguments, or functions inside a result), or both. Its id is
//! unguessable, so that knowing the address of a peer is not enough to reach its sessions even by mistake.
//!
//! Sessions that nobody waits for end when they have not been used for long, or when there are too many of them for
//! one target: then the oldest goes.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hypha_wire::Value;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Error;
use crate::function::Function;

/// Sessions without a waiter are dropped after this long without a call.
const IDLE_TTL: Duration = Duration::from_secs(600);
/// Idle sessions are looked for at most this often.
const SWEEP_EVERY: Duration = Duration::from_secs(300);

/// The id of a local session. On the wire: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SessionId(u64);

impl SessionId {
    /// Reads an id; `None` for anything that is not the text of one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let canonical = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        canonical
            .then(|| u64::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a settled call hands to its waiter.
pub(crate) type Outcome = Result<Value, Error>;

struct Session {
    target: Arc<str>,
    waiter: Option<oneshot::Sender<Outcome>>,
    /// When the call was last known to be alive.
    last_alive: Instant,
    objects: HashMap<String, Function>,
    /// Sessions that die with this one.
    children: Vec<SessionId>,
}

/// The outcome of looking for something in a session.
pub(crate) enum Lookup<T> {
    /// It is there.
    Found(T),
    /// There is no such session.
    NoSession,
    /// The session belongs to another peer, which is named.
    Denied(Arc<str>),
    /// The session does not hold it.
    NoObject,
}

/// The sessions of one peer.
pub(crate) struct Sessions(Mutex<Table>);

struct Table {
    sessions: HashMap<SessionId, Session>,
    /// The sessions without a waiter, by target, oldest first. Some may be gone already.
    kept: HashMap<Arc<str>, VecDeque<SessionId>>,
    max_kept: usize,
    next_sweep: Instant,
}

impl Sessions {
    /// No sessions yet; at most `max_kept` without a waiter for each target.
    pub(crate) fn new(max_kept: usize) -> Self {
        Self(Mutex::new(Table {
            sessions: HashMap::new(),
            kept: HashMap::new(),
            max_kept,
            next_sweep: Instant::now() + SWEEP_EVERY,
        }))
    }

    /// Makes a session without a waiter. It dies with `owner`, if that is given and still there.
    pub(crate) fn open(&self, target: Arc<str>, owner: Option<SessionId>) -> SessionId {
        self.insert(target, None, owner)
    }

    /// Makes a session for a call that waits for an answer.
    pub(crate) fn open_pending(&self, target: Arc<str>) -> (SessionId, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (self.insert(target, Some(sender), None), receiver)
    }

    fn insert(
        &self,
        target: Arc<str>,
        waiter: Option<oneshot::Sender<Outcome>>,
        owner: Option<SessionId>,
    ) -> SessionId {
        let now = Instant::now();
        let mut table = self.0.lock();
        let mut expired = table.sweep(now);
        let id = loop {
            let id = SessionId(rand::random());
            if !table.sessions.contains_key(&id) {
                break id;
            }
        };
        if let Some(owner) = owner.and_then(|owner| table.sessions.get_mut(&owner)) {
            owner.children.push(id);
        }
        if waiter.is_none() {
            expired.append(&mut table.keep(id, &target));
        }
        let session = Session {
            target,
            waiter,
            last_alive: now,
            objects: HashMap::new(),
            children: Vec::new(),
        };
        table.sessions.insert(id, session);
        drop(table);
        // Dropping functions can drop a user's values, which may do anything, so it is done without the lock.
        drop(expired);
        id
    }

    /// Keeps a function in a session; gives the key it is found under.
    pub(crate) fn add_object(&self, id: SessionId, name: Option<&str>, function: Function) -> String {
        let mut key = format!("{:016x}", rand::random::<u64>());
        if let Some(name) = name {
            key.push('#');
            key.push_str(name);
        }
        if let Some(session) = self.0.lock().sessions.get_mut(&id) {
            session.objects.insert(key.clone(), function);
        }
        key
    }

    /// Keeps the two functions of a generator; gives the key of `next`. `close` is at `<key>:close`.
    pub(crate) fn add_generator(&self, id: SessionId, next: Function, close: Function) -> String {
        let key = self.add_object(id, None, next);
        if let Some(session) = self.0.lock().sessions.get_mut(&id) {
            session.objects.insert(format!("{key}:close"), close);
        }
        key
    }

    /// Forgets a generator that has ended or was closed; the session too when nothing is left in it.
    pub(crate) fn remove_generator(&self, id: SessionId, key: &str) {
        let mut table = self.0.lock();
        let Some(session) = table.sessions.get_mut(&id) else {
            return;
        };
        let functions = (
            session.objects.remove(key),
            session.objects.remove(&format!("{key}:close")),
        );
        let removed = if session.objects.is_empty() && session.waiter.is_none() {
            table.take(id)
        } else {
            Vec::new()
        };
        drop(table);
        drop((functions, removed));
    }

    /// Looks for a function on behalf of `from`.
    pub(crate) fn object(&self, id: SessionId, from: &str, key: &str) -> Lookup<Function> {
        let mut table = self.0.lock();
        let Some(session) = table.sessions.get_mut(&id) else {
            return Lookup::NoSession;
        };
        if *session.target != *from {
            return Lookup::Denied(Arc::clone(&session.target));
        }
        session.last_alive = Instant::now();
        match session.objects.get(key) {
            Some(function) => Lookup::Found(Arc::clone(function)),
            None => Lookup::NoObject,
        }
    }

    /// Ends a call on behalf of `from`: removes the session with all it holds and hands over the waiter.
    pub(crate) fn settle(&self, id: SessionId, from: &str) -> Lookup<oneshot::Sender<Outcome>> {
        let mut table = self.0.lock();
        let Some(session) = table.sessions.get_mut(&id) else {
            return Lookup::NoSession;
        };
        if *session.target != *from {
            return Lookup::Denied(Arc::clone(&session.target));
        }
        let Some(waiter) = session.waiter.take() else {
            return Lookup::NoObject;
        };
        let removed = table.take(id);
        drop(table);
        drop(removed);
        Lookup::Found(waiter)
    }

    /// Notes that a call is alive, on behalf of `from`.
    pub(crate) fn heartbeat(&self, id: SessionId, from: &str) -> Lookup<()> {
        let mut table = self.0.lock();
        let Some(session) = table.sessions.get_mut(&id) else {
            return Lookup::NoSession;
        };
        if *session.target != *from {
            return Lookup::Denied(Arc::clone(&session.target));
        }
        session.last_alive = Instant::now();
        Lookup::Found(())
    }

    /// Notes that the call of a session is alive, if the session belongs to `from`; false when it does not.
    pub(crate) fn alive(&self, id: SessionId, from: &str) -> bool {
        matches!(self.heartbeat(id, from), Lookup::Found(()))
    }

    /// Starts the clock of a call anew, for the moment its request was sent.
    pub(crate) fn touch(&self, id: SessionId) {
        if let Some(session) = self.0.lock().sessions.get_mut(&id) {
            session.last_alive = Instant::now();
        }
    }

    /// When the call was last known to be alive; `None` when it is over.
    pub(crate) fn last_alive(&self, id: SessionId) -> Option<Instant> {
        self.0.lock().sessions.get(&id).map(|session| session.last_alive)
    }

    /// Is the session there?
    pub(crate) fn contains(&self, id: SessionId) -> bool {
        self.0.lock().sessions.contains_key(&id)
    }

    /// Does the session hold functions?
    pub(crate) fn has_objects(&self, id: SessionId) -> bool {
        self.0
            .lock()
            .sessions
            .get(&id)
            .is_some_and(|session| !session.objects.is_empty())
    }

    /// Removes a session and those that die with it. A waiter sees its channel close.
    pub(crate) fn remove(&self, id: SessionId) {
        let removed = self.0.lock().take(id);
        drop(removed);
    }

    /// Removes all sessions whose target is chosen, failing the calls that wait.
    pub(crate) fn fail(&self, chosen: impl Fn(&str) -> bool, error: impl Fn(&str) -> Error) {
        let mut table = self.0.lock();
        table.kept.retain(|target, _| !chosen(target));
        let ids: Vec<SessionId> = table
            .sessions
            .iter()
            .filter(|(_, session)| chosen(&session.target))
            .map(|(id, _)| *id)
            .collect();
        let removed: Vec<Session> = ids.into_iter().flat_map(|id| table.take(id)).collect();
        drop(table);
        for session in removed {
            if let Some(waiter) = session.waiter {
                let _ = waiter.send(Err(error(&session.target)));
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().sessions.len()
    }
}

impl Table {
    fn take(&mut self, id: SessionId) -> Vec<Session> {
        let mut removed = Vec::new();
        let mut ids = vec![id];
        while let Some(id) = ids.pop() {
            if let Some(mut session) = self.sessions.remove(&id) {
                ids.append(&mut session.children);
                removed.push(session);
            }
        }
        removed
    }

    /// Notes a session without a waiter; takes out the oldest one of the target if there are too many.
    fn keep(&mut self, id: SessionId, target: &Arc<str>) -> Vec<Session> {
        let sessions = &self.sessions;
        let kept = self.kept.entry(Arc::clone(target)).or_default();
        if kept.len() >= self.max_kept {
            kept.retain(|id| sessions.contains_key(id));
        }
        let oldest = if kept.len() >= self.max_kept {
            kept.pop_front()
        } else {
            None
        };
        kept.push_back(id);
        oldest.map_or_else(Vec::new, |oldest| self.take(oldest))
    }

    /// Takes out the sessions that nobody waits for and nobody has used for long, if it is time to look.
    fn sweep(&mut self, now: Instant) -> Vec<Session> {
        if now < self.next_sweep {
            return Vec::new();
        }
        self.next_sweep = now + SWEEP_EVERY;
        let expired = self.expire(now);
        let sessions = &self.sessions;
        self.kept.retain(|_, kept| {
            kept.retain(|id| sessions.contains_key(id));
            !kept.is_empty()
        });
        expired
    }

    fn expire(&mut self, now: Instant) -> Vec<Session> {
        self.sessions
            .extract_if(|_, session| session.waiter.is_none() && now - session.last_alive > IDLE_TTL)
            .map(|(_, session)| session)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function() -> Function {
        Arc::new(|_, _| Box::pin(std::future::ready(Ok(Value::Nil))))
    }

    #[test]
    fn ids_have_one_text() {
        let id = SessionId(0xab);
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        for text in ["", "ab", "+0000000000000ab", "00000000000000AB", "services"] {
            assert_eq!(SessionId::parse(text), None, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_sessions_go_and_pending_ones_stay() {
        let sessions = Sessions::new(100);
        let target: Arc<str> = Arc::from("ws/c");
        let idle = sessions.open(Arc::clone(&target), None);
        let key = sessions.add_object(idle, Some("f"), function());
        let (pending, _receiver) = sessions.open_pending(Arc::clone(&target));
        tokio::time::advance(Duration::from_secs(400)).await;
        assert!(
            matches!(sessions.object(idle, "ws/c", &key), Lookup::Found(_)),
            "use keeps a session"
        );
        tokio::time::advance(Duration::from_secs(400)).await;
        sessions.open(Arc::clone(&target), None);
        assert!(sessions.contains(idle));
        tokio::time::advance(Duration::from_secs(601)).await;
        sessions.open(target, None);
        assert!(!sessions.contains(idle));
        assert!(sessions.contains(pending));
    }

    #[tokio::test]
    async fn too_many_for_one_target_push_out_the_oldest() {
        let sessions = Sessions::new(2);
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("ws/a"), Arc::from("ws/b"));
        let of_b = sessions.open(b, None);
        let of_a: Vec<SessionId> = (0..3).map(|_| sessions.open(Arc::clone(&a), None)).collect();
        assert!(!sessions.contains(of_a[0]));
        assert!(sessions.contains(of_a[1]) && sessions.contains(of_a[2]) && sessions.contains(of_b));
        sessions.remove(of_a[2]);
        sessions.open(a, None);
        assert!(sessions.contains(of_a[1]), "those that are gone do not count");
    }

    #[tokio::test]
    async fn only_the_target_reaches_in_and_children_die_with_their_owner() {
        let sessions = Sessions::new(100);
        let target: Arc<str> = Arc::from("ws/c");
        let (id, mut receiver) = sessions.open_pending(Arc::clone(&target));
        let child = sessions.open(target, Some(id));
        assert!(matches!(sessions.settle(id, "ws/other"), Lookup::Denied(_)));
        assert!(receiver.try_recv().is_err());
        let Lookup::Found(waiter) = sessions.settle(id, "ws/c") else {
            panic!("not found")
        };
        waiter.send(Ok(Value::Nil)).unwrap();
        assert!(!sessions.contains(child));
        assert_eq!(sessions.len(), 0);
    }
}
