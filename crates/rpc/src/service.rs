//! Services: what a peer offers to others.
//!
//! The client, the hub's own services and the workers all implement [`Service`], most through the
//! [`service`](macro@crate::service) macro, some by hand or with a [`DynService`].

pub(crate) mod args;
pub(crate) mod context;
mod dynamic;
mod from_args;
pub(crate) mod spec;

use futures_util::future::BoxFuture;
use hypha_wire::Value;

use crate::error::RemoteFailure;

pub use args::{BoundArgs, CallArgs, ParamSpec};
pub use context::{CallContext, Extension};
pub use dynamic::DynService;
pub use from_args::FromArgs;
pub use spec::{FunctionSpec, RequireContext, ServiceConfig, ServiceSpec, Visibility};

/// A named set of functions that peers can call.
///
/// One value serves all calls, concurrently. A call is polled once where the message is received; only when it is not
/// ready then does it become a task, so short functions cost no task and long ones delay nobody.
pub trait Service: Send + Sync + 'static {
    /// What the service says about itself. Asked for once, when the service is added to a peer.
    fn spec(&self) -> ServiceSpec;

    /// Calls a function. `method` is the name relative to the service, dotted for nested ones; only names that the
    /// spec lists arrive here.
    ///
    /// The future is dropped when the caller is gone or the peer is closed.
    ///
    /// # Errors
    /// What the function fails with; the caller gets it as `<Kind>: <message>`.
    fn call<'a>(
        &'a self,
        context: CallContext,
        method: &'a str,
        args: CallArgs,
    ) -> BoxFuture<'a, Result<Value, RemoteFailure>>;
}
