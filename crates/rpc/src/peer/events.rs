//! Events: messages that are not calls, and the handlers of their kinds.

use std::collections::HashMap;
use std::sync::Arc;

use hypha_wire::Value;
use parking_lot::RwLock;

/// A message whose kind is not a call: a system event of the hub, or one that another client has sent.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its `type`.
    pub kind: String,
    /// The client that sent it, `workspace/client`; `None` for the hub's own events and local ones.
    pub from: Option<String>,
    /// The sender's workspace.
    pub workspace: Option<String>,
    /// The sender's user record.
    pub user: Value,
    /// Everything else the message carries; by convention the payload is under `data`.
    pub fields: Vec<(String, Value)>,
}

impl Event {
    /// An event to be fired locally.
    pub fn local(kind: impl Into<String>, data: impl Into<Value>) -> Self {
        Self {
            kind: kind.into(),
            from: None,
            workspace: None,
            user: Value::Nil,
            fields: vec![("data".to_owned(), data.into())],
        }
    }

    /// Does it come from the hub, or from this peer itself? The hub stamps what clients send with their address, so no
    /// client can send such an event.
    pub fn is_from_hub(&self) -> bool {
        is_hub(self.from.as_deref())
    }

    /// The field `data`.
    pub fn data(&self) -> Option<&Value> {
        self.get("data")
    }

    /// A field by name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }
}

/// Is this the sender of the hub's own messages: nobody, or an address in the workspace `*`?
pub(super) fn is_hub(from: Option<&str>) -> bool {
    from.is_none_or(|from| from.starts_with("*/"))
}

/// Identifies a handler, to take it off again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

type Handler = Arc<dyn Fn(&Event) + Send + Sync>;

/// The handlers of one peer.
#[derive(Default)]
pub(crate) struct Events(RwLock<Handlers>);

#[derive(Default)]
struct Handlers {
    next_id: u64,
    by_kind: HashMap<String, Vec<(HandlerId, Handler)>>,
}

impl Events {
    pub(crate) fn on(&self, kind: String, handler: Handler) -> HandlerId {
        let mut handlers = self.0.write();
        let id = HandlerId(handlers.next_id);
        handlers.next_id += 1;
        handlers.by_kind.entry(kind).or_default().push((id, handler));
        id
    }

    /// Takes a handler off; false when it was not there.
    pub(crate) fn off(&self, id: HandlerId) -> bool {
        let mut handlers = self.0.write();
        let mut removed = None;
        handlers.by_kind.retain(|_, list| {
            if let Some(index) = list.iter().position(|(known, _)| *known == id) {
                removed = Some(list.remove(index));
            }
            !list.is_empty()
        });
        drop(handlers);
        removed.is_some()
    }

    /// Calls the handlers of the event's kind, in the order in which they were put on.
    pub(crate) fn fire(&self, event: &Event) {
        let handlers: Vec<Handler> = match self.0.read().by_kind.get(&event.kind) {
            Some(list) => list.iter().map(|(_, handler)| Arc::clone(handler)).collect(),
            None => return,
        };
        for handler in handlers {
            // One broken handler must not keep the event from the others, nor end the connection.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| handler(event))).is_err() {
                tracing::error!(kind = event.kind, "an event handler panicked");
            }
        }
    }

    pub(crate) fn clear(&self) {
        let removed = std::mem::take(&mut self.0.write().by_kind);
        drop(removed);
    }
}
