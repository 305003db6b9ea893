//! What people do with accounts: sign up, prove an address, sign in, change name and password.
//!
//! Nobody learns here whether an address has an account (as far as a code can be mailed to it), and guessing passwords
//! is slow: attempts are counted per address of the network, per account from there, and per account altogether. Who
//! has signed in from an address before is not held up by what others try elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use hypha_hub::auth::UserInfo;
use hypha_hub::ids::random_id;
use parking_lot::Mutex;

use super::error::AccountError;
use super::password::{Passwords, Verdict};
use super::pending::{Applicant, PendingSignUps};
use super::store::{Account, AccountStore};
use crate::mail::{Mail, Mailer};
use crate::options::LocalOptions;
use crate::throttle::{Throttle, network};

/// Prefix of the ids of local users.
pub(crate) const ID_PREFIX: &str = "local-";
/// Shortest password, in characters.
const MIN_PASSWORD: usize = 8;
/// Longest password, in bytes.
const MAX_PASSWORD: usize = 1024;
/// Longest name, in characters.
const MAX_NAME: usize = 100;
/// How long an address counts as one that an account was signed in to from, in seconds.
const KNOWN_FOR: u64 = 30 * 24 * 3600;
/// Such pairs that are remembered.
const MAX_KNOWN: usize = 100_000;
/// Longest e-mail address, in bytes.
const MAX_EMAIL: usize = 254;

/// See the module documentation.
pub(crate) struct LocalAccounts {
    store: Arc<dyn AccountStore>,
    mailer: Option<Arc<dyn Mailer>>,
    passwords: Passwords,
    pending: PendingSignUps,
    per_address: Throttle<IpAddr>,
    per_pair: Throttle<(String, IpAddr)>,
    per_account: Throttle<String>,
    /// When an account was last signed in to from an address.
    known: Mutex<HashMap<(String, IpAddr), u64>>,
    sign_ups: Throttle<IpAddr>,
    /// Mail to one address: nobody's mailbox is filled.
    mails: Throttle<String>,
}

/// Somebody has signed up and has to prove the address.
#[derive(Debug)]
pub(crate) struct SignedUp {
    /// The address, in lower case.
    pub(crate) email: String,
    /// The code, if there is nobody to mail it.
    pub(crate) dev_code: Option<String>,
}

/// A change of an account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) current_password: Option<String>,
    pub(crate) new_password: Option<String>,
    pub(crate) email: Option<String>,
}

impl LocalAccounts {
    pub(crate) fn new(
        options: LocalOptions,
        store: Arc<dyn AccountStore>,
        mailer: Option<Arc<dyn Mailer>>,
    ) -> Self {
        Self {
            store,
            mailer,
            passwords: Passwords::new(),
            pending: PendingSignUps::new(options),
            per_address: Throttle::new(30, 2.0),
            per_pair: Throttle::new(10, 10.0),
            per_account: Throttle::new(50, 10.0),
            known: Mutex::default(),
            sign_ups: Throttle::new(20, 30.0),
            mails: Throttle::new(5, 600.0),
        }
    }

