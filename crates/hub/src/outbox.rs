//! The bounded outbox of one connection: frames wait here, already in the transport's framing, until the
//! connection's writer takes them.
//!
//! Small frames are written back to back into one buffer, so that a wake-up of the writer is one system call;
//! large payloads are kept as they came, without a copy. The outbox counts every byte from the moment it is queued
//! until the writer says that the kernel has it. At the limit the outbox closes itself: the receiver is too slow
//! and is disconnected ([`CloseReason::slow_consumer`]); the sender learns it from [`PushError::Full`].

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// Payloads from this size on are queued without a copy.
const ZERO_COPY_FROM: usize = 16 * 1024;

/// Waiting bytes past which a transport's own answers are dropped.
const CONTROL_LIMIT: usize = 64 * 1024;

/// What a frame carries, for the transport's framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// One RPC message.
    Binary,
    /// A JSON control object.
    Text,
    /// The end of the connection.
    Close,
}

/// How a transport marks the start of a frame (WebSocket: opcode and length).
pub trait Framing: Send + Sync + 'static {
    /// Appends what precedes the `len` bytes of a frame of this kind.
    fn prefix(&self, kind: FrameKind, len: usize, out: &mut BytesMut);
    /// The body of a control frame in the transport's own form.
    fn control_body<'a>(&self, json: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(json)
    }
    /// The body of a close frame.
    fn close_body(&self, reason: &CloseReason) -> Bytes;
}

/// Why the hub ends a connection: a WebSocket close code and a text for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// WebSocket close code.
    pub code: u16,
    /// What the client is told; transports may shorten it.
    pub text: String,
}

impl CloseReason {
    /// A reason from its code and text.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The receiver did not read fast enough and its outbox is full.
    pub fn slow_consumer(limit: usize) -> Self {
        Self::new(
            1008,
            format!("Slow consumer: more than {limit} bytes are waiting to be read"),
        )
    }
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The frame does not fit: the receiver is being disconnected as a slow consumer.
    #[error("the receiver does not read fast enough")]
    Full,
    /// The connection is closing or gone.
    #[error("the connection is closed")]
    Closed,
}

#[derive(Default)]
struct Queue {
    /// Complete segments in front of `tail`.
    segments: VecDeque<Bytes>,
    /// Small frames, back to back.
    tail: BytesMut,
    /// Bytes queued or taken and not yet reported as written.
    pending: usize,
    /// Set once: nothing is accepted any more.
    closed: bool,
}

/// See the module documentation.
pub struct Outbox {
    framing: &'static dyn Framing,
    limit: usize,
    queue: Mutex<Queue>,
    waker: AtomicWaker,
}

impl Outbox {
    /// An empty outbox that holds at most `limit` bytes.
    pub fn new(framing: &'static dyn Framing, limit: usize) -> Self {
        Self {
            framing,
            limit,
            queue: Mutex::default(),
            waker: AtomicWaker::new(),
        }
    }

    /// Queues one binary frame of `head_len + body.len()` bytes, whose head is produced by `head` in place.
    ///
    /// # Errors
    /// [`PushError::Full`] closes the outbox; [`PushError::Closed`] when it was closed before.
    pub fn push_message(
        &self,
        head_len: usize,
        head: impl FnOnce(&mut BytesMut),
        body: &Bytes,
    ) -> Result<(), PushError> {
        let len = head_len + body.len();
        let mut queue = self.admit(len)?;
        let was_idle = queue.segments.is_empty() && queue.tail.is_empty();
        let start = queue.tail.len();
        queue.tail.reserve(
            16 + head_len
                + if body.len() < ZERO_COPY_FROM {
                    body.len()
                } else {
                    0
                },
        );
        self.framing.prefix(FrameKind::Binary, len, &mut queue.tail);
        head(&mut queue.tail);
        let mut added = queue.tail.len() - start + body.len();
        if body.len() < ZERO_COPY_FROM {
            queue.tail.extend_from_slice(body);
            added = queue.tail.len() - start;
        } else {
            let tail = queue.tail.split().freeze();
            queue.segments.push_back(tail);
            queue.segments.push_back(body.clone());
        }
        queue.pending += added;
        drop(queue);
        if was_idle {
            self.waker.wake();
        }
        Ok(())
    }

    /// Queues one frame of the given kind.
    ///
    /// # Errors
    /// As [`Outbox::push_message`].
    pub fn push(&self, kind: FrameKind, body: &[u8]) -> Result<(), PushError> {
        let body = match kind {
            FrameKind::Text => self.framing.control_body(body),
            FrameKind::Binary | FrameKind::Close => Cow::Borrowed(body),
        };
        let mut queue = self.admit(body.len())?;
        self.append(&mut queue, kind, &body);
        drop(queue);
        self.waker.wake();
        Ok(())
    }

    /// Queues frames that are framed already: what a transport's library answers by itself, such as pongs. They are
    /// dropped while the receiver has more to read than [`CONTROL_LIMIT`]: only the latest pong means anything.
    pub fn push_framed(&self, parts: &[IoSlice<'_>]) {
        let mut queue = self.queue.lock();
        if queue.pending > CONTROL_LIMIT {
            return;
        }
        for part in parts {
            queue.tail.extend_from_slice(part);
            queue.pending += part.len();
        }
        drop(queue);
        self.waker.wake();
    }

    /// Queues a close frame and accepts nothing after it. Later calls do nothing.
    pub fn close(&self, reason: &CloseReason) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        self.close_locked(&mut queue, reason);
        drop(queue);
        self.waker.wake();
    }

    /// Accepts nothing any more; what waits is still written. For a peer that has closed the connection itself.
    pub fn finish(&self) {
        self.queue.lock().closed = true;
        self.waker.wake();
    }

