//! What outlives the process: the interface between the hub and its storage, without any SQL.
//!
//! An operation that writes has succeeded only when its effect survives a power cut. Implementations are safe
//! to share between tasks and keep each operation atomic. [`MemoryStore`] is the one for tests; the SQLite
//! one is package `hypha-store`.
//!
//! Workspaces that vanish with their last client, connections, registrations, queues and counters are not
//! durable state and have no place here.

mod memory;

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::auth::revoked::TokenHash;
use crate::ids::WorkspaceId;

pub use memory::MemoryStore;

/// The answer of a storage operation, when it is there.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, DurableError>>;

/// Why storage could not do its part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurableError {
    /// The storage is busy, full, closed or broken. Nothing was changed; trying again later may work.
    #[error("Storage is unavailable: {0}")]
    Unavailable(String),
    /// What was read is not what was written. Trying again gives the same.
    #[error("Stored data is corrupt: {0}")]
    Corrupt(String),
}

/// A persistent workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkspaceRecord {
    /// Its id.
    pub id: WorkspaceId,
    /// The user ids and e-mail addresses that own it: the index for look-ups by owner, beside the ones in
    /// `info`.
    pub owners: Vec<String>,
    /// The whole `WorkspaceInfo`, as its dump on the wire.
    pub info: Value,
}

/// How many workspaces somebody may own.
#[derive(Clone, Copy, Debug)]
pub struct OwnerQuota<'a> {
    /// User id, as in [`WorkspaceRecord::owners`].
    pub owner: &'a str,
    /// Most workspaces that this owner may have in the store, the new one included.
    pub max: u64,
}

/// What became of [`DurableStore::create_workspace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The record is stored.
    Created,
    /// There is one with this id; it was left alone.
    Exists,
    /// The owner has this many already; nothing was stored.
    QuotaExceeded {
        /// Workspaces of the owner in the store.
        owned: u64,
    },
}

/// Which workspaces to list, in order of their ids.
#[derive(Clone, Copy, Debug)]
pub struct WorkspaceQuery<'a> {
    /// Only those that list this owner.
    pub owner: Option<&'a str>,
    /// Only ids after this one: the last of the previous page.
    pub after: Option<&'a str>,
    /// Most records to return.
    pub limit: u32,
}

/// An entry of the event log, before it has an id.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Its type, a word.
    pub event_type: String,
    /// The workspace it happened in.
    pub workspace: WorkspaceId,
    /// Who logged it.
    pub user_id: String,
    /// When, in microseconds since the Unix epoch.
    pub timestamp_us: i64,
    /// Whatever came with it.
    pub data: Value,
}

/// An entry of the event log.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// Rises with every entry.
    pub id: i64,
    /// What was logged.
    pub event: NewEvent,
}

/// Which entries of the event log are meant.
#[derive(Clone, Copy, Debug)]
pub struct EventQuery<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// Only those of this user.
    pub user_id: Option<&'a str>,
    /// Only those of this type.
    pub event_type: Option<&'a str>,
    /// Not before this time (microseconds since the Unix epoch).
    pub start_us: Option<i64>,
    /// Not after this time (microseconds since the Unix epoch).
    pub end_us: Option<i64>,
}

/// Whom a block is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    /// A user id.
    User,
    /// An IP address.
    Ip,
}

impl BlockKind {
    /// The name in storage and in error texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Ip => "ip",
        }
    }

    /// The kind with a name, if there is one.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "ip" => Some(Self::Ip),
            _ => None,
        }
    }
}

/// A user or an address that is kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// What `key` is.
    pub kind: BlockKind,
    /// The user id or IP address.
    pub key: String,
    /// Why, for the one who is refused.
    pub reason: String,
    /// Until when, in seconds since the Unix epoch.
    pub expires_at: u64,
    /// Since when, in seconds since the Unix epoch.
    pub created_at: u64,
}

/// Durable state. See the [module](self) for what an implementation promises.
pub trait DurableStore: Send + Sync + 'static {
    /// Stores a new workspace unless its id is taken or the quota is used up: one decision, whoever else is
    /// writing.
    fn create_workspace<'a>(
        &'a self,
        record: &'a WorkspaceRecord,
        quota: Option<OwnerQuota<'a>>,
    ) -> StoreFuture<'a, CreateOutcome>;

    /// Stores a workspace, in place of the one with its id if there is one.
    fn put_workspace<'a>(&'a self, record: &'a WorkspaceRecord) -> StoreFuture<'a, ()>;

    /// Finds a workspace.
    fn workspace<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<WorkspaceRecord>>;

    /// Removes a workspace; `false` if there was none.
    fn delete_workspace<'a>(&'a self, id: &'a str) -> StoreFuture<'a, bool>;

    /// Lists workspaces, a page at a time.
    fn workspaces<'a>(&'a self, query: WorkspaceQuery<'a>) -> StoreFuture<'a, Vec<WorkspaceRecord>>;

    /// Counts the workspaces that list an owner.
    fn count_workspaces<'a>(&'a self, owner: &'a str) -> StoreFuture<'a, u64>;

    /// Adds to the event log; returns the entry's id.
    fn append_event<'a>(&'a self, event: &'a NewEvent) -> StoreFuture<'a, i64>;

    /// Reads the event log, oldest first: `limit` entries after the first `offset`.
    fn events<'a>(
        &'a self,
        query: EventQuery<'a>,
        limit: u32,
        offset: u32,
    ) -> StoreFuture<'a, Vec<EventRecord>>;

    /// Counts entries of the event log by type, in order of the type.
    fn event_stats<'a>(&'a self, query: EventQuery<'a>) -> StoreFuture<'a, Vec<(String, u64)>>;

    /// Remembers a revoked token until `expires_at` (seconds since the Unix epoch).
    fn revoke_token<'a>(&'a self, token: &'a TokenHash, expires_at: u64) -> StoreFuture<'a, ()>;

    /// All revoked tokens that would still be valid at `now` (seconds since the Unix epoch), with their ends.
    fn revoked_tokens(&self, now: u64) -> StoreFuture<'_, Vec<(TokenHash, u64)>>;

    /// Blocks somebody, or changes an existing block.
    fn block<'a>(&'a self, entry: &'a BlockEntry) -> StoreFuture<'a, ()>;

    /// Ends a block; `false` if there was none.
    fn unblock<'a>(&'a self, kind: BlockKind, key: &'a str) -> StoreFuture<'a, bool>;

    /// All blocks that hold at `now` (seconds since the Unix epoch).
    fn blocks(&self, now: u64) -> StoreFuture<'_, Vec<BlockEntry>>;

    /// Forgets revoked tokens and blocks that ended before `now` (seconds since the Unix epoch); returns how
    /// many.
    fn purge_expired(&self, now: u64) -> StoreFuture<'_, u64>;

    /// Reads a setting of the hub.
    fn setting<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<String>>;

    /// Writes a setting of the hub.
    fn put_setting<'a>(&'a self, key: &'a str, value: &'a str) -> StoreFuture<'a, ()>;

    /// Reads a setting, or writes `value` if there is none: what is returned is what every other caller gets.
    /// For values that are made up once, such as the signing secret and the server's id.
    fn setting_or_insert<'a>(&'a self, key: &'a str, value: &'a str) -> StoreFuture<'a, String>;
}
