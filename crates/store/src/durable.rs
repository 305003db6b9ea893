//! [`DurableStore`] for [`Store`].

use futures_util::{FutureExt, TryFutureExt};
use hypha_hub::auth::revoked::TokenHash;
use hypha_hub::durable::{
    BlockEntry, BlockKind, CreateOutcome, DurableStore, EventQuery, EventRecord, NewEvent, OwnerQuota,
    StoreFuture, WorkspaceQuery, WorkspaceRecord,
};

use crate::error::to_durable;
use crate::store::Store;
use crate::{access, events, settings, workspaces};

impl DurableStore for Store {
    fn create_workspace<'a>(
        &'a self,
        record: &'a WorkspaceRecord,
        quota: Option<OwnerQuota<'a>>,
    ) -> StoreFuture<'a, CreateOutcome> {
        workspaces::create(self, record, quota).boxed()
    }

    fn put_workspace<'a>(&'a self, record: &'a WorkspaceRecord) -> StoreFuture<'a, ()> {
        workspaces::put(self, record).map_err(to_durable).boxed()
    }

    fn workspace<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<WorkspaceRecord>> {
        workspaces::get(self, id).boxed()
    }

    fn delete_workspace<'a>(&'a self, id: &'a str) -> StoreFuture<'a, bool> {
        workspaces::delete(self, id).map_err(to_durable).boxed()
    }

    fn workspaces<'a>(&'a self, query: WorkspaceQuery<'a>) -> StoreFuture<'a, Vec<WorkspaceRecord>> {
        workspaces::list(self, query).boxed()
    }

    fn count_workspaces<'a>(&'a self, owner: &'a str) -> StoreFuture<'a, u64> {
        workspaces::count(self, owner).map_err(to_durable).boxed()
    }

    fn append_event<'a>(&'a self, event: &'a NewEvent) -> StoreFuture<'a, i64> {
        events::append(self, event).map_err(to_durable).boxed()
    }

    fn events<'a>(
        &'a self,
        query: EventQuery<'a>,
        limit: u32,
        offset: u32,
    ) -> StoreFuture<'a, Vec<EventRecord>> {
        events::list(self, query, limit, offset).boxed()
    }

    fn event_stats<'a>(&'a self, query: EventQuery<'a>) -> StoreFuture<'a, Vec<(String, u64)>> {
        events::stats(self, query).map_err(to_durable).boxed()
    }

    fn revoke_token<'a>(&'a self, token: &'a TokenHash, expires_at: u64) -> StoreFuture<'a, ()> {
        access::revoke(self, token, expires_at)
            .map_err(to_durable)
            .boxed()
    }

    fn revoked_tokens(&self, now: u64) -> StoreFuture<'_, Vec<(TokenHash, u64)>> {
        access::revoked(self, now).boxed()
    }

    fn block<'a>(&'a self, entry: &'a BlockEntry) -> StoreFuture<'a, ()> {
        access::block(self, entry).map_err(to_durable).boxed()
    }

    fn unblock<'a>(&'a self, kind: BlockKind, key: &'a str) -> StoreFuture<'a, bool> {
        access::unblock(self, kind, key).map_err(to_durable).boxed()
    }

    fn blocks(&self, now: u64) -> StoreFuture<'_, Vec<BlockEntry>> {
        access::blocks(self, now).boxed()
    }

    fn purge_expired(&self, now: u64) -> StoreFuture<'_, u64> {
        access::purge(self, now).map_err(to_durable).boxed()
    }

    fn setting<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<String>> {
        settings::get(self, key).map_err(to_durable).boxed()
    }

    fn put_setting<'a>(&'a self, key: &'a str, value: &'a str) -> StoreFuture<'a, ()> {
        settings::put(self, key, value).map_err(to_durable).boxed()
    }

    fn setting_or_insert<'a>(&'a self, key: &'a str, value: &'a str) -> StoreFuture<'a, String> {
        settings::get_or_insert(self, key, value)
            .map_err(to_durable)
            .boxed()
    }
}
