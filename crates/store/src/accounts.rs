//! Statements on accounts, and [`AccountStore`] in terms of them.

use futures_util::{FutureExt, TryFutureExt};
use hypha_hub::durable::{DurableError, StoreFuture};
use hypha_login::{Account, AccountStore, StoredPassword};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query};

use crate::error::to_durable;
use crate::store::Store;

impl AccountStore for Store {
    fn account<'a>(&'a self, email: &'a str) -> StoreFuture<'a, Option<Account>> {
        find(self, "SELECT * FROM accounts WHERE email = ?1", email).boxed()
    }

    fn account_of<'a>(&'a self, user: &'a str) -> StoreFuture<'a, Option<Account>> {
        find(self, "SELECT * FROM accounts WHERE id = ?1", user).boxed()
    }

    fn add_account<'a>(&'a self, account: &'a Account) -> StoreFuture<'a, bool> {
        add(self, account).map_err(to_durable).boxed()
    }

    fn update_account<'a>(&'a self, account: &'a Account) -> StoreFuture<'a, bool> {
        update(self, account).map_err(to_durable).boxed()
    }
}

/// Hash and salt as they are stored.
fn columns(password: &StoredPassword) -> (&str, Option<&str>) {
    match password {
        StoredPassword::Argon2(text) => (text, None),
        StoredPassword::Sha256 { hash, salt } => (hash, Some(salt)),
    }
}

async fn find(store: &Store, statement: &'static str, key: &str) -> Result<Option<Account>, DurableError> {
    let row = query(statement)
        .bind(key)
        .fetch_optional(store.reader())
        .await
        .map_err(to_durable)?;
    row.as_ref().map(account).transpose()
}

async fn add(store: &Store, account: &Account) -> Result<bool, sqlx::Error> {
    let (hash, salt) = columns(&account.password);
    let mut transaction = store.write().await?;
    let done = query(
        "INSERT INTO accounts (id, email, name, password_hash, salt, created_at, email_verified, roles) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
    )
    .bind(&account.id)
    .bind(&account.email)
    .bind(&account.name)
    .bind(hash)
    .bind(salt)
    .bind(i64::try_from(account.created_at).unwrap_or(i64::MAX))
    .bind(account.email_verified)
    .bind(roles(account))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(done.rows_affected() > 0)
}

async fn update(store: &Store, account: &Account) -> Result<bool, sqlx::Error> {
    let (hash, salt) = columns(&account.password);
    let mut transaction = store.write().await?;
    let statement =
        query("UPDATE accounts SET name = ?2, password_hash = ?3, salt = ?4, roles = ?5 WHERE id = ?1");
    let done = statement
        .bind(&account.id)
        .bind(&account.name)
        .bind(hash)
        .bind(salt)
        .bind(roles(account))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(done.rows_affected() > 0)
}

fn roles(account: &Account) -> String {
    serde_json::Value::from(account.roles.clone()).to_string()
}

fn account(row: &SqliteRow) -> Result<Account, DurableError> {
    let text = |column| row.try_get::<&str, _>(column).map_err(to_durable);
    let id = text("id")?;
    let corrupt = |what: &str| DurableError::Corrupt(format!("{what} of account {id}"));
    let hash = text("password_hash")?.to_owned();
    let salt: Option<String> = row.try_get("salt").map_err(to_durable)?;
    let created_at: i64 = row.try_get("created_at").map_err(to_durable)?;
    Ok(Account {
        id: id.to_owned(),
        email: text("email")?.to_owned(),
        name: text("name")?.to_owned(),
        password: match salt {
            Some(salt) => StoredPassword::Sha256 { hash, salt },
            None => StoredPassword::Argon2(hash),
        },
        created_at: u64::try_from(created_at).map_err(|_| corrupt("time"))?,
        email_verified: row.try_get("email_verified").map_err(to_durable)?,
        roles: serde_json::from_str(text("roles")?).map_err(|_| corrupt("roles"))?,
    })
}
