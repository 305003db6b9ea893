//! What a connection is made of, as far as the rest of the client has to know: a WebSocket, or HTTP requests.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::Value as Json;
use tokio_tungstenite::tungstenite::Message;

use super::{stream, websocket};

/// The largest frame that is accepted, as the hub's own limit. Bytes.
pub(super) const MAX_FRAME: usize = 16 << 20;

/// What comes from the hub.
pub(super) enum Incoming {
    /// An RPC message.
    Frame(Bytes),
    /// What the hub itself says; null when it is not JSON.
    Control(Json),
    /// Nothing any more, and why.
    End(String),
}

/// The direction from the hub.
pub(super) enum Reader {
    WebSocket(websocket::Reader),
    Http(stream::Reader),
}

impl Reader {
    /// Waits for the next message. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Incoming {
        match self {
            Self::WebSocket(reader) => websocket::next(reader).await,
            Self::Http(reader) => reader.next().await,
        }
    }
}

/// The direction to the hub.
pub(super) enum Writer {
    WebSocket(websocket::Writer),
    Http(Box<stream::Writer>),
}

impl Writer {
    /// Sends messages, in this order; fails with the reason when the connection is of no more use.
    pub(super) async fn write(&mut self, messages: VecDeque<Message>) -> Result<(), String> {
        match self {
            Self::WebSocket(writer) => websocket::write(writer, messages).await,
            Self::Http(writer) => writer.write(messages).await,
        }
    }

    /// Says goodbye, where the transport has a word for it.
    pub(super) async fn close(&mut self) {
        if let Self::WebSocket(writer) = self {
            websocket::close(writer).await;
        }
    }
}
