//! What a peer needs from the transport below it.

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Why a frame was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct LinkError {
    /// For people: what is closed, or why.
    pub reason: String,
}

impl LinkError {
    /// An error with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// The outcome of [`Link::try_send`] when the frame was not taken.
#[derive(Debug)]
pub enum TrySend {
    /// There is no room at the moment; [`Link::send`] waits for it. The frame is handed back.
    Full(Bytes),
    /// The link is closed, or the frame can never be sent.
    Failed(LinkError),
}

/// The way out of a peer: a WebSocket's outbox, or the hub's switch.
///
/// Frames are delivered in the order in which they were taken.
pub trait Link: Send + Sync + 'static {
    /// Takes a frame if there is room now. Never blocks.
    ///
    /// # Errors
    /// [`TrySend::Full`] when there is no room, [`TrySend::Failed`] when there never will be.
    fn try_send(&self, frame: Bytes) -> Result<(), TrySend>;

    /// Takes a frame, waiting for room. A link that is being re-established waits for that too.
    ///
    /// # Errors
    /// The link is closed for good, or the wait took too long.
    fn send(&self, frame: Bytes) -> BoxFuture<'_, Result<(), LinkError>>;
}
