//! What can go wrong, on both sides of a call.
//!
//! [`Error`] is what the caller of a remote function gets. [`RemoteFailure`] is what a service answers with; it
//! decides the text that crosses the wire: `<Kind>: <message>`, where the kinds are the names of Python's exceptions,
//! because existing clients look for them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use hypha_wire::{RemoteError, Value, WireError};

/// The kind of a failure, named after the Python exception that clients of every language look for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something asked for by name does not exist.
    KeyError,
    /// The caller may not do this.
    PermissionError,
    /// An argument has the right type and a wrong value.
    ValueError,
    /// An argument is missing, unknown or of the wrong type.
    TypeError,
    /// A condition does not hold.
    AssertionError,
    /// Anything else that failed.
    RuntimeError,
    /// Something did not finish in time.
    TimeoutError,
    /// The function exists in name only.
    NotImplementedError,
    /// A connection that was needed is not there.
    ConnectionError,
    /// A file does not exist.
    FileNotFoundError,
    /// A file exists already.
    FileExistsError,
    /// A kind that is not listed here, by its name on the wire.
    Other(Cow<'static, str>),
}

impl ErrorKind {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::KeyError => "KeyError",
            Self::PermissionError => "PermissionError",
            Self::ValueError => "ValueError",
            Self::TypeError => "TypeError",
            Self::AssertionError => "AssertionError",
            Self::RuntimeError => "RuntimeError",
            Self::TimeoutError => "TimeoutError",
            Self::NotImplementedError => "NotImplementedError",
            Self::ConnectionError => "ConnectionError",
            Self::FileNotFoundError => "FileNotFoundError",
            Self::FileExistsError => "FileExistsError",
            Self::Other(name) => name,
        }
    }

    /// The kind with this name on the wire.
    pub fn from_name(name: &str) -> Self {
        match name {
            "KeyError" => Self::KeyError,
            "PermissionError" => Self::PermissionError,
            "ValueError" => Self::ValueError,
            "TypeError" => Self::TypeError,
            "AssertionError" => Self::AssertionError,
            "RuntimeError" => Self::RuntimeError,
            "TimeoutError" => Self::TimeoutError,
            "NotImplementedError" => Self::NotImplementedError,
            "ConnectionError" => Self::ConnectionError,
            "FileNotFoundError" => Self::FileNotFoundError,
            "FileExistsError" => Self::FileExistsError,
            other => Self::Other(Cow::Owned(other.to_owned())),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The failure of a service function, as it is told to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFailure {
    /// The kind, which callers match on.
    pub kind: ErrorKind,
    /// The message, without the kind.
    pub message: String,
}

macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {
        $(
            #[doc = concat!("A failure of kind [`ErrorKind::", stringify!($kind), "`].")]
            pub fn $name(message: impl Into<String>) -> Self {
                Self::new(ErrorKind::$kind, message)
            }
        )*
    };
}

impl RemoteFailure {
    /// A failure of the given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    constructors! {
        key => KeyError,
        permission => PermissionError,
        value => ValueError,
        type_error => TypeError,
        assertion => AssertionError,
        runtime => RuntimeError,
        timeout => TimeoutError,
        not_implemented => NotImplementedError,
        connection => ConnectionError,
        file_not_found => FileNotFoundError,
    }

    /// The failure as a value of the wire, with an empty trace.
    pub fn to_wire(&self) -> RemoteError {
        RemoteError {
            message: self.to_string(),
            trace: String::new(),
        }
    }
}

impl fmt::Display for RemoteFailure {
    /// The text that crosses the wire. A `KeyError` has its message in quotes, as Python renders it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::KeyError => write!(f, "KeyError: '{}'", self.message),
            _ => write!(f, "{}: {}", self.kind, self.message),
        }
    }
}

impl std::error::Error for RemoteFailure {}

impl From<String> for RemoteFailure {
    fn from(message: String) -> Self {
        Self::runtime(message)
    }
}

