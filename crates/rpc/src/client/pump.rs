//! One connection while it lasts: reading, writing, signs of life, renewal of the reconnection token.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::Message;

use super::handshake::Socket;
use super::outbox::Outbox;
use crate::peer::Peer;

/// Signs of life and token renewal begin this long after connecting.
const SETTLE: Duration = Duration::from_secs(2);

/// What a connection needs to run.
pub(super) struct Pump {
    pub(super) peer: Peer,
    pub(super) outbox: Arc<Outbox>,
    pub(super) token: Arc<Mutex<Option<String>>>,
    pub(super) ping_interval: Duration,
    pub(super) ping_timeout: Duration,
    pub(super) refresh_interval: Duration,
}

impl Pump {
    /// Runs the connection until it ends; gives the reason.
    pub(super) async fn run(&self, socket: Socket) -> String {
        let (sink, stream) = socket.split();
        let heard = Mutex::new(Instant::now());
        tokio::select! {
            reason = self.read(stream, &heard) => reason,
            reason = self.write(sink) => reason,
            reason = self.keep_alive(&heard) => reason,
        }
    }

    async fn read(&self, mut stream: SplitStream<Socket>, heard: &Mutex<Instant>) -> String {
        loop {
            let message = stream.next().await;
            *heard.lock() = Instant::now();
            match message {
                Some(Ok(Message::Binary(frame))) => self.peer.receive(frame).await,
                Some(Ok(Message::Text(text))) => self.control(&text),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return format!("{} {}", u16::from(frame.code), frame.reason);
                }
                Some(Ok(Message::Close(None))) | None => return "closed by the hub".to_owned(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.to_string(),
            }
        }
    }

    fn control(&self, text: &str) {
        let Ok(message) = serde_json::from_str::<Json>(text) else {
            return;
        };
        let field = |name: &str| message.get(name).and_then(Json::as_str);
        match field("type") {
            Some("reconnection_token") => {
                if let Some(token) = field("reconnection_token") {
                    *self.token.lock() = Some(token.to_owned());
                }
            }
            Some("pong") => {}
            other => tracing::debug!(?other, "ignored a control message"),
        }
    }

    async fn write(&self, mut sink: SplitSink<Socket, Message>) -> String {
        loop {
            let Some(messages) = self.outbox.take().await else {
                let _ = sink.close().await;
                return "disconnected".to_owned();
            };
            for message in messages {
                if let Err(error) = sink.feed(message).await {
                    return error.to_string();
                }
            }
            if let Err(error) = sink.flush().await {
                return error.to_string();
            }
        }
    }

    /// Asks for a sign of life now and then; ends when the hub has been silent for too long.
    async fn keep_alive(&self, heard: &Mutex<Instant>) -> String {
        let start = Instant::now() + SETTLE;
        let mut pings = interval_at(start, self.ping_interval);
        let mut refreshes = interval_at(start, self.refresh_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        refreshes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = pings.tick() => {
                    let silence = heard.lock().elapsed();
                    if silence > self.ping_interval + self.ping_timeout {
                        return format!("the hub has been silent for {silence:?}");
                    }
                    self.outbox.control(Message::text(r#"{"type":"ping"}"#));
                }
                _ = refreshes.tick() => self.outbox.control(Message::text(r#"{"type":"refresh_token"}"#)),
            }
        }
    }
}
