//! Generators of others, as streams.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use hypha_wire::{Generator, Method, Promise, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::error::Error;
use crate::peer::{CallOptions, Peer};
use crate::scope;

/// A generator of another peer: a stream of values, one round trip each.
///
/// It ends after the first error. Dropping it before its end tells the owner to close it.
pub struct RemoteGenerator {
    peer: Peer,
    items: BoxStream<'static, Result<Value, Error>>,
}

/// Closes the generator of the owner unless it has ended.
struct Reader {
    peer: Peer,
    next: Method,
    close: Option<Method>,
    options: CallOptions,
}

impl RemoteGenerator {
    /// The generator `generator`, read through `peer`.
    pub fn new(peer: Peer, generator: Generator) -> Self {
        Self::with_options(peer, generator, CallOptions::default())
    }

    /// Like [`new`](Self::new); every item is fetched with these options.
    pub fn with_options(peer: Peer, generator: Generator, options: CallOptions) -> Self {
        let Generator {
            target, next, close, ..
        } = generator;
        let next = Method {
            target: target.clone(),
            path: next,
            ..Method::default()
        };
        let close = close.map(|path| Method {
            target,
            path,
            promise: Promise::None,
            ..Method::default()
        });
        let reader = Reader {
            peer: peer.clone(),
            next,
            close,
            options,
        };
        let items = stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.peer.call(&reader.next, (), &reader.options).await {
                Ok(Value::StopIteration) => {
                    reader.close = None;
                    None
                }
                Ok(value) => Some((Ok(value), Some(reader))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Self {
            peer,
            items: items.boxed(),
        }
    }

    /// The same stream with items of a Rust type.
    pub fn typed<T: DeserializeOwned>(self) -> impl Stream<Item = Result<T, Error>> + Send {
        let Self { peer, items } = self;
        items.map(move |item| Ok(scope::decode(&peer, None, item?)?))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(close) = self.close.take() {
            let call = self.peer.call(&close, (), &self.options);
            self.peer.spawn(async move {
                if let Err(error) = call.await {
                    tracing::debug!(%error, "could not close a remote generator");
                }
            });
        }
    }
}

impl Stream for RemoteGenerator {
    type Item = Result<Value, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.poll_next_unpin(cx)
    }
}

impl<'de> Deserialize<'de> for RemoteGenerator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let generator = Generator::deserialize(deserializer)?;
        let (peer, parent) = scope::receiver()
            .ok_or_else(|| D::Error::custom("a remote generator can only be received by a peer"))?;
        Ok(Self::with_options(
            peer,
            generator,
            CallOptions {
                parent,
                ..CallOptions::default()
            },
        ))
    }
}

impl JsonSchema for RemoteGenerator {
    fn schema_name() -> Cow<'static, str> {
        "Generator".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "a generator", "x-hypha": "generator" })
    }
}

impl fmt::Debug for RemoteGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteGenerator").finish_non_exhaustive()
    }
}
