//! The switch from outside: clients, messages, and what happens when one of them goes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Client, Frame, hub, hub_with, token};
use hypha_hub::Options;
use hypha_hub::cluster::SingleProcess;
use hypha_wire::message::{Message, Payload};
use hypha_wire::{NdArray, Value};

fn reject_text(message: &Message) -> String {
    match message.payload.args.first() {
        Some(Value::Error(error)) => error.message.clone(),
        other => panic!("not a rejection: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_arrives_with_the_identity_of_its_connection() {
    let hub = hub().await;
    let (alice, mut bob) = (
        Client::connect(&hub, "u", "alice").await,
        Client::connect(&hub, "u", "bob").await,
    );
    let mut forged = Message::call("bob", "services.calc.add", Payload::default());
    forged.from = Some("ws-user-root/root".into());
    forged.ws = Some("ws-user-root".into());
    forged.user = Value::from("root");
    forged.session = Some("s1".into());
    forged.payload.args = vec![Value::NdArray(NdArray {
        dtype: "uint8".into(),
        shape: vec![2],
        data: vec![1, 2].into(),
    })];
    alice.send(&forged);
    let got = bob.message().await;
    assert_eq!(got.from.as_deref(), Some("ws-user-u/alice"));
    assert_eq!(got.to, "ws-user-u/bob");
    assert_eq!(got.ws.as_deref(), Some("ws-user-u"));
    assert_eq!(got.user.get("id").and_then(Value::as_str), Some("u"));
    assert_eq!(got.payload.args, forged.payload.args);
}

#[tokio::test]
async fn calls_to_nobody_and_to_somebody_who_goes_fail_at_once() {
    let hub = hub().await;
    let (mut alice, bob) = (
        Client::connect(&hub, "u", "alice").await,
        Client::connect(&hub, "u", "bob").await,
    );
    alice.call("carol", "services.x.y", "s1", vec![]);
    let answer = alice.message().await;
    assert_eq!(answer.method.as_deref(), Some("s1.reject"));
    assert!(reject_text(&answer).contains("Target peer ws-user-u/carol is not connected"));

    alice.call("bob", "services.x.y", "s2", vec![]);
    drop(bob);
    let answer = alice.message().await;
    assert_eq!(answer.method.as_deref(), Some("s2.reject"));
    assert!(reject_text(&answer).contains("Target peer ws-user-u/bob is not connected"));
}

#[tokio::test]
async fn an_answered_call_is_not_failed_again_when_the_callee_goes() {
    let hub = hub().await;
    let (mut alice, mut bob) = (
        Client::connect(&hub, "u", "alice").await,
        Client::connect(&hub, "u", "bob").await,
    );
    alice.call("bob", "services.x.y", "s", vec![]);
    let call = bob.message().await;
    let mut answer = Message::call(call.from.unwrap(), "s.resolve", Payload::default());
    answer.payload.args = vec![Value::Int(7)];
    bob.send(&answer);
    assert_eq!(alice.message().await.payload.args, vec![Value::Int(7)]);
    drop(bob);
    assert!(alice.next().is_none());
}

#[tokio::test]
async fn a_newer_connection_supersedes_and_keeps_what_others_wait_for() {
    let hub = hub().await;
    let mut alice = Client::connect(&hub, "u", "alice").await;
    let scope = "ws:ws-user-u#a cid:bob wid:ws-user-u";
    let request = hypha_hub::auth::handshake::HandshakeRequest {
        client_id: Some("bob".into()),
        reconnection_token: Some(token(&hub, "u", scope)),
        ..Default::default()
    };
    let mut old = Client::connect(&hub, "u", "bob").await;
    alice.call("bob", "services.x.y", "s", vec![]);
    let outbox = Arc::new(hypha_hub::outbox::Outbox::new(&Silent, 1 << 20));
    let new = hub.admit(request, [127, 0, 0, 1].into(), outbox).await.unwrap();
    old.message().await;
    assert!(matches!(old.wait().await, Frame::Close(text) if text.contains("superseded")));
    drop(old);
    assert!(alice.next().is_none(), "the client is still there");
    drop(new);
    assert_eq!(alice.message().await.method.as_deref(), Some("s.reject"));
}

struct Silent;
impl hypha_hub::outbox::Framing for Silent {
    fn prefix(&self, _: hypha_hub::outbox::FrameKind, _: usize, _: &mut bytes::BytesMut) {}
    fn close_body(&self, _: &hypha_hub::outbox::CloseReason) -> bytes::Bytes {
        bytes::Bytes::new()
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_ended_and_its_callers_hear_it() {
    let mut options = Options::default();
    options.limits.outbox_bytes = 100_000;
    let hub = hub_with(Arc::new(SingleProcess::default()), options).await;
    let (mut alice, mut bob) = (
        Client::connect(&hub, "u", "alice").await,
        Client::connect(&hub, "u", "bob").await,
    );
    let mut other = Client::connect(&hub, "u", "other").await;
    other.call("bob", "services.x.y", "waiting", vec![]);
    let chunk = Value::Bytes(vec![0; 30_000].into());
    for n in 0..4 {
        alice.call("bob", "services.x.y", &format!("s{n}"), vec![chunk.clone()]);
    }
    let mut errors = Vec::new();
    while let Some(Frame::Message(message)) = alice.next() {
        errors.push(reject_text(&message));
    }
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(
        errors.iter().any(|text| text.contains("overloaded")),
        "{errors:?}"
    );
    assert_eq!(other.message().await.method.as_deref(), Some("waiting.reject"));
    assert!(matches!(bob.wait().await, Frame::Close(text) if text.contains("Slow consumer")));
}

#[tokio::test]
async fn services_come_and_go_with_their_client() {
    let hub = hub().await;
    let (mut alice, mut bob) = (
        Client::connect(&hub, "u", "alice").await,
        Client::connect(&hub, "u", "bob").await,
    );
    alice
        .ask("subscribe", vec!["client_disconnected".into()])
        .await
        .unwrap();
    bob.register("calc").await;
    let info = alice.ask("get_service_info", vec!["calc".into()]).await.unwrap();
    assert_eq!(info.get("id").and_then(Value::as_str), Some("ws-user-u/bob:calc"));
    drop(bob);
    let event = alice.message().await;
    assert_eq!(event.kind, "client_disconnected");
    assert_eq!(
        event.get("data").and_then(|data| data.get("id")),
        Some(&Value::from("bob"))
    );
    let error = alice
        .ask("get_service_info", vec!["calc".into()])
        .await
        .unwrap_err();
    assert_eq!(error, "KeyError: 'Service not found: ws-user-u/*:calc@*'");
}

#[tokio::test]
async fn two_hubs_of_one_cluster_deliver_to_each_others_clients() {
    let cluster = Arc::new(SingleProcess::default());
    let options = |id: &str| Options {
        server_id: id.into(),
        ..Options::default()
    };
    let (one, two) = (
        hub_with(cluster.clone(), options("one")).await,
        hub_with(cluster, options("two")).await,
    );
    let (mut alice, mut bob) = (
        Client::connect(&one, "u", "alice").await,
        Client::connect(&two, "u", "bob").await,
    );
    alice.call("bob", "services.x.y", "s", vec![Value::Int(1)]);
    let got = bob.message().await;
    assert_eq!(
        (got.from.as_deref(), got.to.as_str()),
        (Some("ws-user-u/alice"), "ws-user-u/bob")
    );
    bob.call("alice", "s.resolve", "t", vec![]);
    assert_eq!(alice.message().await.method.as_deref(), Some("s.resolve"));
    drop(bob);
    alice.call("bob", "services.x.y", "s", vec![]);
    assert!(reject_text(&alice.message().await).contains("is not connected"));
}

#[tokio::test]
async fn an_empty_workspace_leaves_memory_and_a_persistent_one_comes_back() {
    let hub = hub().await;
    let mut alice = Client::connect(&hub, "u", "alice").await;
    alice
        .ask("set_env", vec!["KEY".into(), "value".into()])
        .await
        .unwrap();
    let loaded = hub.usage().workspaces;
    drop(alice);
    assert_eq!(hub.usage().workspaces, loaded - 1);
    let mut alice = Client::connect(&hub, "u", "alice").await;
    assert_eq!(
        alice.ask("get_env", vec!["KEY".into()]).await.unwrap(),
        Value::from("value")
    );
}

#[tokio::test]
async fn garbage_ends_its_connection_only() {
    let hub = hub().await;
    let (alice, mut bob) = (
        Client::connect(&hub, "u", "alice").await,
        Client::connect(&hub, "u", "bob").await,
    );
    for garbage in [
        &b""[..],
        b"\xc1",
        b"\x81",
        b"\x90",
        b"\x81\xa4type",
        &[0x93; 1000],
    ] {
        let reason = hub
            .route(
                alice.session.connection(),
                &bytes::Bytes::copy_from_slice(garbage),
            )
            .unwrap_err();
        assert_eq!(reason.code, 1007, "{reason:?}");
        assert!(reason.text.starts_with("Malformed message: "), "{reason:?}");
    }
    drop(alice);
    bob.ask("echo", vec!["alive".into()]).await.unwrap();
}
