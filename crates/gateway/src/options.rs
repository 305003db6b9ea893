//! What an operator can set about the gateway.

use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use ipnet::IpNet;

/// Options of a [`Gateway`](crate::Gateway).
#[derive(Clone, Debug)]
pub struct Options {
    /// Prefix of all routes: empty, or `/a/b` without a slash at the end.
    pub base_path: String,
    /// Proxies whose `X-Forwarded-…` headers are believed. Nobody's are by default, loopback's neither.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose web pages may use the server.
    pub origins: Origins,
    /// Requests of one address.
    pub rate_limit: Rate,
    /// Requests of one user who shows a token.
    pub authenticated_rate_limit: Rate,
    /// Folders that are served as they are.
    pub static_mounts: Vec<StaticMount>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base_path: String::new(),
            trusted_proxies: Vec::new(),
            origins: Origins::Any,
            rate_limit: Rate {
                per_second: 100.0,
                burst: 500,
            },
            authenticated_rate_limit: Rate {
                per_second: 1000.0,
                burst: 5000,
            },
            static_mounts: Vec::new(),
        }
    }
}

/// How many requests one client may make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests per second on average; above 0.
    pub per_second: f64,
    /// Requests at once; at least 1.
    pub burst: usize,
}

/// Origins of web pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These, each as `scheme://host` or `scheme://host:port`.
    Only(Arc<[HeaderValue]>),
}

impl Origins {
    /// Whether an `Origin` header names one of them.
    pub(crate) fn contain(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Only(origins) => origins.contains(origin),
        }
    }
}

/// A folder that is served below one top-level name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticMount {
    /// The name, without slashes.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
}
