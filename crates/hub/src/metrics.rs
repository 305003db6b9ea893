//! Counters, under the names that dashboards of the original know. No label names a workspace or a client.

use metrics::{Counter, counter};

/// Handles of the counters, looked up once.
pub struct Metrics {
    /// Messages that were routed.
    pub(crate) routed: Counter,
    /// Connections that were admitted.
    pub(crate) opened: Counter,
    /// Connections that ended.
    pub(crate) closed: Counter,
    /// Times that reading from a connection was paused because of its message rate.
    pub throttled: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            routed: counter!("rpc_call_total"),
            opened: counter!("websocket_connections_established_total"),
            closed: counter!("redis_rpc_connections_closed_total"),
            throttled: counter!("websocket_rate_limited_total"),
        }
    }
}
