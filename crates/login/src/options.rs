//! What an operator can set.

use std::time::Duration;

use crate::issuer::IssuerOptions;

/// Options of the login service.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a login may take from `start` to `check`.
    pub max_login_time: Duration,
    /// Accounts of this server, if it has some.
    pub local: Option<LocalOptions>,
    /// An external issuer of identities, if there is one.
    pub issuer: Option<IssuerOptions>,
    /// Whether the page offers to sign in with the root token.
    pub root_sign_in: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_login_time: Duration::from_secs(180),
            local: None,
            issuer: None,
            root_sign_in: false,
        }
    }
}

/// Options of local accounts.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// How long a code that was mailed is good, in seconds.
    pub code_life: u64,
    /// Wrong codes until a sign-up is given up.
    pub max_attempts: u32,
    /// Seconds between two mails to one address.
    pub resend_interval: u64,
    /// Sign-ups that wait for their codes at a time; the oldest gives way.
    pub max_pending: usize,
    /// Who sends the mail. Without, the code is returned to whoever signs up, and proves nothing.
    pub mail: Option<MailOptions>,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            code_life: 600,
            max_attempts: 5,
            resend_interval: 30,
            max_pending: 10_000,
            mail: None,
        }
    }
}

/// How mail is sent: with the HTTP interface of Resend.
#[derive(Clone)]
pub struct MailOptions {
    /// Key of the interface.
    pub api_key: String,
    /// Sender, as in `Hypha <login@example.org>`.
    pub from: String,
}

/// Never shows the key.
impl std::fmt::Debug for MailOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailOptions")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}
