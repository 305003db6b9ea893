//! Attempts per key and time: a bucket of attempts that fills up again, one every so many seconds.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::Mutex;

/// Keys that are remembered at a time. Past that, a new key is let through uncounted: the other throttles that an
/// attempt passes still count.
const MAX_KEYS: usize = 100_000;

/// Counts attempts per key.
pub(crate) struct Throttle<K> {
    /// When the bucket of a key will be full again, in seconds.
    full_at: Mutex<HashMap<K, f64>>,
    burst: f64,
    interval: f64,
}

impl<K: Hash + Eq> Throttle<K> {
    /// A throttle that allows `burst` attempts at once and then one every `interval` seconds.
    pub(crate) fn new(burst: u32, interval: f64) -> Self {
        Self {
            full_at: Mutex::default(),
            burst: f64::from(burst),
            interval,
        }
    }

    /// Takes an attempt at the time `now` (seconds).
    ///
    /// # Errors
    /// There is none left; the seconds until there is one, at least 1.
    pub(crate) fn take(&self, key: K, now: f64) -> Result<(), u64> {
        let mut all = self.full_at.lock();
        if all.len() >= MAX_KEYS && !all.contains_key(&key) {
            all.retain(|_, full_at| *full_at > now);
            if all.len() >= MAX_KEYS {
                return Ok(());
            }
        }
        let full_at = all.get(&key).copied().unwrap_or(now).max(now) + self.interval;
        let too_early = full_at - now - self.burst * self.interval;
        if too_early > 0.0 {
            return Err((too_early.ceil() as u64).max(1));
        }
        all.insert(key, full_at);
        Ok(())
    }

    /// Gives an attempt back.
    pub(crate) fn refund(&self, key: &K) {
        if let Some(full_at) = self.full_at.lock().get_mut(key) {
            *full_at -= self.interval;
        }
    }
}

/// The network that counts as one address: a single IPv4 address, or the 64 bits that an IPv6 site has.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let bits = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let throttle = Throttle::new(3, 10.0);
        for _ in 0..3 {
            assert_eq!(throttle.take("a", 100.0), Ok(()));
        }
        assert_eq!(throttle.take("a", 100.0), Err(10));
        assert_eq!(throttle.take("a", 105.5), Err(5));
        assert_eq!(throttle.take("b", 105.5), Ok(()), "others have their own");
        assert_eq!(throttle.take("a", 110.0), Ok(()));
        throttle.refund(&"a");
        assert_eq!(throttle.take("a", 110.0), Ok(()));
        assert_eq!(throttle.take("a", 1000.0), Ok(()));
    }

    #[test]
    fn what_an_attacker_refused_costs_nothing() {
        let throttle = Throttle::new(2, 10.0);
        let refused = (0..1000).filter(|_| throttle.take("a", 0.0).is_err()).count();
        assert_eq!(refused, 998);
        assert_eq!(
            throttle.take("a", 10.0),
            Ok(()),
            "being refused makes nobody wait longer"
        );
    }

    #[test]
    fn networks() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
