//! Where a request comes from: the socket's peer, or what a trusted proxy says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::{FORWARDED, HeaderName};
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

/// The address that a request came from: the client's, also behind trusted proxies. Block lists, rate limits and
/// admission go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remote(pub(crate) IpAddr);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What proxies say about a request. Whoever is no trusted proxy has no say.
const CLAIMS: [HeaderName; 7] = [
    FORWARDED,
    FORWARDED_FOR,
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-real-ip"),
];

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who sent a request that came through a socket of `peer`. Afterwards no header claims anything else: those of
    /// an untrusted peer are removed, and `X-Forwarded-For` of a trusted one names the client alone.
    pub(crate) fn resolve(&self, peer: IpAddr, headers: &mut HeaderMap) -> Remote {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            for name in CLAIMS {
                headers.remove(name);
            }
            return Remote(peer);
        }
        let client = self.client(peer, headers);
        if headers.contains_key(FORWARDED_FOR)
            && let Ok(value) = HeaderValue::from_str(&client.to_string())
        {
            headers.insert(FORWARDED_FOR, value);
        }
        Remote(client)
    }

    /// The right-most entry that no trusted proxy wrote about another: everything left of it is hearsay.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        for entry in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
            // Who wrote this is trusted, so `client` is the best that is known when it is no address.
            let Some(address) = address(entry) else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

/// An address, with or without a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim();
    let ip = text
        .parse()
        .or_else(|_| text.parse().map(|address: SocketAddr| address.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse());
    ip.ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(trusted: &[&str], peer: &str, forwarded: &[&'static str]) -> (String, HeaderMap) {
        let networks: Vec<IpNet> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        let Remote(ip) = TrustedProxies::new(&networks).resolve(peer.parse().unwrap(), &mut headers);
        (ip.to_string(), headers)
    }

    #[test]
    fn nobody_is_believed_by_default() {
        let (ip, headers) = resolved(&[], "127.0.0.1", &["192.0.2.1"]);
        assert_eq!(ip, "127.0.0.1");
        assert!(headers.is_empty(), "{headers:?}");
    }

    #[test]
    fn the_rightmost_untrusted_entry() {
        let trusted = ["10.0.0.0/8", "::1/128"];
        for (forwarded, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["6.6.6.6, 192.0.2.1, 10.0.0.7"], "192.0.2.1"),
            (&["6.6.6.6", "192.0.2.1,10.0.0.7"], "192.0.2.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            // All trusted: the first of them.
            (&["10.1.1.1, 10.0.0.7"], "10.1.1.1"),
            // Not an address: the hop that said so.
            (&["6.6.6.6, unknown, 10.0.0.7"], "10.0.0.7"),
            (&["6.6.6.6, "], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(
                resolved(&trusted, "10.0.0.1", forwarded).0,
                expected,
                "{forwarded:?}"
            );
        }
        // A peer on a socket for both families.
        assert_eq!(
            resolved(&trusted, "::ffff:10.0.0.1", &["192.0.2.1"]).0,
            "192.0.2.1"
        );
    }

    #[test]
    fn what_a_trusted_proxy_says_stays() {
        let (_, headers) = resolved(&["10.0.0.1/32"], "10.0.0.1", &["6.6.6.6", "192.0.2.1"]);
        assert_eq!(headers["x-forwarded-proto"], "https");
        let values: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        assert_eq!(values, ["192.0.2.1"]);
    }
}
