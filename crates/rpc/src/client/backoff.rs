//! How long to wait before the next attempt to reconnect.

use std::time::Duration;

/// A connection that lived shorter than this counts as a flap.
const FLAP: Duration = Duration::from_secs(5);
const MAX: f64 = 60.0;

/// Counts failures. The first attempt after a good connection is immediate; each further one waits twice as long as
/// the one before, up to a minute, with some jitter so that the clients of a hub that restarts do not come at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    flaps: u32,
    retry: u32,
    first: bool,
}

impl Backoff {
    /// A connection has ended after `lived`.
    pub(super) fn lost(&mut self, lived: Duration) {
        self.flaps = if lived < FLAP {
            self.flaps.saturating_add(1)
        } else {
            0
        };
        self.retry = self.flaps.saturating_sub(1);
        self.first = true;
    }

    /// The wait before the next attempt. `jitter` is from -1 to 1.
    pub(super) fn next(&mut self, jitter: f64) -> Duration {
        let seconds = if std::mem::take(&mut self.first) {
            if self.retry == 0 {
                return Duration::ZERO;
            }
            exponential(self.retry - 1).max(1.0)
        } else {
            let seconds = exponential(self.retry);
            self.retry = self.retry.saturating_add(1);
            seconds
        };
        Duration::from_secs_f64((seconds * (1.0 + 0.1 * jitter)).max(0.1))
    }
}

fn exponential(power: u32) -> f64 {
    f64::from(power.min(10)).exp2().min(MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(backoff: &mut Backoff, count: usize) -> Vec<f64> {
        (0..count).map(|_| backoff.next(0.0).as_secs_f64()).collect()
    }

    #[test]
    fn doubles_up_to_a_minute() {
        let mut backoff = Backoff::default();
        backoff.lost(Duration::from_secs(100));
        assert_eq!(
            waits(&mut backoff, 9),
            [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
        );
    }

    #[test]
    fn flaps_start_higher() {
        let mut backoff = Backoff::default();
        for expected in [0.0, 1.0, 2.0, 4.0] {
            backoff.lost(Duration::from_secs(1));
            assert_eq!(waits(&mut backoff, 1), [expected]);
        }
        backoff.lost(Duration::from_secs(6));
        assert_eq!(waits(&mut backoff, 1), [0.0]);
    }
}
