//! The queue between the peer and the socket.
//!
//! It is bounded by bytes. At the bound, senders wait: that is the back-pressure on callers. While the connection is
//! being re-established they wait too, up to the method timeout. The writer takes everything there is at once, so that
//! many small frames become one write.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{Link, LinkError, TrySend};

/// Bytes that may be queued before senders have to wait. A single frame may be larger.
const MAX_BYTES: usize = 8 << 20;
/// What an entry costs beside its bytes.
const OVERHEAD: usize = 64;

pub(super) struct Outbox {
    state: Mutex<State>,
    /// There is something for the writer, or nothing more will come.
    filled: Notify,
    /// There is room, the connection is there again, or never will be.
    changed: Notify,
    /// How long senders wait.
    patience: Duration,
}

struct State {
    queue: VecDeque<Message>,
    bytes: usize,
    connected: bool,
    closed: Option<String>,
}

impl Outbox {
    pub(super) fn new(patience: Duration) -> Self {
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            connected: false,
            closed: None,
        };
        Self {
            state: Mutex::new(state),
            filled: Notify::new(),
            changed: Notify::new(),
            patience,
        }
    }

    /// Says whether there is a connection.
    pub(super) fn set_connected(&self, connected: bool) {
        self.state.lock().connected = connected;
        self.changed.notify_waiters();
    }

    /// Ends the queue for good: senders fail with `reason`, the writer sends what is left.
    pub(super) fn close(&self, reason: &str) {
        self.state.lock().closed.get_or_insert_with(|| reason.to_owned());
        self.changed.notify_waiters();
        self.filled.notify_one();
    }

    /// Queues a control message, ahead of everything else and beyond any bound.
    pub(super) fn control(&self, message: Message) {
        self.state.lock().queue.push_front(message);
        self.filled.notify_one();
    }

    /// Takes everything there is; waits for something. `None` when the queue is closed and empty.
    pub(super) async fn take(&self) -> Option<VecDeque<Message>> {
        loop {
            {
                let mut state = self.state.lock();
                if !state.queue.is_empty() {
                    state.bytes = 0;
                    let queue = std::mem::take(&mut state.queue);
                    drop(state);
                    self.changed.notify_waiters();
                    return Some(queue);
                }
                if state.closed.is_some() {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    async fn wait_and_send(&self, mut frame: Bytes) -> Result<(), LinkError> {
        loop {
            // Registered before looking, so that no change between looking and waiting is missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.try_send(frame) {
                Ok(()) => return Ok(()),
                Err(TrySend::Failed(error)) => return Err(error),
                Err(TrySend::Full(back)) => frame = back,
            }
            changed.await;
        }
    }
}

impl Link for Outbox {
    fn try_send(&self, frame: Bytes) -> Result<(), TrySend> {
        let mut state = self.state.lock();
        if let Some(reason) = &state.closed {
            return Err(TrySend::Failed(LinkError::new(reason.clone())));
        }
        if !state.connected || state.bytes >= MAX_BYTES {
            return Err(TrySend::Full(frame));
        }
        state.bytes += frame.len() + OVERHEAD;
        state.queue.push_back(Message::Binary(frame));
        let first = state.queue.len() == 1;
        drop(state);
        // The writer is awake already when there was something before.
        if first {
            self.filled.notify_one();
        }
        Ok(())
    }

    fn send(&self, frame: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async move {
            let waited = tokio::time::timeout(self.patience, self.wait_and_send(frame)).await;
            waited.unwrap_or_else(|_| {
                let reason = if self.state.lock().connected {
                    "the hub does not take messages fast enough"
                } else {
                    "not connected to the hub"
                };
                Err(LinkError::new(format!("{reason} (waited {:?})", self.patience)))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn frame(len: usize) -> Bytes {
        Bytes::from(vec![0; len])
    }

    #[tokio::test(start_paused = true)]
    async fn senders_wait_for_room_and_for_the_connection() {
        let outbox = Arc::new(Outbox::new(Duration::from_secs(30)));
        assert!(
            outbox
                .send(frame(1))
                .await
                .unwrap_err()
                .reason
                .contains("not connected")
        );
        outbox.set_connected(true);
        outbox.try_send(frame(MAX_BYTES)).unwrap();
        assert!(matches!(outbox.try_send(frame(1)), Err(TrySend::Full(_))));
        let waiting = tokio::spawn({
            let outbox = Arc::clone(&outbox);
            async move { outbox.send(frame(1)).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(outbox.take().await.map(|queue| queue.len()), Some(1));
        waiting.await.unwrap().unwrap();
        assert_eq!(outbox.take().await.map(|queue| queue.len()), Some(1));
    }

    #[tokio::test]
    async fn closing_fails_senders_and_ends_the_writer() {
        let outbox = Outbox::new(Duration::from_secs(30));
        outbox.set_connected(true);
        outbox.try_send(frame(1)).unwrap();
        outbox.close("over");
        assert!(matches!(outbox.try_send(frame(1)), Err(TrySend::Failed(error)) if error.reason == "over"));
        assert_eq!(outbox.send(frame(1)).await.unwrap_err().reason, "over");
        assert!(outbox.take().await.is_some());
        assert!(outbox.take().await.is_none());
    }
}