    /// Signs up; the address gets a code.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn sign_up(
        &self,
        name: &str,
        email: &str,
        password: &str,
        from: IpAddr,
        now: u64,
    ) -> Result<SignedUp, AccountError> {
        if name.trim().is_empty() || email.trim().is_empty() || password.is_empty() {
            return Err(AccountError::Incomplete);
        }
        let name = checked_name(name)?;
        let email = checked_email(email)?;
        check_password(password)?;
        self.sign_ups
            .take(network(from), now as f64)
            .map_err(AccountError::Throttled)?;
        let known = self.store.account(&email).await?;
        if known.is_some() && self.mailer.is_none() {
            // Without mail there is no secret to keep: the code would not work.
            return Err(AccountError::Registered);
        }
        let password = self.passwords.hash(password).await?;
        let applicant = known.is_none().then_some(Applicant { name, password });
        let code = self.pending.add(&email, applicant, now)?;
        self.send(&email, &code, known.is_none(), from, now).await?;
        let dev_code = self.mailer.is_none().then_some(code);
        Ok(SignedUp { email, dev_code })
    }

    /// Sends another code to an address that waits for one.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn resend(&self, email: &str, from: IpAddr, now: u64) -> Result<SignedUp, AccountError> {
        let email = checked_email(email)?;
        self.sign_ups
            .take(network(from), now as f64)
            .map_err(AccountError::Throttled)?;
        let (code, is_new) = self.pending.renew(&email, now)?;
        self.send(&email, &code, is_new, from, now).await?;
        let dev_code = self.mailer.is_none().then_some(code);
        Ok(SignedUp { email, dev_code })
    }

    async fn send(
        &self,
        email: &str,
        code: &str,
        is_new: bool,
        from: IpAddr,
        now: u64,
    ) -> Result<(), AccountError> {
        let Some(mailer) = &self.mailer else {
            return Ok(());
        };
        self.mails
            .take(email.to_owned(), now as f64)
            .map_err(AccountError::Wait)?;
        let text = if is_new {
            format!(
                "Your code is {code}\n\nSomebody at the address {from} signs up with this e-mail address. If that is \
                 not you, do not give the code to anybody, and do not enter it anywhere.\n"
            )
        } else {
            format!(
                "Somebody at the address {from} tried to sign up with this e-mail address, which has an account \
                 already. If that was you: sign in with your password instead. Otherwise there is nothing to do.\n"
            )
        };
        let mail = Mail {
            to: email.to_owned(),
            subject: "Hypha Account: your sign-up".to_owned(),
            text,
        };
        mailer.send(&mail).await.map_err(|error| {
            tracing::warn!(%error, "a verification mail was not sent");
            AccountError::Mail
        })
    }

    /// Makes the account, if the code is the one that was mailed.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn verify(&self, email: &str, code: &str, now: u64) -> Result<Account, AccountError> {
        let email = checked_email(email)?;
        let applicant = self.pending.take(&email, code, now)?;
        let account = Account {
            id: format!("{ID_PREFIX}{}", random_id(&mut rand::rng())),
            email,
            name: applicant.name,
            password: applicant.password,
            created_at: now,
            email_verified: self.mailer.is_some(),
            roles: vec!["user".into()],
        };
        if !self.store.add_account(&account).await? {
            return Err(AccountError::Registered);
        }
        Ok(account)
    }

    /// The account with this address and password.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn sign_in(
        &self,
        email: &str,
        password: &str,
        from: IpAddr,
        now: u64,
    ) -> Result<Account, AccountError> {
        let Ok(email) = checked_email(email) else {
            return Err(AccountError::Credentials);
        };
        let account = self.store.account(&email).await?;
        self.check(email, account, password, from, now)
            .await?
            .ok_or(AccountError::Credentials)
    }

    /// The account, if the password is right; counts the attempt.
    async fn check(
        &self,
        email: String,
        account: Option<Account>,
        password: &str,
        from: IpAddr,
        now: u64,
    ) -> Result<Option<Account>, AccountError> {
        if password.is_empty() || password.len() > MAX_PASSWORD {
            return Ok(None);
        }
        let (at, from) = (now as f64, network(from));
        let pair = (email.clone(), from);
        self.per_address.take(from, at).map_err(AccountError::Throttled)?;
        if let Err(wait) = self.per_pair.take(pair.clone(), at) {
            self.per_address.refund(&from);
            return Err(AccountError::Throttled(wait));
        }
        let is_known = self.is_known(&pair, now);
        if !is_known && let Err(wait) = self.per_account.take(email.clone(), at) {
            self.per_address.refund(&from);
            self.per_pair.refund(&pair);
            return Err(AccountError::Throttled(wait));
        }
        let kept = account.as_ref().map(|account| account.password.clone());
        let verdict = self.passwords.verify(kept, password).await?;
        let (Some(mut account), Verdict::Right | Verdict::Upgrade(_)) = (account, &verdict) else {
            return Ok(None);
        };
        self.per_address.refund(&from);
        self.per_pair.refund(&pair);
        if !is_known {
            self.per_account.refund(&email);
        }
        self.remember(pair, now);
        if let Verdict::Upgrade(password) = verdict {
            account.password = password;
            self.store.update_account(&account).await?;
        }
        Ok(Some(account))
    }

    fn is_known(&self, pair: &(String, IpAddr), now: u64) -> bool {
        self.known.lock().get(pair).is_some_and(|at| at + KNOWN_FOR > now)
    }

    fn remember(&self, pair: (String, IpAddr), now: u64) {
        let mut known = self.known.lock();
        if known.len() >= MAX_KNOWN {
            known.retain(|_, at| *at + KNOWN_FOR > now);
        }
        // When there is no room, this account is held up by what others try, as an unknown one is.
        if known.len() < MAX_KNOWN || known.contains_key(&pair) {
            known.insert(pair, now);
        }
    }

    /// Changes name or password. A name may be changed by whoever holds the account's token (`user`) or its password;
    /// a password by whoever knows the old one.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub(crate) async fn update(
        &self,
        user: &UserInfo,
        change: Change,
        from: IpAddr,
        now: u64,
    ) -> Result<Account, AccountError> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let name = given(change.name).map(|name| checked_name(&name)).transpose()?;
        let new_password = given(change.new_password);
        if name.is_none() && new_password.is_none() {
            return Err(AccountError::NoChange);
        }
        if let Some(password) = &new_password {
            check_password(password)?;
        }
        let own = self
            .store
            .account_of(&user.id)
            .await?
            .filter(|_| user.parent.is_none());
        let email = given(change.email).map(|email| email.trim().to_lowercase());
        let is_own = own
            .as_ref()
            .is_some_and(|own| email.as_ref().is_none_or(|email| *email == own.email));
        let (email, account) = match (is_own, own, email) {
            (true, Some(own), _) => (own.email.clone(), Some(own)),
            (_, _, Some(email)) => (email.clone(), self.store.account(&email).await?),
            _ => return Err(AccountError::NotYours),
        };
        let account = match given(change.current_password) {
            Some(password) => self
                .check(email, account, &password, from, now)
                .await?
                .ok_or(AccountError::CurrentPassword)?,
            None if is_own && new_password.is_none() => account.ok_or(AccountError::NotYours)?,
            None => return Err(AccountError::NotYours),
        };
        let mut account = account;
        if let Some(name) = name {
            account.name = name;
        }
        if let Some(password) = new_password {
            account.password = self.passwords.hash(&password).await?;
        }
        self.store.update_account(&account).await?;
        Ok(account)
    }

    /// The account of a signed-in user, if it is one of this server.
    pub(crate) async fn account_of(&self, user: &UserInfo) -> Option<Account> {
        if user.parent.is_some() {
            return None;
        }
        self.store.account_of(&user.id).await.ok().flatten()
    }
}

/// The user that an account stands for.
pub(crate) fn user_of(account: &Account) -> UserInfo {
    UserInfo {
        roles: account.roles.clone(),
        // An address that nobody has proven owns nothing.
        email: account.email_verified.then(|| account.email.clone()),
        ..UserInfo::new(account.id.clone())
    }
}

fn checked_email(email: &str) -> Result<String, AccountError> {
    let email = email.trim().to_lowercase();
    let is_text = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let is_address = email.len() <= MAX_EMAIL
        && !email.contains([',', ';', '<', '>', '"', '\\'])
        && email
            .split_once('@')
            .is_some_and(|(local, domain)| is_text(local) && is_text(domain) && !domain.contains('@'));
    if is_address {
        Ok(email)
    } else {
        Err(AccountError::Email)
    }
}

fn checked_name(name: &str) -> Result<String, AccountError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(AccountError::Name);
    }
    Ok(name.to_owned())
}

fn check_password(password: &str) -> Result<(), AccountError> {
    if password.chars().count() < MIN_PASSWORD {
        return Err(AccountError::ShortPassword);
    }
    if password.len() > MAX_PASSWORD {
        return Err(AccountError::LongPassword);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
