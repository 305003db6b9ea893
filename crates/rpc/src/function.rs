//! The one shape that every local function has once it can be called from outside.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hypha_wire::Value;
use serde::Serialize;

use crate::error::RemoteFailure;
use crate::service::{CallArgs, CallContext, FromArgs};

/// A function that can be called through the object store of a peer.
pub(crate) type Function =
    Arc<dyn Fn(CallContext, CallArgs) -> BoxFuture<'static, Result<Value, RemoteFailure>> + Send + Sync>;

/// Wraps a closure with typed arguments and a typed result.
pub(crate) fn typed<A, T, F, Fut>(function: F) -> Function
where
    A: FromArgs + Send + 'static,
    T: Serialize + 'static,
    F: Fn(CallContext, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, RemoteFailure>> + Send + 'static,
{
    Arc::new(move |context, args| {
        let future = A::from_args(&context, args).map(|args| function(context.clone(), args));
        Box::pin(async move {
            // The result is converted in the same expression, so that it need not be `Send`.
            let future = future?;
            encode_output(&context, future.await)
        })
    })
}

fn encode_output<T: Serialize>(
    context: &CallContext,
    output: Result<T, RemoteFailure>,
) -> Result<Value, RemoteFailure> {
    context.encode(&output?)
}
