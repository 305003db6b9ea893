//! Accounts of this server: sign-up with an e-mail address and a password, sign-in, changes.
//!
//! | module | what |
//! | --- | --- |
//! | `store` | an account, and where accounts are kept |
//! | `password` | hashing, off the runtime's threads and a few at a time |
//! | `pending` | sign-ups that wait for the code that was mailed |
//! | `local` | what people do with accounts |
//! | `error` | what they are told when it does not work |

mod error;
mod local;
mod password;
mod pending;
mod store;

pub(crate) use error::AccountError;
pub(crate) use local::{Change, ID_PREFIX as LOCAL_ID_PREFIX, LocalAccounts, user_of};
pub use store::{Account, AccountStore, MemoryAccounts, StoredPassword};
