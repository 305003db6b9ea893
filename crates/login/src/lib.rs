//! Logging in: the service `hypha-login` with its page, accounts of this server, and an external issuer of identities.
//!
//! A client calls `start`, shows its user the address of the page, and waits in `check` for the token; on the page
//! somebody signs in and confirms. [`offer`] puts all of that on a [hub](hypha_hub::Hub).
//!
//! | module | what |
//! | --- | --- |
//! | `guard` | offering the service, and stepping back for an operator's own |
//! | `service` | the functions that clients call |
//! | `page` | the login page |
//! | `login` | what both have in common: completing a login, making the token |
//! | `sessions` | logins under way |
//! | `accounts` | accounts with a password; [`AccountStore`] is where they are kept |
//! | `issuer` | an external OpenID provider |
//! | `local_tokens` | further places in which requests bring tokens |
//! | `mail`, `http`, `throttle`, `time` | what these need |
//!
//! ```no_run
//! # async fn example(hub: hypha_hub::Hub) -> Result<(), hypha_login::Error> {
//! use std::sync::Arc;
//! use hypha_login::{LocalOptions, MemoryAccounts, Options};
//!
//! let options = Options { local: Some(LocalOptions::default()), ..Options::default() };
//! let offered = hypha_login::offer(&hub, options, Arc::new(MemoryAccounts::default()))?;
//! # Ok(())
//! # }
//! ```

mod accounts;
mod error;
mod guard;
mod http;
mod issuer;
mod local_tokens;
mod login;
mod mail;
mod options;
mod page;
mod service;
mod sessions;
mod throttle;
mod time;

pub use accounts::{Account, AccountStore, MemoryAccounts, StoredPassword};
pub use error::Error;
pub use guard::{Offered, offer};
pub use issuer::IssuerOptions;
pub use options::{LocalOptions, MailOptions, Options};
