//! What an operator can set about the gateway.

use ipnet::IpNet;

/// Options of a [`Gateway`](crate::Gateway).
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Prefix of all routes: empty, or `/a/b` without a slash at the end.
    pub base_path: String,
    /// Proxies whose `X-Forwarded-…` headers are believed. Nobody's are by default, loopback's neither.
    pub trusted_proxies: Vec<IpNet>,
}
