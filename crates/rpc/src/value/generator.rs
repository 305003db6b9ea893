//! Local streams that are given to others.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::{BoxStream, StreamExt};
use hypha_wire::{Generator, Value};
use parking_lot::Mutex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::outside;
use crate::error::RemoteFailure;
use crate::function::Function;
use crate::peer::SessionId;
use crate::scope;
use crate::service::CallContext;

/// A stream that the receiver of a result or an argument reads item by item, one round trip each.
///
/// The stream is polled only when the receiver asks for an item, and dropped when it ends, fails, is closed by the
/// receiver, or has not been asked for ten minutes. It can be sent once.
///
/// ```no_run
/// use futures_util::stream;
/// use hypha_rpc::{DynService, GeneratorOf};
///
/// let service = DynService::new("counter").function("count", |_ctx, (to,): (u32,)| async move {
///     Ok(GeneratorOf::new(stream::iter(0..to)))
/// });
/// ```
pub struct GeneratorOf<T> {
    next: Mutex<Option<Function>>,
    close: Function,
    item: PhantomData<fn() -> T>,
}

impl<T: Serialize + Send + 'static> GeneratorOf<T> {
    /// A generator of a stream's items.
    pub fn new(stream: impl Stream<Item = T> + Send + 'static) -> Self {
        Self::fallible(stream.map(Ok::<T, RemoteFailure>))
    }

    /// A generator of a stream that can fail; a failure is its last item.
    pub fn fallible<E>(stream: impl Stream<Item = Result<T, E>> + Send + 'static) -> Self
    where
        E: Into<RemoteFailure> + 'static,
    {
        let stream = stream.map(|item| item.map_err(Into::into)).boxed();
        let source = Arc::new(tokio::sync::Mutex::new(Some(stream)));
        let closing = Arc::clone(&source);
        let next: Function = Arc::new(move |context, _| {
            let source = Arc::clone(&source);
            Box::pin(async move { next_item(&source, &context).await })
        });
        let close: Function = Arc::new(move |context, _| {
            let source = Arc::clone(&closing);
            Box::pin(async move {
                forget(
                    &context,
                    context.method().strip_suffix(":close").unwrap_or_default(),
                );
                source.lock().await.take();
                Ok(Value::Nil)
            })
        });
        Self {
            next: Mutex::new(Some(next)),
            close,
            item: PhantomData,
        }
    }
}

type Source<T> = tokio::sync::Mutex<Option<BoxStream<'static, Result<T, RemoteFailure>>>>;

/// Polls one item. Readers that ask twice at once are served one after the other.
async fn next_item<T: Serialize>(source: &Source<T>, context: &CallContext) -> Result<Value, RemoteFailure> {
    let mut source = source.lock().await;
    let item = match &mut *source {
        Some(stream) => stream.next().await,
        None => None,
    };
    match item {
        Some(Ok(item)) => context.encode(&item),
        Some(Err(failure)) => {
            *source = None;
            forget(context, context.method());
            Err(failure)
        }
        None => {
            *source = None;
            forget(context, context.method());
            Ok(Value::StopIteration)
        }
    }
}

/// Takes the generator whose `next` is at `path` out of its session.
fn forget(context: &CallContext, path: &str) {
    if let Some((session, key)) = path.split_once('.')
        && let Some(session) = SessionId::parse(session)
    {
        context.peer().sessions().remove_generator(session, key);
    }
}

impl<T> Serialize for GeneratorOf<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error;
        let next = self
            .next
            .lock()
            .take()
            .ok_or_else(|| S::Error::custom("a generator can be sent only once"))?;
        let kept = scope::keep_generator(next, Arc::clone(&self.close));
        let (peer, next, close) = kept.ok_or_else(|| outside("a generator"))?;
        let generator = Generator {
            target: peer.address().to_owned(),
            next,
            close: Some(close),
            server: Some(peer.server_base_url().to_string()),
            doc: Some("Remote generator".to_owned()),
        };
        generator.serialize(serializer)
    }
}

impl<T> JsonSchema for GeneratorOf<T> {
    fn schema_name() -> Cow<'static, str> {
        "Generator".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "a generator", "x-hypha": "generator" })
    }
}

impl<T> fmt::Debug for GeneratorOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratorOf").finish_non_exhaustive()
    }
}