impl From<&str> for RemoteFailure {
    fn from(message: &str) -> Self {
        Self::runtime(message)
    }
}

impl From<WireError> for RemoteFailure {
    fn from(error: WireError) -> Self {
        Self::value(error.to_string())
    }
}

impl From<std::io::Error> for RemoteFailure {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::FileNotFoundError,
            std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionError,
            std::io::ErrorKind::TimedOut => ErrorKind::TimeoutError,
            _ => ErrorKind::RuntimeError,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<Error> for RemoteFailure {
    /// A remote failure keeps its kind when it is passed on.
    fn from(error: Error) -> Self {
        match error {
            Error::Remote { kind, message, .. } => Self::new(kind, message),
            Error::Timeout { .. } => Self::timeout(error.to_string()),
            Error::PeerGone { .. } | Error::Closed { .. } | Error::Send { .. } => {
                Self::connection(error.to_string())
            }
            other => Self::runtime(other.to_string()),
        }
    }
}

/// How a call, or the connection it needs, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The remote function ran and failed. Retrying gives the same answer unless the remote side changed.
    #[error("{kind}: {message}")]
    Remote {
        /// The kind of the remote exception.
        kind: ErrorKind,
        /// Its message, without the kind.
        message: String,
        /// The remote stack trace, often empty.
        trace: String,
    },
    /// The peer that was called is not connected, or disconnected before it answered.
    #[error("{message}")]
    PeerGone {
        /// `workspace/client` of the peer.
        peer: String,
        /// What the hub, or this peer, says about it.
        message: String,
    },
    /// Neither an answer nor a heartbeat came in time. The call may still be running.
    #[error("Method call timed out: {target}:{method}, context: {context}")]
    Timeout {
        /// `workspace/client` that was called.
        target: String,
        /// The method path.
        method: String,
        /// The function's name, or its path when it has none.
        context: String,
        /// How long there was silence.
        after: Duration,
    },
    /// The other side, or a queue on the way, is at its bound. The call did not run; try again later.
    #[error("Overloaded: {0}")]
    Overloaded(String),
    /// The call was given up before it finished.
    #[error("The call was cancelled: {0}")]
    Cancelled(String),
    /// The local connection is closed.
    #[error("{reason}")]
    Closed {
        /// Why it was closed.
        reason: String,
    },
    /// The request could not be sent.
    #[error("Failed to send the request when calling method ({target}:{method}), error: {reason}")]
    Send {
        /// `workspace/client` that was called.
        target: String,
        /// The method path.
        method: String,
        /// What failed.
        reason: String,
    },
    /// The hub answered the handshake with an error. Retrying with the same credentials is pointless.
    #[error("{0}")]
    Refused(String),
    /// Connecting failed before the hub answered, or a configuration is unusable. Retrying may help.
    #[error("Failed to connect: {0}")]
    Connect(String),
    /// A configuration value is missing or malformed.
    #[error("{0}")]
    Config(String),
    /// A value could not be converted to or from its wire form.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Encryption or decryption failed.
    #[error("{0}")]
    Encryption(String),
}

/// The text by which the hub says that a peer is not there.
const PEER_GONE_START: &str = "Target peer ";
const PEER_GONE_END: &str = " is not connected";

impl Error {
    /// The kind of the remote exception, if the remote function failed.
    pub fn remote_kind(&self) -> Option<&ErrorKind> {
        match self {
            Self::Remote { kind, .. } => Some(kind),
            _ => None,
        }
    }

    /// Says the hub that the request was never delivered?
    pub(crate) fn is_undelivered(&self) -> bool {
        matches!(self, Self::PeerGone { message, .. } if message.starts_with(PEER_GONE_START))
    }

