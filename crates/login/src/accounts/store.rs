//! An account, and the interface to where accounts are kept.

use std::collections::HashMap;

use futures_util::FutureExt;
use hypha_hub::durable::StoreFuture;
use parking_lot::Mutex;

/// Somebody who can sign in with a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user id, unique.
    pub id: String,
    /// The e-mail address in lower case, unique.
    pub email: String,
    /// A name for people.
    pub name: String,
    /// How the password is checked.
    pub password: StoredPassword,
    /// When it was made, in seconds since the Unix epoch.
    pub created_at: u64,
    /// Whether a code that was mailed to the address came back. Only then does the address say who somebody is.
    pub email_verified: bool,
    /// The roles of the user.
    pub roles: Vec<String>,
}

/// What is kept of a password. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum StoredPassword {
    /// A PHC text with an argon2 hash.
    Argon2(String),
    /// Records of the original server: the SHA-256 of password and salt, in hexadecimal. It is replaced when its owner
    /// signs in.
    Sha256 {
        /// The hash.
        hash: String,
        /// What was appended to the password.
        salt: String,
    },
}

impl std::fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredPassword(..)")
    }
}

/// Where accounts are kept. A change that is acknowledged survives a power cut.
pub trait AccountStore: Send + Sync + 'static {
    /// The account with this e-mail address (in lower case).
    fn account<'a>(&'a self, email: &'a str) -> StoreFuture<'a, Option<Account>>;

    /// The account of this user.
    fn account_of<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Option<Account>>;

    /// Adds an account; false, and nothing is changed, when there is one with its id or address.
    fn add_account<'a>(&'a self, account: &'a Account) -> StoreFuture<'a, bool>;

    /// Replaces the name, password and roles of the account with this id; false when there is none.
    fn update_account<'a>(&'a self, account: &'a Account) -> StoreFuture<'a, bool>;
}

/// Accounts in memory, for tests and servers that keep nothing.
#[derive(Debug, Default)]
pub struct MemoryAccounts(Mutex<HashMap<String, Account>>);

impl AccountStore for MemoryAccounts {
    fn account<'a>(&'a self, email: &'a str) -> StoreFuture<'a, Option<Account>> {
        async move { Ok(self.0.lock().values().find(|one| one.email == email).cloned()) }.boxed()
    }

    fn account_of<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Option<Account>> {
        async move { Ok(self.0.lock().get(user).cloned()) }.boxed()
    }

    fn add_account<'a>(&'a self, account: &'a Account) -> StoreFuture<'a, bool> {
        async move {
            let mut all = self.0.lock();
            if all
                .values()
                .any(|one| one.id == account.id || one.email == account.email)
            {
                return Ok(false);
            }
            all.insert(account.id.clone(), account.clone());
            Ok(true)
        }
        .boxed()
    }

    fn update_account<'a>(&'a self, account: &'a Account) -> StoreFuture<'a, bool> {
        async move {
            let mut all = self.0.lock();
            let Some(known) = all.get_mut(&account.id) else {
                return Ok(false);
            };
            known.name.clone_from(&account.name);
            known.password.clone_from(&account.password);
            known.roles.clone_from(&account.roles);
            Ok(true)
        }
        .boxed()
    }
}
