//! Who calls, and what a function may need to answer.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use hypha_wire::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::RemoteFailure;
use crate::peer::{Peer, SessionId};
use crate::scope;

/// What the connection, not the caller, knows about the sender of one message.
pub type Extension = Arc<dyn Any + Send + Sync>;

/// The context of one call: who calls, for whom, and through which peer.
///
/// Identity comes from the header of the message, which the hub has stamped; nothing in the arguments can change it.
/// Clones are cheap and share everything.
#[derive(Clone)]
pub struct CallContext(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) peer: Peer,
    pub(crate) workspace: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) method: String,
    pub(crate) user: Value,
    pub(crate) session: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) caller_key: Option<[u8; 32]>,
    pub(crate) extension: Option<Extension>,
    /// The session that holds the functions inside the results of this call, once there are any.
    pub(crate) results: OnceLock<SessionId>,
}

impl CallContext {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The caller's current workspace.
    pub fn workspace(&self) -> &str {
        &self.0.workspace
    }

    /// The caller, `workspace/client`.
    pub fn from(&self) -> &str {
        &self.0.from
    }

    /// The address that was called, `workspace/client`.
    pub fn to(&self) -> &str {
        &self.0.to
    }

    /// The method path that was called, as on the wire: `services.<id>.<function>`.
    pub fn method(&self) -> &str {
        &self.0.method
    }

    /// The user record the hub has stamped on the message; [`Value::Nil`] when there is none.
    pub fn user(&self) -> &Value {
        &self.0.user
    }

    /// The caller's session; callbacks among the arguments belong to it. `None` when no answer is wanted.
    pub fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    /// The session at this side that the call belongs to.
    pub fn parent(&self) -> Option<&str> {
        self.0.parent.as_deref()
    }

    /// The caller's public key, when the call was end-to-end encrypted.
    pub fn caller_public_key(&self) -> Option<&[u8; 32]> {
        self.0.caller_key.as_ref()
    }

    /// The peer that received the call.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// What was given to [`Peer::receive_from`] with the message, if it is a `T`.
    pub fn extension<T: Any>(&self) -> Option<&T> {
        self.0.extension.as_deref()?.downcast_ref()
    }

    pub(crate) fn extension_arc(&self) -> Option<Extension> {
        self.0.extension.clone()
    }

    /// Converts an argument. A [`RemoteFunction`](crate::RemoteFunction) anywhere inside is bound to this call.
    ///
    /// # Errors
    /// `TypeError` that names the place in the value and what was expected there.
    pub fn decode<T: DeserializeOwned>(&self, value: Value) -> Result<T, RemoteFailure> {
        scope::decode(self.peer(), self.0.session.as_deref(), value)
            .map_err(|error| RemoteFailure::type_error(error.to_string()))
    }

    /// Converts the argument of parameter `name`; `None` reads as `nil`.
    ///
    /// # Errors
    /// `TypeError` that names the argument.
    pub fn decode_arg<T: DeserializeOwned>(
        &self,
        name: &str,
        value: Option<Value>,
    ) -> Result<T, RemoteFailure> {
        self.decode(value.unwrap_or(Value::Nil))
            .map_err(|failure| RemoteFailure::type_error(format!("Argument '{name}': {}", failure.message)))
    }

    /// Converts a result. Functions, generators and interfaces inside become callable by the caller of this call.
    ///
    /// # Errors
    /// `TypeError` when the value has no wire form.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Value, RemoteFailure> {
        scope::encode_result(self, value).map_err(|error| RemoteFailure::type_error(error.to_string()))
    }

    pub(crate) fn results(&self) -> &OnceLock<SessionId> {
        &self.0.results
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("from", &self.0.from)
            .field("to", &self.0.to)
            .field("method", &self.0.method)
            .finish_non_exhaustive()
    }
}