    /// Reads the argument of a reject: an error value of any language's client, or any other value.
    pub fn from_reject(value: Value) -> Self {
        match value {
            Value::Error(error) => Self::from_wire(error),
            Value::Str(text) => Self::from_wire(RemoteError {
                message: text,
                trace: String::new(),
            }),
            other => Self::Remote {
                kind: ErrorKind::RuntimeError,
                message: format!("the remote function was rejected with {other:?}"),
                trace: String::new(),
            },
        }
    }

    fn from_wire(error: RemoteError) -> Self {
        let RemoteError { message, trace } = error;
        if let Some(peer) = message
            .strip_prefix(PEER_GONE_START)
            .and_then(|rest| rest.strip_suffix(PEER_GONE_END))
        {
            return Self::PeerGone {
                peer: peer.to_owned(),
                message,
            };
        }
        // Python's asynchronous functions answer with a whole traceback, whose last line is the exception; its
        // synchronous ones with a bare message, and the kind is in the last line of the trace.
        let last = message.trim_end().lines().next_back().unwrap_or_default();
        if message.starts_with("Traceback")
            && let Some((kind, text)) = split_kind(last)
        {
            let text = unquote_key(&kind, text).to_owned();
            return Self::Remote {
                kind,
                message: text,
                trace: message,
            };
        }
        if let Some((kind, text)) = split_kind(&message) {
            let text = unquote_key(&kind, text).to_owned();
            return Self::Remote {
                kind,
                message: text,
                trace,
            };
        }
        let kind = trace
            .trim_end()
            .lines()
            .next_back()
            .and_then(split_kind)
            .map_or(ErrorKind::RuntimeError, |(kind, _)| kind);
        Self::Remote {
            message: unquote_key(&kind, &message).to_owned(),
            kind,
            trace,
        }
    }
}

/// Splits `<Kind>: <message>`; `None` when the text does not begin with the name of an exception.
fn split_kind(text: &str) -> Option<(ErrorKind, &str)> {
    let (name, message) = text.split_once(':')?;
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    let last = name.rsplit('.').next().unwrap_or(name);
    let known = last.ends_with("Error") || last.ends_with("Exception");
    (is_name && known).then(|| (ErrorKind::from_name(last), message.trim_start()))
}

/// Takes off the quotes in which Python renders the message of a `KeyError`.
fn unquote_key<'a>(kind: &ErrorKind, text: &'a str) -> &'a str {
    if *kind != ErrorKind::KeyError {
        return text;
    }
    ['\'', '"']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(message: &str, trace: &str) -> Error {
        Error::from_reject(Value::Error(RemoteError {
            message: message.into(),
            trace: trace.into(),
        }))
    }

    #[test]
    fn own_failures_round_trip() {
        for failure in [
            RemoteFailure::key("no such: thing"),
            RemoteFailure::value("x"),
            RemoteFailure::permission(""),
        ] {
            let Error::Remote { kind, message, .. } = Error::from_reject(Value::Error(failure.to_wire()))
            else {
                panic!("not a remote error")
            };
            assert_eq!(RemoteFailure { kind, message }, failure);
        }
    }

    #[test]
    fn python_and_javascript_forms() {
        let traceback =
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nValueError: bad: x\n";
        for error in [reject(traceback, "NoneType: None\n"), reject("bad: x", traceback)] {
            assert_eq!(error.remote_kind(), Some(&ErrorKind::ValueError));
            assert_eq!(error.to_string(), "ValueError: bad: x");
        }
        let js = reject("Error: nope", "Error: nope\n    at f (a.js:1:1)");
        assert_eq!(js.remote_kind(), Some(&ErrorKind::Other("Error".into())));
        let plain = reject("something: happened", "");
        assert_eq!(plain.to_string(), "RuntimeError: something: happened");
    }

    #[test]
    fn the_hub_says_that_a_peer_is_gone() {
        let error = reject("Target peer ws/c1 is not connected", "");
        assert!(matches!(error, Error::PeerGone { peer, .. } if peer == "ws/c1"));
    }
}
