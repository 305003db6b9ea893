//! The rate of messages of one connection: past it, the gateway reads later instead of closing.

use std::time::{Duration, Instant};

/// A token bucket that is refilled only when it is empty: the clock is not read for every message.
#[derive(Debug)]
pub(crate) struct Throttle {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Throttle {
    pub(crate) fn new(per_second: f64, burst: f64, now: Instant) -> Self {
        let burst = burst.max(1.0);
        Self {
            per_second: per_second.max(0.001),
            burst,
            tokens: burst,
            filled: now,
        }
    }

    /// Takes one token. `Some(wait)`: there was none; read on after `wait`.
    pub(crate) fn take(&mut self, now: impl FnOnce() -> Instant) -> Option<Duration> {
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            return None;
        }
        let now = now();
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        // The token of this message is taken from what there is after the refill.
        self.tokens = (self.tokens + 1.0 + elapsed * self.per_second).min(self.burst) - 1.0;
        self.filled = now;
        // The message is let through either way; the wait pays the debt.
        (self.tokens < 0.0).then(|| Duration::from_secs_f64(-self.tokens / self.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rate_holds_afterwards() {
        let start = Instant::now();
        let mut throttle = Throttle::new(10.0, 5.0, start);
        for _ in 0..5 {
            assert_eq!(throttle.take(|| start), None);
        }
        let wait = throttle.take(|| start).unwrap();
        assert!((wait.as_secs_f64() - 0.1).abs() < 0.001, "{wait:?}");
        let later = start + Duration::from_secs(1);
        for _ in 0..5 {
            assert_eq!(throttle.take(|| later), None);
        }
        assert!(throttle.take(|| later).is_some());
    }
}
