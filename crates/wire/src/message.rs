//! A whole message as owned values, for the ends of a connection: clients, and services that live in the hub.
//!
//! Who sent a message is read from the header and from nowhere else. Payload keys that the protocol does not define
//! (`ctx`, `from`, `user`, ...) are ignored, plain or encrypted.

mod payload;

use bytes::Bytes;

use crate::codec::{Limits, decode_entries, emit, encode_into};
use crate::error::{Result, WireError};
use crate::value::Value;

pub use payload::{Encrypted, Payload, PromiseMethods, PromiseSpec};

/// One message: a call, a reply (a call of a session's function), or an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// `type`: `method`, or the name of an event.
    pub kind: String,
    /// `to`: the destination (`client`, `workspace/client`, `*`).
    pub to: String,
    /// `from`: the sender's full client id. A receiver can trust it; absent from events of the hub.
    pub from: Option<String>,
    /// `method`: a path in the receiver's object store.
    pub method: Option<String>,
    /// `session`: where the sender waits for an answer.
    pub session: Option<String>,
    /// `parent`: the receiver's session that this message belongs to.
    pub parent: Option<String>,
    /// `ws`: the workspace the sender acts in.
    pub ws: Option<String>,
    /// `user`: the sender's user record; `Nil` if there is none.
    pub user: Value,
    /// The other entries of the header: the content of a custom event.
    pub other: Vec<(String, Value)>,
    /// The second segment.
    pub payload: Payload,
}

impl Message {
    /// A call of `method` at `to`.
    pub fn call(to: impl Into<String>, method: impl Into<String>, payload: Payload) -> Self {
        Message {
            kind: "method".to_owned(),
            to: to.into(),
            method: Some(method.into()),
            payload,
            ..Message::default()
        }
    }

    /// An event.
    pub fn event(kind: impl Into<String>, to: impl Into<String>, data: Value) -> Self {
        Message {
            kind: kind.into(),
            to: to.into(),
            other: vec![("data".to_owned(), data)],
            ..Message::default()
        }
    }

    /// The value of an entry in [`other`](Self::other).
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.other.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    /// This message, that came in chunks, as sent by the sender of the call that asked to process them: what the chunks say about
    /// `from`, `to`, `ws` and `user` counts for nothing.
    pub fn stamped_by(self, process: &Message) -> Self {
        Message {
            from: process.from.clone(),
            to: process.to.clone(),
            ws: process.ws.clone(),
            user: process.user.clone(),
            ..self
        }
    }

    /// Decodes a frame. Long binaries are shared with it.
    ///
    /// # Errors
    /// If a segment is malformed, a field has the wrong type, or something follows the payload.
    pub fn decode(frame: &Bytes, limits: &Limits) -> Result<Self> {
        let (entries, len) = decode_entries(frame, limits, "header")?;
        let mut message = Message::default();
        let (mut kind, mut to) = (None, None);
        for (key, value) in entries {
            match key.as_str() {
                "type" => kind = text(value, "type")?,
                "to" => to = text(value, "to")?,
                "from" => message.from = text(value, "from")?,
                "method" => message.method = text(value, "method")?,
                "session" => message.session = text(value, "session")?,
                "parent" => message.parent = text(value, "parent")?,
                "ws" => message.ws = text(value, "ws")?,
                "user" => message.user = value,
                _ => message.other.push((key, value)),
            }
        }
        message.kind = kind.ok_or(WireError::MissingKey { key: "type" })?;
        message.to = to.ok_or(WireError::MissingKey { key: "to" })?;
        if message.kind == "method" && message.method.is_none() {
            return Err(WireError::MissingKey { key: "method" });
        }
        message.payload = Payload::decode(&frame.slice(len..), limits)?;
        Ok(message)
    }

    /// Encodes the message; without a payload segment if the payload is empty.
    pub fn encode(&self) -> Vec<u8> {
        let texts = [
            ("type", Some(&self.kind)),
            ("from", self.from.as_ref()),
            ("to", Some(&self.to)),
            ("method", self.method.as_ref()),
            ("session", self.session.as_ref()),
            ("parent", self.parent.as_ref()),
            ("ws", self.ws.as_ref()),
        ];
        let texts = texts.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let user = Some(("user", &self.user)).filter(|(_, user)| !user.is_nil());
        let other = self.other.iter().map(|(key, value)| (key.as_str(), value));
        let values = user.into_iter().chain(other);

        let mut out = Vec::with_capacity(256 + self.payload.estimate());
        emit::map(&mut out, texts.clone().count() + values.clone().count());
        for (key, value) in texts {
            emit::str(&mut out, key);
            emit::str(&mut out, value);
        }
        for (key, value) in values {
            emit::str(&mut out, key);
            encode_into(value, &mut out);
        }
        if !self.payload.is_empty() {
            self.payload.encode_into(&mut out);
        }
        out
    }
}

/// A string field; `None` for nil.
fn text(value: Value, field: &'static str) -> Result<Option<String>> {
    match value {
        Value::Str(text) => Ok(Some(text)),
        Value::Nil => Ok(None),
        _ => Err(WireError::bad_type(field, "a string")),
    }
}

#[cfg(test)]
mod tests;
