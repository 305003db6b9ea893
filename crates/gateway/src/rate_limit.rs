//! How many requests one client may make: so many per second on average, and so many at once.
//!
//! Who shows a token of the hub's own is counted by its subject, everybody else by address (IPv6: by the network of 64
//! bits that one customer has). The token is checked by its signature alone: that is cheap enough to do for everybody.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hypha_hub::Hub;

use crate::error::Failure;
use crate::options::{Options, Rate};
use crate::remote::Remote;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Buckets that are full again are forgotten every so many requests.
const PURGE: u32 = 4096;
/// Most buckets of one kind. Past it addresses share buckets with their neighbours, and subjects those of addresses.
const BUCKETS: usize = 100_000;

type Buckets<K> = RateLimiter<K, DashMapStateStore<K>, MonotonicClock, StateInformationMiddleware>;

/// The buckets of all clients.
#[derive(Clone)]
pub(crate) struct RateLimits(Arc<Inner>);

struct Inner {
    hub: Hub,
    clock: MonotonicClock,
    addresses: Tier<IpAddr>,
    subjects: Tier<String>,
}

struct Tier<K: Hash + Eq + Clone> {
    buckets: Buckets<K>,
    since_purge: AtomicU32,
    is_full: AtomicBool,
}

/// What is left for a client.
#[derive(Debug, PartialEq, Eq)]
struct Budget {
    limit: u32,
    remaining: u32,
    /// Seconds until the budget is whole again; for a refused request, until there is some.
    reset: u64,
}

impl RateLimits {
    pub(crate) fn new(hub: Hub, options: &Options) -> Self {
        Self(Arc::new(Inner {
            hub,
            clock: MonotonicClock,
            addresses: Tier::new(options.rate_limit),
            subjects: Tier::new(options.authenticated_rate_limit),
        }))
    }

    /// Counts a request whose handler asks itself.
    ///
    /// # Errors
    /// 429 when its sender has no budget left.
    pub(crate) fn spend(&self, remote: IpAddr, headers: &HeaderMap) -> Result<(), Failure> {
        self.take(remote, headers).map(drop).map_err(|_| exceeded())
    }

    /// Lets a request pass if its sender has budget left, and says how much in the response. Probes always pass.
    pub(crate) async fn around<F>(
        &self,
        remote: IpAddr,
        request: Request,
        next: impl FnOnce(Request) -> F,
    ) -> Response
    where
        F: Future<Output = Response>,
    {
        let path = request.uri().path();
        if path == "/health" || path.starts_with("/health/") {
            return next(request).await;
        }
        let (mut response, budget) = match self.take(remote, request.headers()) {
            Ok(budget) => (next(request).await, budget),
            Err(budget) => {
                let mut response = exceeded().into_response();
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(budget.reset));
                (response, budget)
            }
        };
        let headers = response.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(budget.limit));
        headers.insert(REMAINING, HeaderValue::from(budget.remaining));
        headers.insert(RESET, HeaderValue::from(budget.reset));
        response
    }

    /// Takes one request out of the budget of its sender; `Err` when there is none left.
    fn take(&self, remote: IpAddr, headers: &HeaderMap) -> Result<Budget, Budget> {
        let inner = &*self.0;
        let subject = (!inner.subjects.is_full())
            .then(|| subject(&inner.hub, headers))
            .flatten();
        match subject {
            Some(subject) => inner.subjects.take(&subject, &inner.clock),
            None => {
                let key = if inner.addresses.is_full() {
                    neighbourhood(remote)
                } else {
                    customer(remote)
                };
                inner.addresses.take(&key, &inner.clock)
            }
        }
    }
}

impl<K: Hash + Eq + Clone> Tier<K> {
    fn new(rate: Rate) -> Self {
        Self {
            buckets: RateLimiter::new(quota(rate), DashMapStateStore::default(), MonotonicClock),
            since_purge: AtomicU32::new(0),
            is_full: false.into(),
        }
    }

    fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    fn take(&self, key: &K, clock: &MonotonicClock) -> Result<Budget, Budget> {
        if self.since_purge.fetch_add(1, Ordering::Relaxed) % PURGE == PURGE - 1 {
            self.buckets.retain_recent();
            self.is_full
                .store(self.buckets.len() > BUCKETS, Ordering::Relaxed);
        }
        match self.buckets.check_key(key) {
            Ok(state) => {
                let (limit, remaining) = (state.quota().burst_size().get(), state.remaining_burst_capacity());
                let used = state.quota().replenish_interval() * (limit.saturating_sub(remaining));
                Ok(Budget {
                    limit,
                    remaining,
                    reset: whole_seconds(used),
                })
            }
            Err(refused) => Err(Budget {
                limit: refused.quota().burst_size().get(),
                remaining: 0,
                reset: whole_seconds(refused.wait_time_from(clock.now())).max(1),
            }),
        }
    }
}

fn quota(rate: Rate) -> Quota {
    let burst = NonZeroU32::new(u32::try_from(rate.burst).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
    let period = Duration::try_from_secs_f64(1.0 / rate.per_second).unwrap_or(Duration::from_secs(1));
    // Only a period of zero is refused: more than a thousand million per second.
    Quota::with_period(period.max(Duration::from_nanos(1)))
        .unwrap_or(Quota::per_second(NonZeroU32::MAX))
        .allow_burst(burst)
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The user of a token that the hub itself has signed, in the `Authorization` header. Cookies do not count: browsers
/// send them whoever asks.
fn subject(hub: &Hub, headers: &HeaderMap) -> Option<String> {
    let credential = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let user = hub.authenticator().authenticate_locally(credential, now).ok()?;
    Some(user.id)
}

/// The network of one customer of a provider.
fn customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// A network so large that there are few of them.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() >> 16 << 16).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 104 << 104).into(),
    }
}

/// [`RateLimits::around`] as a layer.
pub(crate) async fn limit(
    State(limits): State<RateLimits>,
    Extension(Remote(remote)): Extension<Remote>,
    request: Request,
    next: Next,
) -> Response {
    limits.around(remote, request, |request| next.run(request)).await
}

fn exceeded() -> Failure {
    let text = "Rate limit exceeded. Please slow down.";
    Failure::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_passes_then_the_budget_is_spent() {
        let rate = Rate {
            per_second: 0.1,
            burst: 3,
        };
        let tier = Tier::new(rate);
        let take = |key| tier.take(&key, &MonotonicClock);
        let left: Vec<u32> = (0..3).map(|_| take(ip("192.0.2.1")).unwrap().remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = take(ip("192.0.2.1")).unwrap_err();
        assert_eq!((refused.limit, refused.remaining), (3, 0));
        assert!((1..=10).contains(&refused.reset), "{refused:?}");
        assert!(take(ip("192.0.2.2")).is_ok());
    }

    #[test]
    fn any_rate_is_a_quota() {
        for (per_second, burst) in [(1e-12, 1), (1e12, usize::MAX), (0.5, 0), (100.0, 500)] {
            let quota = quota(Rate { per_second, burst });
            assert!(quota.burst_size().get() >= 1);
        }
        assert_eq!(
            quota(Rate {
                per_second: 100.0,
                burst: 500
            })
            .replenish_interval(),
            Duration::from_millis(10)
        );
    }

    #[test]
    fn networks() {
        assert_eq!(customer(ip("192.0.2.1")), ip("192.0.2.1"));
        assert_eq!(customer(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(neighbourhood(ip("192.0.2.1")), ip("192.0.0.0"));
        assert_eq!(neighbourhood(ip("2001:db8:1:2:3:4:5:6")), ip("2001:d00::"));
    }
}
