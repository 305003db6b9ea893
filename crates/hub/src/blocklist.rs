//! Users and addresses that are kept out: durable, with a copy in memory that every handshake asks.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::RwLock;

use crate::durable::{BlockEntry, BlockKind, DurableError, DurableStore};

/// How long a block holds that was asked for without an end: 30 days.
const DEFAULT_SECONDS: u64 = 30 * 24 * 3600;

/// See the module documentation.
pub(crate) struct Blocklist(RwLock<HashMap<(BlockKind, String), BlockEntry>>);

impl Blocklist {
    pub(crate) async fn load(store: &dyn DurableStore, now: u64) -> Result<Self, DurableError> {
        let blocks = store.blocks(now).await?;
        let entries = blocks
            .into_iter()
            .map(|entry| ((entry.kind, entry.key.clone()), entry));
        Ok(Self(RwLock::new(entries.collect())))
    }

    /// Why a user is refused, if it is.
    pub(crate) fn refuses_user(&self, id: &str, now: u64) -> Option<String> {
        self.reason(BlockKind::User, id, now)
            .map(|reason| format!("User is blocked: {reason}"))
    }

    /// Why an address is refused, if it is.
    pub(crate) fn refuses_ip(&self, ip: IpAddr, now: u64) -> Option<String> {
        self.reason(BlockKind::Ip, &ip.to_string(), now)
            .map(|reason| format!("IP is blocked: {reason}"))
    }

    fn reason(&self, kind: BlockKind, key: &str, now: u64) -> Option<String> {
        let entries = self.0.read();
        if entries.is_empty() {
            return None;
        }
        entries
            .get(&(kind, key.to_owned()))
            .filter(|entry| entry.expires_at > now)
            .map(|entry| entry.reason.clone())
    }

    /// Blocks for `seconds` (0: 30 days); acknowledged when it is stored.
    pub(crate) async fn block(
        &self,
        store: &dyn DurableStore,
        kind: BlockKind,
        key: &str,
        seconds: u64,
        reason: &str,
        now: u64,
    ) -> Result<(), DurableError> {
        let seconds = if seconds == 0 { DEFAULT_SECONDS } else { seconds };
        let entry = BlockEntry {
            kind,
            key: key.to_owned(),
            reason: reason.to_owned(),
            expires_at: now.saturating_add(seconds),
            created_at: now,
        };
        store.block(&entry).await?;
        self.0.write().insert((kind, key.to_owned()), entry);
        Ok(())
    }

    /// Ends a block. Returns whether there was one.
    pub(crate) async fn unblock(
        &self,
        store: &dyn DurableStore,
        kind: BlockKind,
        key: &str,
    ) -> Result<bool, DurableError> {
        let stored = store.unblock(kind, key).await?;
        Ok(self.0.write().remove(&(kind, key.to_owned())).is_some() || stored)
    }

    /// All blocks that hold.
    pub(crate) fn list(&self, now: u64) -> Vec<BlockEntry> {
        let mut entries: Vec<_> = self
            .0
            .read()
            .values()
            .filter(|entry| entry.expires_at > now)
            .cloned()
            .collect();
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
    }

    pub(crate) fn purge(&self, now: u64) {
        self.0.write().retain(|_, entry| entry.expires_at > now);
    }
}
