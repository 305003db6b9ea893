//! One task per socket: reads frames and hands them to the hub, takes frames from the outbox and writes them.
//!
//! Both directions are polled in one future, so that neither waits for the other and an idle connection costs one
//! small task.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures_util::Stream;
use hypha_hub::outbox::{CloseReason, Outbox};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::Sleep;
use tokio_websockets::{Message, WebSocketStream};

use crate::socket::ReadSide;

/// Frames handled before the writer gets its turn again.
const READ_BATCH: usize = 128;
/// Slices of one vectored write.
const WRITE_SLICES: usize = 64;
/// How long a closing connection may take to read what is left and to answer.
const LINGER: Duration = Duration::from_secs(3);

/// What becomes of the frames that are read.
pub(crate) trait Inbound {
    /// A frame has come: text, binary, ping (answered by the library) or pong. `Err` ends the connection with that reason; `Ok(Some(wait))` pauses reading.
    fn frame(&mut self, message: Message) -> Result<Option<Duration>, CloseReason>;
    /// A batch of frames begins.
    fn woken(&mut self, now: Instant);
}

/// A socket with its outbox.
pub(crate) struct Pump<I> {
    pub(crate) reader: WebSocketStream<ReadSide>,
    writer: OwnedWriteHalf,
    outbox: Arc<Outbox>,
    batch: VecDeque<Bytes>,
    inbound: I,
    /// Reading is paused until then.
    paused: Option<Pin<Box<Sleep>>>,
    /// The connection is closing: what is read is dropped, and at the deadline the socket is.
    closing: Option<Pin<Box<Sleep>>>,
    /// The close frame is on its way; nothing is left to write.
    written: bool,
    read_ended: bool,
}

impl<I: Inbound + Unpin> Pump<I> {
    pub(crate) fn new(
        reader: WebSocketStream<ReadSide>,
        writer: OwnedWriteHalf,
        outbox: Arc<Outbox>,
        inbound: I,
    ) -> Self {
        Self {
            reader,
            writer,
            outbox,
            batch: VecDeque::new(),
            inbound,
            paused: None,
            closing: None,
            written: false,
            read_ended: false,
        }
    }

    /// Reads until there is nothing more. Ready when the peer has closed.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.closing.is_some() {
            return self.poll_discard(cx);
        }
        if let Some(pause) = &mut self.paused {
            ready!(pause.as_mut().poll(cx));
            self.paused = None;
        }
        let mut woken = false;
        for _ in 0..READ_BATCH {
            let message = match ready!(Pin::new(&mut self.reader).poll_next(cx)) {
                // The library has queued the answer to the peer's close frame, if there was one.
                None | Some(Err(tokio_websockets::Error::Io(_))) => return Poll::Ready(()),
                Some(Err(error)) => {
                    self.outbox.close(&protocol_error(&error));
                    return Poll::Pending;
                }
                // Reading on gives the end of the stream.
                Some(Ok(message)) if message.is_close() => continue,
                Some(Ok(message)) => message,
            };
            // Protocol pings say that the library lives, not that the client does.
            if !woken && (message.is_text() || message.is_binary()) {
                woken = true;
                self.inbound.woken(Instant::now());
            }
            match self.inbound.frame(message) {
                Ok(None) => {}
                Ok(Some(wait)) => {
                    self.paused = Some(Box::pin(tokio::time::sleep(wait)));
                    return self.poll_read(cx);
                }
                Err(reason) => {
                    self.outbox.close(&reason);
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads and drops what a connection still sends after its end was decided: data that is left unread would make the
    /// kernel reset the connection, and the close frame would be lost.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4096];
        for _ in 0..READ_BATCH {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(self.reader.get_mut()).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes until the kernel takes no more. Ready when nothing will ever follow.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let last = if self.batch.is_empty() {
                ready!(self.outbox.poll_take(cx, &mut self.batch))
            } else {
                false
            };
            while !self.batch.is_empty() {
                let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
                let mut used = 0;
                for (slice, segment) in slices.iter_mut().zip(&self.batch) {
                    *slice = IoSlice::new(segment);
                    used += 1;
                }
                let written = ready!(Pin::new(&mut self.writer).poll_write_vectored(cx, &slices[..used]))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.outbox.written(written);
                advance(&mut self.batch, written);
            }
            if last {
                return Pin::new(&mut self.writer).poll_shutdown(cx);
            }
        }
    }
}

impl<I: Inbound + Unpin> Future for Pump<I> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // What reading puts into the outbox is written below.
        this.outbox.disarm();
        if !this.read_ended && this.poll_read(cx).is_ready() {
            this.read_ended = true;
            this.outbox.finish();
        }
        if !this.written {
            match this.poll_write(cx) {
                Poll::Ready(Ok(())) => this.written = true,
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "cannot write to the socket");
                    return Poll::Ready(());
                }
                Poll::Pending => {}
            }
        }
        if this.written && this.read_ended {
            return Poll::Ready(());
        }
        if this.closing.is_none() && this.outbox.is_closed() {
            this.closing = Some(Box::pin(tokio::time::sleep(LINGER)));
            this.paused = None;
            // Reading means dropping from now on, and needs a poll of its own.
            cx.waker().wake_by_ref();
        }
        match &mut this.closing {
            Some(deadline) => deadline.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

fn advance(batch: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(front) = batch.front_mut() {
        if written < front.len() {
            front.advance(written);
            return;
        }
        written -= front.len();
        batch.pop_front();
    }
}

fn protocol_error(error: &tokio_websockets::Error) -> CloseReason {
    match error {
        tokio_websockets::Error::PayloadTooLong { len, max_len } => CloseReason::new(
            1009,
            format!("Frame of {len} bytes is too large; at most {max_len} are accepted"),
        ),
        tokio_websockets::Error::Protocol(error) => {
            CloseReason::new(1002, format!("WebSocket protocol error: {error}"))
        }
        _ => CloseReason::new(1001, "Connection lost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_writes_leave_the_rest() {
        let mut batch: VecDeque<Bytes> = ["abc", "de", "f"]
            .into_iter()
            .map(Bytes::from_static_str)
            .collect();
        advance(&mut batch, 4);
        assert_eq!(batch, ["e", "f"].map(Bytes::from_static_str));
        advance(&mut batch, 2);
        assert!(batch.is_empty());
    }

    trait FromStaticStr {
        fn from_static_str(text: &'static str) -> Self;
    }
    impl FromStaticStr for Bytes {
        fn from_static_str(text: &'static str) -> Self {
            Self::from_static(text.as_bytes())
        }
    }
}
