//! One HTTP/1.1 connection: how much of it is read before a request is one, and how long that may take.
//!
//! hyper has one timeout for "no complete head yet", which is also the time that a connection may be idle between two
//! requests. These are two times here: an idle connection is kept for minutes, a head that has begun has seconds. hyper
//! keeps the first, [`ClientStream`] the second.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use crate::front::Front;
use crate::socket;
use crate::wakes::Steady;

/// How long a client may take to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what a client still sends is read and dropped after the last response, so that it reads that response
/// instead of finding the connection reset.
const LINGER: Duration = Duration::from_secs(2);
/// How long a connection may be idle between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Largest head of a request, in bytes.
const HEADER_BYTES: usize = 64 * 1024;
/// Most headers of one request.
const HEADERS: usize = 100;

/// Cuts the connection that a request came on, with what was not sent yet. In the extensions of every request.
#[derive(Clone, Default)]
pub(crate) struct Hangup(CancellationToken);

impl Hangup {
    pub(crate) fn now(&self) {
        self.0.cancel();
    }
}

/// Serves a connection until it ends or is upgraded; after `shutdown`, until the request that is being answered is.
pub(crate) async fn serve(stream: TcpStream, peer: IpAddr, front: Front, shutdown: CancellationToken) {
    if let Err(error) = socket::configure(&stream) {
        tracing::debug!(%error, "cannot configure a socket");
    }
    let turns = Turns::default();
    let stream = ClientStream::new(stream, turns.clone());
    let hangup = Hangup::default();
    let cut = hangup.0.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(hangup.clone());
        let front = front.clone();
        let guard = Answering::new(&turns);
        async move {
            let response = front.answer(peer, request).await;
            Ok::<_, std::convert::Infallible>(response.map(|body| Answer { body, _guard: guard }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(HEADER_BYTES)
        .max_header_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = Steady::new(Box::pin(connection));
    let serving = async {
        tokio::select! {
            served = &mut connection => served,
            () = shutdown.cancelled() => {
                connection.future().as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    let served = tokio::select! {
        served = serving => served,
        () = cut.cancelled() => return,
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "HTTP connection ended");
    }
}

/// The socket below an upgraded connection, and what was already read from it.
pub(crate) fn into_socket(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<ClientStream>>().ok()?;
    let stream = parts.io.into_inner().stream;
    if let Err(error) = socket::watch(&stream) {
        tracing::debug!(%error, "cannot configure a socket");
    }
    Some((stream, parts.read_buf))
}

/// How often answering a request began or ended on a connection: odd while one is being answered.
#[derive(Clone, Default)]
struct Turns(Arc<AtomicU64>);

/// A client's socket. Reading fails when a head has begun, or the connection is new, and no request is complete
/// [`HEADER_TIMEOUT`] later.
struct ClientStream {
    stream: TcpStream,
    turns: Turns,
    /// The turn that `has_deadline` is about.
    turn: u64,
    has_deadline: bool,
    deadline: Pin<Box<Sleep>>,
    /// Whether all is written; from then on `deadline` is the end of [`LINGER`].
    lingers: bool,
}

impl ClientStream {
    fn new(stream: TcpStream, turns: Turns) -> Self {
        Self {
            stream,
            turns,
            turn: 0,
            has_deadline: true,
            deadline: Box::pin(tokio::time::sleep(HEADER_TIMEOUT)),
            lingers: false,
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let turn = self.turns.0.load(Ordering::Relaxed);
        if turn != self.turn {
            self.turn = turn;
            self.has_deadline = false;
        }
        if turn % 2 == 1 {
            // What is read is the body of a request, and none of this module's business.
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        if self.has_deadline && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if !self.has_deadline {
            self.has_deadline = true;
            self.deadline.as_mut().reset(Instant::now() + HEADER_TIMEOUT);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.lingers {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.lingers = true;
            self.deadline.as_mut().reset(Instant::now() + LINGER);
        }
        let mut dropped = [0; 4096];
        loop {
            if self.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut dropped);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Says that a request is being answered, for as long as it lives.
struct Answering(Turns);

impl Answering {
    fn new(turns: &Turns) -> Self {
        turns.0.fetch_add(1, Ordering::Relaxed);
        Self(turns.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of a response, which ends the answering when it is gone.
struct Answer {
    body: Body,
    _guard: Answering,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
