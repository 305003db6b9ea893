//! One connection while it lasts: reading, writing, signs of life, renewal of the reconnection token.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::tungstenite::Message;

use super::line::{Incoming, Reader, Writer};
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
    pub(super) async fn run(&self, reader: Reader, writer: Writer) -> String {
        let heard = Mutex::new(Instant::now());
        tokio::select! {
            reason = self.read(reader, &heard) => reason,
            reason = self.write(writer) => reason,
            reason = self.keep_alive(&heard) => reason,
        }
    }

    async fn read(&self, mut reader: Reader, heard: &Mutex<Instant>) -> String {
        loop {
            let incoming = reader.next().await;
            *heard.lock() = Instant::now();
            match incoming {
                Incoming::Frame(frame) => self.peer.receive(frame).await,
                Incoming::Control(message) => {
                    if let Some(reason) = self.control(&message) {
                        return reason;
                    }
                }
                Incoming::End(reason) => return reason,
            }
        }
    }

    /// Takes note of what the hub says; gives the reason when it ends the connection.
    fn control(&self, message: &Json) -> Option<String> {
        let field = |name: &str| message.get(name).and_then(Json::as_str);
        match field("type") {
            Some("reconnection_token") => {
                if let Some(token) = field("reconnection_token") {
                    *self.token.lock() = Some(token.to_owned());
                }
            }
            Some("ping" | "pong") => {}
            Some("error") => return Some(field("message").unwrap_or("ended by the hub").to_owned()),
            other => tracing::debug!(?other, "ignored a control message"),
        }
        None
    }

    async fn write(&self, mut writer: Writer) -> String {
        loop {
            let Some(messages) = self.outbox.take().await else {
                writer.close().await;
                return "disconnected".to_owned();
            };
            if let Err(reason) = writer.write(messages).await {
                return reason;
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
