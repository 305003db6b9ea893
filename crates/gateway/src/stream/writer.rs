//! A stream while it lasts: what waits in the outbox becomes the body of the answer.
//!
//! Bytes leave the outbox's count when hyper asks for more after them, so a client that does not read fills its outbox and
//! nothing else.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hypha_hub::outbox::{CloseReason, FrameKind, Outbox};
use hypha_hub::{Hub, Session};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::table::Entry;
use crate::http1::Hangup;

/// An idle stream says something this often. The original server does so every 30 s, but the Python client gives up when it
/// has heard nothing for its `method_timeout`, which many set to 10 s.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// What it says.
const PING: &[u8] = br#"{"type":"ping"}"#;
/// How long the client may take to read what is left after the end was decided.
const LINGER: Duration = Duration::from_secs(3);
/// How often a writer that waits for the client looks whether the end was decided.
const LOOK: Duration = Duration::from_secs(1);

/// What a stream needs. Dropping it removes the client from the hub and the stream from the table.
pub(super) struct Writer {
    pub(super) hub: Hub,
    pub(super) _session: Session,
    pub(super) entry: Entry,
    pub(super) outbox: Arc<Outbox>,
    pub(super) body: mpsc::Sender<Bytes>,
    pub(super) hangup: Option<Hangup>,
}

/// Nobody reads the body any more.
struct Gone;

impl Writer {
    /// Runs until the client has gone, or the hub has ended the connection and the client has read that.
    pub(super) async fn run(self) {
        let ended = tokio::select! {
            ended = self.write_all() => ended,
            never = self.watch() => match never {},
        };
        if ended.is_err() && self.outbox.is_closed() {
            // It reads too slowly, or not at all: what it has not read goes with its socket.
            if let Some(hangup) = &self.hangup {
                hangup.now();
            }
        }
    }

    async fn write_all(&self) -> Result<(), Gone> {
        let mut batch = VecDeque::new();
        let mut deadline = None;
        loop {
            let last = tokio::select! {
                biased;
                () = self.body.closed() => return Err(Gone),
                last = poll_fn(|cx| self.outbox.poll_take(cx, &mut batch)) => last,
                () = sleep(KEEP_ALIVE) => {
                    // The outbox is empty: there is room.
                    let _ = self.outbox.push(FrameKind::Text, PING);
                    continue;
                }
            };
            while let Some(segment) = batch.pop_front() {
                let len = segment.len();
                self.write(segment, &mut deadline).await?;
                self.outbox.written(len);
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Hands bytes to hyper, and waits until it has put them on their way: then it asks for more. It drops empty pieces, so
    /// asking is all they do.
    async fn write(&self, segment: Bytes, deadline: &mut Option<Instant>) -> Result<(), Gone> {
        for piece in [segment, Bytes::new()] {
            let permit = loop {
                if self.outbox.is_closed() {
                    let end = *deadline.get_or_insert_with(|| Instant::now() + LINGER);
                    if end < Instant::now() {
                        return Err(Gone);
                    }
                }
                match timeout(LOOK, self.body.reserve()).await {
                    Ok(Ok(permit)) => break permit,
                    Ok(Err(_)) => return Err(Gone),
                    Err(_) => {}
                }
            };
            permit.send(piece);
        }
        Ok(())
    }

    /// Asks a client that has not sent anything for long whether it is there. Silence alone ends nothing.
    async fn watch(&self) -> std::convert::Infallible {
        let limits = &self.hub.options().limits;
        let seconds = |amount: f64| Duration::try_from_secs_f64(amount).unwrap_or(Duration::MAX);
        let connection = self.entry.connection();
        let mut misses = 0;
        loop {
            sleep(seconds(limits.stream_sweep)).await;
            if connection.idle_seconds() < limits.stream_idle {
                misses = 0;
                continue;
            }
            let asked = self
                .hub
                .probe(connection.address(), seconds(limits.stream_ping_timeout));
            match asked.await {
                Ok(()) => misses = 0,
                Err(reason) => {
                    misses += 1;
                    tracing::info!(
                        client = connection.address(),
                        misses,
                        reason,
                        "no answer to a ping"
                    );
                }
            }
            if misses >= limits.stream_ping_misses {
                self.outbox
                    .close(&CloseReason::new(1001, "No answer to several pings"));
            }
        }
    }
}