    /// Moves everything that waits into `batch`. Ready with `true` when no frame will follow.
    /// Pending when there is nothing to write yet.
    pub fn poll_take(&self, cx: &mut Context<'_>, batch: &mut VecDeque<Bytes>) -> Poll<bool> {
        if let Poll::Ready(last) = self.try_take(batch) {
            return Poll::Ready(last);
        }
        self.waker.register(cx.waker());
        self.try_take(batch)
    }

    /// Whoever asked for a wake with [`poll_take`](Self::poll_take) is awake, and will ask again.
    pub fn disarm(&self) {
        self.waker.take();
    }

    fn try_take(&self, batch: &mut VecDeque<Bytes>) -> Poll<bool> {
        let mut queue = self.queue.lock();
        batch.append(&mut queue.segments);
        if !queue.tail.is_empty() {
            batch.push_back(queue.tail.split().freeze());
            queue.tail = BytesMut::new();
        }
        if batch.is_empty() && !queue.closed {
            Poll::Pending
        } else {
            Poll::Ready(queue.closed)
        }
    }

    /// The writer reports bytes that the kernel has taken.
    pub fn written(&self, bytes: usize) {
        let mut queue = self.queue.lock();
        queue.pending = queue.pending.saturating_sub(bytes);
    }

    /// Bytes that are queued or being written.
    pub fn pending(&self) -> usize {
        self.queue.lock().pending
    }

    /// Whether a close frame was queued or the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    fn admit(&self, len: usize) -> Result<parking_lot::MutexGuard<'_, Queue>, PushError> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(PushError::Closed);
        }
        if queue.pending + len > self.limit {
            // What waits is dropped: the receiver would not read it, and its memory is needed elsewhere.
            queue.segments.clear();
            queue.tail = BytesMut::new();
            self.close_locked(&mut queue, &CloseReason::slow_consumer(self.limit));
            drop(queue);
            self.waker.wake();
            return Err(PushError::Full);
        }
        Ok(queue)
    }

    fn close_locked(&self, queue: &mut Queue, reason: &CloseReason) {
        let body = self.framing.close_body(reason);
        self.append(queue, FrameKind::Close, &body);
        queue.closed = true;
    }

    fn append(&self, queue: &mut Queue, kind: FrameKind, body: &[u8]) {
        let start = queue.tail.len();
        self.framing.prefix(kind, body.len(), &mut queue.tail);
        queue.tail.extend_from_slice(body);
        queue.pending += queue.tail.len() - start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;
    use futures_util::task::noop_waker_ref;

    struct Plain;
    impl Framing for Plain {
        fn prefix(&self, kind: FrameKind, len: usize, out: &mut BytesMut) {
            out.put_u8(kind as u8);
            out.put_u32(len as u32);
        }
        fn close_body(&self, reason: &CloseReason) -> Bytes {
            Bytes::from(reason.text.clone())
        }
    }

    fn take(outbox: &Outbox) -> Option<(Vec<u8>, bool)> {
        let mut batch = VecDeque::new();
        match outbox.poll_take(&mut Context::from_waker(noop_waker_ref()), &mut batch) {
            Poll::Ready(last) => Some((batch.iter().flatten().copied().collect(), last)),
            Poll::Pending => None,
        }
    }

    #[test]
    fn small_frames_share_one_buffer_and_large_ones_are_not_copied() {
        let outbox = Outbox::new(&Plain, 1 << 20);
        assert!(take(&outbox).is_none());
        let big = Bytes::from(vec![7; ZERO_COPY_FROM]);
        outbox
            .push_message(2, |out| out.put_slice(b"hi"), &Bytes::from_static(b"!"))
            .unwrap();
        outbox.push_message(1, |out| out.put_slice(b"x"), &big).unwrap();
        let mut batch = VecDeque::new();
        let ready = outbox.poll_take(&mut Context::from_waker(noop_waker_ref()), &mut batch);
        assert_eq!(ready, Poll::Ready(false));
        assert_eq!(batch.len(), 2);
        assert_eq!(batch[1].as_ptr(), big.as_ptr());
        let total: usize = batch.iter().map(Bytes::len).sum();
        assert_eq!(outbox.pending(), total);
        outbox.written(total);
        assert_eq!(outbox.pending(), 0);
    }

    #[test]
    fn a_full_outbox_drops_its_content_and_says_why() {
        let outbox = Outbox::new(&Plain, 100);
        outbox.push(FrameKind::Text, &[1; 60]).unwrap();
        assert_eq!(outbox.push(FrameKind::Text, &[1; 60]), Err(PushError::Full));
        assert_eq!(outbox.push(FrameKind::Text, b""), Err(PushError::Closed));
        let (bytes, last) = take(&outbox).unwrap();
        assert!(last);
        assert!(String::from_utf8_lossy(&bytes).contains("Slow consumer: more than 100 bytes"));
    }

    #[test]
    fn pongs_do_not_pile_up() {
        let outbox = Outbox::new(&Plain, 1 << 20);
        for _ in 0..10_000 {
            outbox.push_framed(&[IoSlice::new(b"head"), IoSlice::new(&[0; 100])]);
        }
        assert!(outbox.pending() < CONTROL_LIMIT + 104);
        assert_eq!(outbox.pending() % 104, 0, "whole frames only");
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        let outbox = Outbox::new(&Plain, 100);
        outbox.push(FrameKind::Binary, b"a").unwrap();
        outbox.close(&CloseReason::new(1001, "bye"));
        outbox.close(&CloseReason::new(1000, "again"));
        assert_eq!(outbox.push(FrameKind::Binary, b"b"), Err(PushError::Closed));
        let (bytes, last) = take(&outbox).unwrap();
        assert!(last);
        assert!(bytes.ends_with(b"bye"));
    }
}
