//! Mail to people who sign up: what is sent, and who sends it.

mod resend;

use futures_util::future::BoxFuture;

use crate::error::Error;

pub(crate) use resend::Resend;

/// One message, in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    /// The address it goes to.
    pub(crate) to: String,
    /// One line.
    pub(crate) subject: String,
    /// The text.
    pub(crate) text: String,
}

/// Sends mail.
pub(crate) trait Mailer: Send + Sync + 'static {
    /// Hands a message over for delivery.
    ///
    /// # Errors
    /// It was not taken.
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), Error>>;
}
