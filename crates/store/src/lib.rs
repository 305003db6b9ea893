//! Durable state in SQLite: [`Store`] implements the hub's [`DurableStore`](hypha_hub::durable::DurableStore) and the
//! login service's [`AccountStore`](hypha_login::AccountStore).
//!
//! One file, in write-ahead-log mode. All writes go through one connection, one transaction each, and are
//! acknowledged when SQLite has synced them to disk; reads go through a few connections beside it and never
//! wait for a writer. Opening brings the schema up to date.
//!
//! | module | what |
//! | --- | --- |
//! | [`Location`] | where the data is, from a path or a database URL |
//! | [`Store`] | opening, closing, and the connections |
//! | `workspaces`, `events`, `access`, `settings` | the statements for one subject each |
//! | `durable` | the hub's interface in terms of those |
//! | `accounts` | accounts with a password: the login service's interface |
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use hypha_hub::durable::DurableStore;
//! use hypha_store::{Location, Store};
//!
//! let store = Store::open(&Location::parse("sqlite:////var/lib/hypha/hub.db")?).await?;
//! let secret = store.setting_or_insert("jwt_secret", "made up by the caller").await?;
//! # Ok(())
//! # }
//! ```

mod access;
mod accounts;
mod durable;
mod error;
mod events;
mod location;
mod settings;
mod store;
mod workspaces;

pub use error::OpenError;
pub use location::{Location, LocationError};
pub use store::Store;
