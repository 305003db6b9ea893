//! A [`DurableStore`] that forgets: for tests of what is built on it.

use std::collections::BTreeMap;
use std::future::ready;

use futures_util::FutureExt;
use parking_lot::Mutex;

use super::{
    BlockEntry, BlockKind, CreateOutcome, DurableStore, EventQuery, EventRecord, NewEvent, OwnerQuota,
    StoreFuture, TokenHash, WorkspaceQuery, WorkspaceRecord,
};

/// Durable state that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    workspaces: BTreeMap<String, WorkspaceRecord>,
    events: Vec<NewEvent>,
    revoked: BTreeMap<TokenHash, u64>,
    blocks: BTreeMap<(BlockKind, String), BlockEntry>,
    settings: BTreeMap<String, String>,
}

impl State {
    fn owned(&self, owner: &str) -> u64 {
        self.workspaces
            .values()
            .filter(|record| lists(record, owner))
            .count() as u64
    }

    fn matching<'a>(&'a self, query: EventQuery<'a>) -> impl Iterator<Item = (usize, &'a NewEvent)> {
        self.events.iter().enumerate().filter(move |(_, event)| {
            event.workspace.as_str() == query.workspace
                && query.user_id.is_none_or(|user| event.user_id == user)
                && query.event_type.is_none_or(|kind| event.event_type == kind)
                && query.start_us.is_none_or(|start| event.timestamp_us >= start)
                && query.end_us.is_none_or(|end| event.timestamp_us <= end)
        })
    }
}

fn lists(record: &WorkspaceRecord, owner: &str) -> bool {
    record.owners.iter().any(|o| o == owner)
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does `operation` at once and hands out its result as a future.
    fn now<T: Send + 'static>(&self, operation: impl FnOnce(&mut State) -> T) -> StoreFuture<'_, T> {
        ready(Ok(operation(&mut self.0.lock()))).boxed()
    }
}

impl DurableStore for MemoryStore {
    fn create_workspace<'a>(
        &'a self,
        record: &'a WorkspaceRecord,
        quota: Option<OwnerQuota<'a>>,
    ) -> StoreFuture<'a, CreateOutcome> {
        self.now(|state| {
            if state.workspaces.contains_key(record.id.as_str()) {
                return CreateOutcome::Exists;
            }
            if let Some(quota) = quota {
                let owned = state.owned(quota.owner);
                if owned >= quota.max {
                    return CreateOutcome::QuotaExceeded { owned };
                }
            }
            state.workspaces.insert(record.id.to_string(), record.clone());
            CreateOutcome::Created
        })
    }

    fn put_workspace<'a>(&'a self, record: &'a WorkspaceRecord) -> StoreFuture<'a, ()> {
        self.now(|state| {
            state.workspaces.insert(record.id.to_string(), record.clone());
        })
    }

    fn workspace<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<WorkspaceRecord>> {
        self.now(|state| state.workspaces.get(id).cloned())
    }

    fn delete_workspace<'a>(&'a self, id: &'a str) -> StoreFuture<'a, bool> {
        self.now(|state| state.workspaces.remove(id).is_some())
    }

    fn workspaces<'a>(&'a self, query: WorkspaceQuery<'a>) -> StoreFuture<'a, Vec<WorkspaceRecord>> {
        self.now(|state| {
            let matches = |record: &&WorkspaceRecord| {
                query.after.is_none_or(|after| record.id.as_str() > after)
                    && query.owner.is_none_or(|owner| lists(record, owner))
            };
            state
                .workspaces
                .values()
                .filter(matches)
                .take(query.limit as usize)
                .cloned()
                .collect()
        })
    }

    fn count_workspaces<'a>(&'a self, owner: &'a str) -> StoreFuture<'a, u64> {
        self.now(|state| state.owned(owner))
    }

    fn append_event<'a>(&'a self, event: &'a NewEvent) -> StoreFuture<'a, i64> {
        self.now(|state| {
            state.events.push(event.clone());
            state.events.len() as i64
        })
    }

    fn events<'a>(
        &'a self,
        query: EventQuery<'a>,
        limit: u32,
        offset: u32,
    ) -> StoreFuture<'a, Vec<EventRecord>> {
        self.now(|state| {
            let page = state.matching(query).skip(offset as usize).take(limit as usize);
            page.map(|(index, event)| EventRecord {
                id: index as i64 + 1,
                event: event.clone(),
            })
            .collect()
        })
    }

    fn event_stats<'a>(&'a self, query: EventQuery<'a>) -> StoreFuture<'a, Vec<(String, u64)>> {
        self.now(|state| {
            let mut counts = BTreeMap::new();
            for (_, event) in state.matching(query) {
                *counts.entry(event.event_type.clone()).or_default() += 1;
            }
            counts.into_iter().collect()
        })
    }

    fn revoke_token<'a>(&'a self, token: &'a TokenHash, expires_at: u64) -> StoreFuture<'a, ()> {
        self.now(|state| {
            state.revoked.insert(*token, expires_at);
        })
    }

    fn revoked_tokens(&self, now: u64) -> StoreFuture<'_, Vec<(TokenHash, u64)>> {
        self.now(|state| {
            state
                .revoked
                .iter()
                .filter(|(_, end)| **end >= now)
                .map(|(t, e)| (*t, *e))
                .collect()
        })
    }

    fn block<'a>(&'a self, entry: &'a BlockEntry) -> StoreFuture<'a, ()> {
        self.now(|state| {
            state
                .blocks
                .insert((entry.kind, entry.key.clone()), entry.clone());
        })
    }

    fn unblock<'a>(&'a self, kind: BlockKind, key: &'a str) -> StoreFuture<'a, bool> {
        self.now(|state| state.blocks.remove(&(kind, key.to_owned())).is_some())
    }

    fn blocks(&self, now: u64) -> StoreFuture<'_, Vec<BlockEntry>> {
        self.now(|state| {
            state
                .blocks
                .values()
                .filter(|entry| entry.expires_at >= now)
                .cloned()
                .collect()
        })
    }

    fn purge_expired(&self, now: u64) -> StoreFuture<'_, u64> {
        self.now(|state| {
            let before = state.revoked.len() + state.blocks.len();
            state.revoked.retain(|_, end| *end >= now);
            state.blocks.retain(|_, entry| entry.expires_at >= now);
            (before - state.revoked.len() - state.blocks.len()) as u64
        })
    }

    fn setting<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<String>> {
        self.now(|state| state.settings.get(key).cloned())
    }

    fn put_setting<'a>(&'a self, key: &'a str, value: &'a str) -> StoreFuture<'a, ()> {
        self.now(|state| {
            state.settings.insert(key.to_owned(), value.to_owned());
        })
    }

    fn setting_or_insert<'a>(&'a self, key: &'a str, value: &'a str) -> StoreFuture<'a, String> {
        self.now(|state| {
            state
                .settings
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned())
                .clone()
        })
    }
}
