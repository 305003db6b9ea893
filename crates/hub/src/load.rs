//! How busy a client is, for `min_load`: calls that reached it during the last minute.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The window over which calls are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts calls in the current and the previous window and interpolates between them.
#[derive(Debug)]
pub(crate) struct LoadCounter(Mutex<Windows>);

#[derive(Debug)]
struct Windows {
    started: Instant,
    current: u32,
    previous: u32,
}

impl LoadCounter {
    /// A counter for clients that take part in load balancing (their ids end in `__rlb`).
    pub(crate) fn for_client(client: &str) -> Option<Self> {
        client.ends_with("__rlb").then(|| {
            Self(Mutex::new(Windows {
                started: Instant::now(),
                current: 0,
                previous: 0,
            }))
        })
    }

    /// One call has come.
    pub(crate) fn count(&self, now: Instant) {
        let mut windows = self.0.lock();
        windows.advance(now);
        windows.current = windows.current.saturating_add(1);
    }

    /// Calls per minute.
    pub(crate) fn per_minute(&self, now: Instant) -> f64 {
        let mut windows = self.0.lock();
        windows.advance(now);
        let passed = now.saturating_duration_since(windows.started).as_secs_f64() / WINDOW.as_secs_f64();
        f64::from(windows.previous) * (1.0 - passed) + f64::from(windows.current)
    }
}

impl Windows {
    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.started);
        if elapsed >= WINDOW * 2 {
            *self = Self {
                started: now,
                current: 0,
                previous: 0,
            };
        } else if elapsed >= WINDOW {
            *self = Self {
                started: self.started + WINDOW,
                current: 0,
                previous: self.current,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_balanced_clients_are_counted_and_old_calls_fade() {
        assert!(LoadCounter::for_client("worker").is_none());
        let counter = LoadCounter::for_client("worker__rlb").unwrap();
        let start = Instant::now();
        for _ in 0..10 {
            counter.count(start);
        }
        assert!((counter.per_minute(start) - 10.0).abs() < 0.1);
        assert!(counter.per_minute(start + WINDOW * 3 / 2) < 6.0);
        assert_eq!(counter.per_minute(start + WINDOW * 4), 0.0);
    }
}
