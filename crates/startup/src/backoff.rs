//! How long to wait before something is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
/// Whatever has run this long was not broken from the start.
const STABLE: Duration = Duration::from_secs(60);

/// Pauses that double.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// The next pause, after something that has run for `ran`.
    pub(crate) fn next(&mut self, ran: Duration) -> Duration {
        if ran >= STABLE {
            self.0 = FIRST;
        }
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_minute() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..9)
            .map(|_| backoff.next(Duration::ZERO).as_secs_f64())
            .collect();
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
        assert_eq!(backoff.next(STABLE), FIRST);
    }
}
