//! The streams that are open in this process, by the address of their client.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hypha_hub::{Connection, Limits, Subject};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::throttle::Throttle;

/// Messages of one client that are being received at once take at most this many of the largest frames.
const FRAMES_AT_ONCE: usize = 2;
/// What room is counted in. Bytes.
const UNIT: usize = 1024;

/// A stream and who opened it.
pub(super) struct Stream {
    pub(super) subject: Subject,
    throttle: Mutex<Throttle>,
    /// Room for messages that are being received, in [`UNIT`]s.
    room: Semaphore,
}

impl Stream {
    pub(super) fn new(subject: Subject, limits: &Limits) -> Self {
        Self {
            subject,
            throttle: Mutex::new(Throttle::new(
                limits.messages_per_second,
                limits.message_burst,
                Instant::now(),
            )),
            room: Semaphore::new(units(limits.frame_bytes) * FRAMES_AT_ONCE),
        }
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        self.subject.connection()
    }

    /// Counts a message; the sender waits that long for the next one to be read.
    pub(super) fn count(&self) -> Option<Duration> {
        self.throttle.lock().take(Instant::now)
    }

    /// Waits for room for a message of that many bytes (at most the largest frame). `None` never happens while the
    /// stream lives.
    pub(super) async fn room(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let units = u32::try_from(units(bytes)).unwrap_or(u32::MAX);
        self.room.acquire_many(units).await.ok()
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT).max(1)
}

/// See the module documentation.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<String, Arc<Stream>>>>);

impl Streams {
    /// The open stream of a client.
    pub(super) fn find(&self, workspace: &str, client: &str) -> Option<Arc<Stream>> {
        let stream = self.0.lock().get(&format!("{workspace}/{client}")).cloned();
        stream.filter(|stream| !stream.connection().outbox().is_closed())
    }

    /// Makes this the stream of its client until the returned entry is dropped.
    pub(super) fn insert(&self, stream: Arc<Stream>) -> Entry {
        let address = stream.connection().address().to_owned();
        self.0.lock().insert(address, stream.clone());
        Entry {
            streams: self.clone(),
            stream,
        }
    }
}

/// The place of a stream in the table. A successor's is left alone.
pub(super) struct Entry {
    streams: Streams,
    stream: Arc<Stream>,
}

impl Entry {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        self.stream.connection()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut streams = self.streams.0.lock();
        let address = self.stream.connection().address();
        if streams
            .get(address)
            .is_some_and(|current| Arc::ptr_eq(current, &self.stream))
        {
            streams.remove(address);
        }
    }
}
