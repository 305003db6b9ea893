//! Which peer and session a conversion belongs to.
//!
//! A callback inside an argument has to be put into the session of the call it travels with, and a remote function
//! inside a received value has to know the peer it is called through. Both are met deep inside a user's types, by
//! serde, which passes no context. So the context is kept in a thread-local for exactly as long as one conversion
//! runs; a conversion never awaits, so it never leaves its thread.

use std::cell::RefCell;
use std::sync::Arc;

use hypha_wire::{Method, Promise, Value, WireError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::function::Function;
use crate::peer::{Peer, SessionId};
use crate::service::CallContext;

thread_local! {
    static CURRENT: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// The running conversion.
enum Scope {
    /// Values leave for `target`; functions inside them are kept in `session`.
    Encode(Encoder),
    /// Values came in; calls of functions inside them belong to `parent`, a session of their sender.
    Decode { peer: Peer, parent: Option<Arc<str>> },
}

/// The state of converting one call's arguments, or one result.
pub(crate) struct Encoder {
    pub(crate) peer: Peer,
    /// Who will call the functions inside the values: `workspace/client`.
    pub(crate) target: Arc<str>,
    /// Where they are kept; made when the first one is met.
    pub(crate) session: Option<SessionId>,
    /// A local session the new one dies with.
    pub(crate) owner: Option<SessionId>,
}

impl Encoder {
    /// The session that holds the functions, made if there is none.
    fn session(&mut self) -> SessionId {
        let Self {
            peer,
            target,
            session,
            owner,
        } = self;
        *session.get_or_insert_with(|| peer.sessions().open(Arc::clone(target), *owner))
    }
}

/// Puts the previous scope back, also when a conversion panics.
struct Restore(Option<Scope>);

impl Drop for Restore {
    fn drop(&mut self) {
        let previous = self.0.take();
        CURRENT.with(|current| *current.borrow_mut() = previous);
    }
}

fn enter(scope: Scope) -> Restore {
    Restore(CURRENT.with(|current| current.borrow_mut().replace(scope)))
}

/// Runs `convert` with `encoder` in place and hands it back, with the session it may have made.
pub(crate) fn encode<T>(encoder: Encoder, convert: impl FnOnce() -> T) -> (T, Option<SessionId>) {
    let restore = enter(Scope::Encode(encoder));
    let result = convert();
    let session = CURRENT.with(|current| match &*current.borrow() {
        Some(Scope::Encode(encoder)) => encoder.session,
        _ => None,
    });
    drop(restore);
    (result, session)
}

/// Converts a result of the call `context`.
pub(crate) fn encode_result<T: Serialize + ?Sized>(
    context: &CallContext,
    value: &T,
) -> Result<Value, WireError> {
    let encoder = Encoder {
        peer: context.peer().clone(),
        target: Arc::from(context.from()),
        session: context.results().get().copied(),
        owner: context.parent().and_then(SessionId::parse),
    };
    let (result, session) = encode(encoder, || hypha_wire::to_value(value));
    if let Some(session) = session {
        let _ = context.results().set(session);
    }
    result
}

/// Converts a received value; functions inside it are called through `peer` and belong to the sender's session `parent`.
pub(crate) fn decode<T: DeserializeOwned>(
    peer: &Peer,
    parent: Option<&str>,
    value: Value,
) -> Result<T, WireError> {
    let _restore = enter(Scope::Decode {
        peer: peer.clone(),
        parent: parent.map(Arc::from),
    });
    hypha_wire::from_value(value)
}

/// The peer of the conversion that runs, and the session that calls belong to; `None` outside of one.
pub(crate) fn receiver() -> Option<(Peer, Option<Arc<str>>)> {
    CURRENT.with(|current| match &*current.borrow() {
        Some(Scope::Decode { peer, parent }) => Some((peer.clone(), parent.clone())),
        _ => None,
    })
}

/// The peer of the conversion that runs, if it is an outgoing one.
pub(crate) fn sender() -> Option<Peer> {
    with_encoder(|encoder| encoder.peer.clone())
}

/// Keeps a function in the session of the conversion that runs; `None` outside of an outgoing one.
pub(crate) fn keep(name: Option<&str>, function: Function) -> Option<Method> {
    with_encoder(|encoder| {
        let session = encoder.session();
        let key = encoder.peer.sessions().add_object(session, name, function);
        let mut method = encoder
            .peer
            .local_method(format!("{session}.{key}"), Promise::Short);
        method.name = name.map(str::to_owned);
        method.encryption_public_key = encoder.peer.public_key_bytes();
        method
    })
}

/// Keeps the two functions of a generator; gives the paths of `next` and `close`.
pub(crate) fn keep_generator(next: Function, close: Function) -> Option<(Peer, String, String)> {
    with_encoder(|encoder| {
        let session = encoder.session();
        let key = encoder.peer.sessions().add_generator(session, next, close);
        let next = format!("{session}.{key}");
        let close = format!("{next}:close");
        (encoder.peer.clone(), next, close)
    })
}

/// The peer and the one who will receive the value of the conversion that runs.
pub(crate) fn receiver_of_value() -> Option<(Peer, Arc<str>)> {
    with_encoder(|encoder| (encoder.peer.clone(), Arc::clone(&encoder.target)))
}

fn with_encoder<T>(f: impl FnOnce(&mut Encoder) -> T) -> Option<T> {
    CURRENT.with(|current| match &mut *current.borrow_mut() {
        Some(Scope::Encode(encoder)) => Some(f(encoder)),
        _ => None,
    })
}
