//! The switch: connections, outboxes, routing, workspaces, the service registry, tokens and permissions, events, limits.

pub mod auth;
pub mod durable;
pub mod ids;
