//! What can be wrong with bytes or values that claim to be wire format.
//!
//! Every variant is the sender's fault; none is retryable. The text may be shown to the sender.

use std::borrow::Cow;
use std::fmt;

/// Result of this crate's functions.
pub type Result<T, E = WireError> = std::result::Result<T, E>;

/// A violation of the wire format, or a value that does not have the shape a type asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The input ends inside a value.
    #[error("message is truncated")]
    Truncated,
    /// There are bytes after the last expected value.
    #[error("{0} unexpected bytes after the message")]
    Trailing(usize),
    /// Containers are nested too deep.
    #[error("values are nested more than {0} levels deep")]
    TooDeep(usize),
    /// Something is bigger than its limit.
    #[error("{what} exceeds the limit of {max}")]
    TooLarge {
        /// What was measured, with its unit, e.g. `header (bytes)`.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A MessagePack string is not UTF-8.
    #[error("a string is not valid UTF-8")]
    InvalidUtf8,
    /// The byte 0xc1, which MessagePack never uses.
    #[error("0xc1 is not a MessagePack type")]
    InvalidMarker,
    /// An extension type other than the timestamp (-1), or a timestamp of an impossible form.
    #[error("MessagePack extension type {0} is not supported")]
    UnsupportedExt(i8),
    /// A segment is not a map.
    #[error("{what} must be a map")]
    NotAMap {
        /// The segment.
        what: &'static str,
    },
    /// A map has a key that is not a string.
    #[error("keys of {what} must be strings")]
    NotAStringKey {
        /// The map, or its place in the message.
        what: &'static str,
    },
    /// A segment has a key that its kind of message must not carry.
    #[error("a `{kind}` message must not carry `{key}` in its {segment}")]
    IllegalKey {
        /// `type` of the message.
        kind: String,
        /// `header` or `payload`.
        segment: &'static str,
        /// The key.
        key: String,
    },
    /// A map has a key twice.
    #[error("`{key}` is given twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key is missing.
    #[error("`{key}` is missing")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A field has a value of another type.
    #[error("`{field}` must be {expected}")]
    BadType {
        /// The field, as a path.
        field: Cow<'static, str>,
        /// What was expected, with its article: `a string`.
        expected: &'static str,
    },
    /// A value does not fit the Rust type that was asked for (or the reverse).
    #[error("{}", Located { path, message })]
    Convert {
        /// Path to the offending field (`a.b[2]`); empty at the root.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// A chunked transfer is created with a key that is in use.
    #[error(
        "Message with the same key ({key}) already exists in the cache store, please use overwrite=True or remove \
         it first."
    )]
    TransferExists {
        /// Key of the transfer.
        key: String,
    },
    /// A chunk or a command names a transfer that does not exist.
    #[error("Message with key {key} does not exists.")]
    TransferUnknown {
        /// Key of the transfer.
        key: String,
    },
    /// A chunked transfer is to be processed before all of it has come.
    #[error("Message with key {key} is incomplete: chunk {missing} is missing")]
    TransferIncomplete {
        /// Key of the transfer.
        key: String,
        /// Index of the first missing chunk.
        missing: u64,
    },
}

impl WireError {
    /// A [`WireError::BadType`].
    pub(crate) fn bad_type(field: impl Into<Cow<'static, str>>, expected: &'static str) -> Self {
        WireError::BadType {
            field: field.into(),
            expected,
        }
    }

    /// Puts `segment` (a key, or `[index]`) in front of the path of a [`WireError::Convert`].
    pub(crate) fn within(self, segment: &str) -> Self {
        match self {
            WireError::Convert { path, message } => {
                let glue = if path.is_empty() || path.starts_with('[') {
                    ""
                } else {
                    "."
                };
                WireError::Convert {
                    path: format!("{segment}{glue}{path}"),
                    message,
                }
            }
            other => other,
        }
    }
}

impl serde::ser::Error for WireError {
    fn custom<T: fmt::Display>(msg: T) -> Self {
        WireError::Convert {
            path: String::new(),
            message: msg.to_string(),
        }
    }
}

impl serde::de::Error for WireError {
    fn custom<T: fmt::Display>(msg: T) -> Self {
        WireError::Convert {
            path: String::new(),
            message: msg.to_string(),
        }
    }
}

/// Renders `path: message`, or the message alone at the root.
struct Located<'a> {
    path: &'a str,
    message: &'a str,
}

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}
