//! Requests of the system to stop.

use std::io;

use tokio::signal;

/// Ctrl-C and, on Unix, SIGTERM. From the moment it exists, these no longer end the process by themselves.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: signal::unix::Signal,
    #[cfg(unix)]
    terminate: signal::unix::Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The system does not allow it.
    #[cfg(unix)]
    pub(crate) fn new() -> io::Result<Self> {
        use signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next request to stop.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// None on this system.
    #[cfg(not(unix))]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next request to stop.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        // Without a handler there is nothing to wait for; stopping is better than never stopping.
        let _ = signal::ctrl_c().await;
    }
}
