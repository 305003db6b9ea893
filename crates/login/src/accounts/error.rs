//! What people are told when something about their account does not work.

/// Why an action on accounts did not happen. The texts are for people, and part of the contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccountError {
    /// The server has no accounts.
    #[error("This server has no local accounts")]
    Off,
    /// A field is missing at sign-up.
    #[error("Name, email and password are required")]
    Incomplete,
    /// Shorter than any password may be.
    #[error("Password must be at least 8 characters")]
    ShortPassword,
    /// Longer than anything that is hashed.
    #[error("Password must be at most 1024 bytes")]
    LongPassword,
    /// Too long, or with control characters in it.
    #[error("Name must be at most 100 characters, without line breaks")]
    Name,
    /// No address of a mailbox.
    #[error("This is not an e-mail address")]
    Email,
    /// Said only where whoever asks could find out anyway.
    #[error("Email already registered")]
    Registered,
    /// The mail was not sent.
    #[error("Failed to send the verification email; try again later")]
    Mail,
    /// A code for an address that nobody has signed up with, or too long ago.
    #[error("No pending sign-up for this email, or its code has expired. Please sign up again.")]
    NotPending,
    /// Not the code that was mailed.
    #[error("Incorrect code. {0} attempt(s) remaining.")]
    WrongCode(u32),
    /// Not the code, for the last time.
    #[error("Too many incorrect attempts. Please sign up again.")]
    TooManyCodes,
    /// A mail was sent just now.
    #[error("Please wait {0}s before requesting another code.")]
    Wait(u64),
    /// Unknown address or wrong password.
    #[error("Invalid email or password")]
    Credentials,
    /// The current password, to change it, is wrong.
    #[error("Current password is incorrect")]
    CurrentPassword,
    /// Neither the account's token nor its password.
    #[error("Sign in, or give the current password, to change the account")]
    NotYours,
    /// Nothing to change.
    #[error("Give a new name or a new password")]
    NoChange,
    /// Tried too often.
    #[error("Too many attempts. Try again in {0} seconds.")]
    Throttled(u64),
    /// More passwords to check than the server can at the moment.
    #[error("The server is busy; try again in a moment")]
    Busy,
    /// Storage does not answer. The cause is logged.
    #[error("The server cannot store or read its data at the moment; try again later")]
    Store,
}

impl From<hypha_hub::durable::DurableError> for AccountError {
    fn from(error: hypha_hub::durable::DurableError) -> Self {
        tracing::error!(%error, "accounts cannot be read or written");
        Self::Store
    }
}
