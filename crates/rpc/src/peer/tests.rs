//! Two peers joined in memory: everything they do with each other.

mod calls;
mod chunked;
mod encrypted;
mod faults;
mod values;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use hypha_wire::frame::{CallerContext, scan_header};
use hypha_wire::{Method, Value};
use tokio::sync::mpsc;

use super::{CallOptions, Link, LinkError, Peer, PeerConfig, TrySend};
use crate::error::Error;
use crate::into_args::IntoArgs;
use crate::scope;
use crate::service::DynService;
use crate::value::RemoteFunction;

/// A link to a switch that delivers to peers by address, stamping the sender as the hub does.
struct Wire {
    frames: mpsc::UnboundedSender<Bytes>,
}

impl Link for Wire {
    fn try_send(&self, frame: Bytes) -> Result<(), TrySend> {
        self.frames
            .send(frame)
            .map_err(|_| TrySend::Failed(LinkError::new("the switch is gone")))
    }

    fn send(&self, frame: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async move {
            self.frames
                .send(frame)
                .map_err(|_| LinkError::new("the switch is gone"))
        })
    }
}

/// A peer whose frames come out of the receiver.
fn peer(config: PeerConfig) -> (Peer, mpsc::UnboundedReceiver<Bytes>) {
    let (frames, receiver) = mpsc::unbounded_channel();
    (Peer::new(config, Arc::new(Wire { frames })), receiver)
}

/// Delivers what `from` sends to whichever of `peers` it is for.
fn deliver(from: &Peer, mut frames: mpsc::UnboundedReceiver<Bytes>, peers: Vec<Peer>) {
    let config = from.config();
    let user = Value::from_iter([("id", config.client_id.as_str())]);
    let context = CallerContext::new(&config.workspace, from.address(), &user);
    tokio::spawn(async move {
        while let Some(frame) = frames.recv().await {
            let header = scan_header(&frame).unwrap();
            let to = header.to.to_owned();
            let mut stamped = BytesMut::new();
            header.write_rewritten(&frame, &context, &to, &mut stamped);
            stamped.extend_from_slice(&frame[header.len..]);
            if let Some(peer) = peers.iter().find(|peer| peer.address() == to) {
                peer.receive(stamped.freeze()).await;
            }
        }
    });
}

/// Two connected peers in one workspace, `alice` and `bob`, with these configurations.
fn connect(alice: PeerConfig, bob: PeerConfig) -> (Peer, Peer) {
    let ((alice, from_alice), (bob, from_bob)) = (peer(alice), peer(bob));
    deliver(&alice, from_alice, vec![alice.clone(), bob.clone()]);
    deliver(&bob, from_bob, vec![alice.clone(), bob.clone()]);
    (alice, bob)
}

fn config(client_id: &str) -> PeerConfig {
    PeerConfig {
        server_base_url: "http://hub".to_owned(),
        ..PeerConfig::new("ws", client_id)
    }
}

fn pair() -> (Peer, Peer) {
    connect(config("alice"), config("bob"))
}

/// A function of bob's service `test`.
fn method(function: &str) -> Method {
    Method {
        target: "ws/bob".into(),
        path: format!("services.test.{function}"),
        ..Method::default()
    }
}

async fn call<T: serde::de::DeserializeOwned>(
    peer: &Peer,
    function: &str,
    args: impl IntoArgs,
) -> Result<T, Error> {
    RemoteFunction::new(peer.clone(), method(function))
        .call(args)
        .await
}

/// The same with the given options.
async fn call_with(
    peer: &Peer,
    function: &str,
    args: impl IntoArgs,
    options: CallOptions,
) -> Result<Value, Error> {
    let call = peer.call(&method(function), args, &options);
    call.await
}

/// A pair of which bob has this service.
fn serving(service: DynService) -> (Peer, Peer) {
    let (alice, bob) = pair();
    bob.add_service(Arc::new(service), false).unwrap();
    (alice, bob)
}

fn test_service() -> DynService {
    DynService::new("test")
        .function("add", |_ctx, (a, b): (f64, f64)| async move { Ok(a + b) })
        .function("slow", |_ctx, (seconds,): (f64,)| async move {
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            Ok("done")
        })
        .function("who", |ctx, ()| async move {
            Ok((
                ctx.from().to_owned(),
                ctx.workspace().to_owned(),
                ctx.user().clone(),
            ))
        })
        .function("echo", |_ctx, (value,): (Value,)| async move { Ok(value) })
}

/// The members of a service map as remote functions of a peer.
fn function(peer: &Peer, service: &Value, name: &str) -> RemoteFunction {
    scope::decode(peer, None, service.get(name).unwrap().clone()).unwrap()
}
