//! Calls, their errors, and who may make them.

use std::sync::Arc;

use hypha_wire::{Promise, Value};

use super::*;
use crate::args;
use crate::error::{ErrorKind, RemoteFailure};
use crate::service::{ServiceConfig, Visibility};

#[tokio::test]
async fn results_and_failures() {
    let (alice, _bob) = serving(
        test_service()
            .function("fail", |_ctx, ()| async move {
                Err::<(), _>(RemoteFailure::key("no such thing"))
            })
            .function("nested.deep.f", |_ctx, ()| async move { Ok(1) })
            .function("panics", |_ctx, ()| async move {
                if true { panic!("on purpose") } else { Ok(()) }
            }),
    );
    assert_eq!(call::<f64>(&alice, "add", (1, 2.5)).await.unwrap(), 3.5);
    assert_eq!(call::<i64>(&alice, "nested.deep.f", ()).await.unwrap(), 1);
    let error = call::<()>(&alice, "fail", ()).await.unwrap_err();
    assert_eq!(error.remote_kind(), Some(&ErrorKind::KeyError));
    assert_eq!(error.to_string(), "KeyError: no such thing");
    let error = call::<()>(&alice, "panics", ()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "RuntimeError: The function panicked: on purpose"
    );
    let error = call::<f64>(&alice, "add", (1, "x")).await.unwrap_err();
    assert_eq!(error.remote_kind(), Some(&ErrorKind::TypeError), "{error}");
    assert_eq!(alice.open_sessions(), 0);
}

#[tokio::test]
async fn the_context_comes_from_the_header() {
    let (alice, _bob) = serving(test_service());
    let (from, workspace, user): (String, String, Value) =
        call(&alice, "who", args![context = 1]).await.unwrap();
    assert_eq!((from.as_str(), workspace.as_str()), ("ws/alice", "ws"));
    assert_eq!(user.get("id"), Some(&Value::from("alice")));
}

#[tokio::test]
async fn the_full_promise_of_the_first_call() {
    let (alice, _bob) = serving(test_service());
    let method = Method {
        promise: Promise::Full,
        ..method("add")
    };
    let sum = alice
        .call(&method, (1, 2), &CallOptions::default())
        .await
        .unwrap();
    assert_eq!(sum, Value::Float(3.0));
}

#[tokio::test]
async fn fetching_a_service() {
    let (alice, _bob) = serving(test_service().constant("version", "1.2"));
    let service = alice.get_remote_service("ws/bob", "test").await.unwrap();
    assert_eq!(service.get("id").and_then(Value::as_str), Some("ws/bob:test"));
    assert_eq!(service.get("version").and_then(Value::as_str), Some("1.2"));
    let add = function(&alice, &service, "add");
    assert_eq!(add.method().target, "ws/bob");
    assert_eq!(add.method().server.as_deref(), Some("http://hub"));
    assert_eq!(add.call::<f64>((1, 2)).await.unwrap(), 3.0);
    let error = alice.get_remote_service("ws/bob", "nope").await.unwrap_err();
    assert_eq!(error.to_string(), "KeyError: Service not found: nope");
}

#[tokio::test]
async fn lookup_failures_have_their_texts() {
    let (alice, _bob) = serving(test_service());
    for (path, text) in [
        (
            "services.test.nope",
            "Method expired or not found: ws/alice:services.test.nope",
        ),
        (
            "services.nope.f",
            "Method expired or not found: ws/alice:services.nope.f",
        ),
        ("nope.f", "Session not found: ws/alice:nope.f"),
        ("nope", "Method not found: ws/alice:nope at bob"),
    ] {
        let method = Method {
            target: "ws/bob".into(),
            path: path.into(),
            ..Method::default()
        };
        let error = alice
            .call(&method, (), &CallOptions::default())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), format!("KeyError: {text}"));
    }
}

#[tokio::test]
async fn visibility_is_enforced_when_fetching_and_when_calling() {
    let ((alice, from_alice), (bob, from_bob)) =
        (peer(PeerConfig::new("other", "alice")), peer(config("bob")));
    deliver(&alice, from_alice, vec![bob.clone()]);
    deliver(&bob, from_bob, vec![alice.clone()]);
    let add = |visibility, authorized: &[&str]| {
        let authorized_workspaces = authorized.iter().map(|&ws| ws.to_owned()).collect();
        let config = ServiceConfig {
            visibility,
            authorized_workspaces,
            ..ServiceConfig::default()
        };
        bob.add_service(Arc::new(test_service().config(config)), true)
            .unwrap();
    };
    add(Visibility::Protected, &[]);
    let error = call::<f64>(&alice, "add", (1, 2)).await.unwrap_err();
    let text = "Permission denied for invoking protected method other/alice:services.test.add, \
                workspace mismatch: ws != other";
    assert_eq!(error.to_string(), format!("PermissionError: {text}"));
    let error = alice.get_remote_service("ws/bob", "test").await.unwrap_err();
    let text = "Permission denied for getting protected service: test, workspace mismatch: ws != other";
    assert_eq!(error.to_string(), format!("PermissionError: {text}"));
    for (visibility, authorized) in [
        (Visibility::Public, &[][..]),
        (Visibility::Unlisted, &[]),
        (Visibility::Protected, &["other"]),
    ] {
        add(visibility, authorized);
        assert_eq!(call::<f64>(&alice, "add", (1, 2)).await.unwrap(), 3.0);
        assert!(alice.get_remote_service("ws/bob", "test").await.is_ok());
    }
}

#[tokio::test]
async fn the_manager_may_call_protected_services() {
    let manager = PeerConfig::new("*", "manager-1");
    let bob_config = PeerConfig {
        manager: Some("*/manager-1".into()),
        ..config("bob")
    };
    let (manager, bob) = connect(manager, bob_config);
    bob.add_service(Arc::new(test_service()), false).unwrap();
    assert_eq!(call::<f64>(&manager, "add", (1, 2)).await.unwrap(), 3.0);
    bob.set_server("http://hub", Some("*/manager-2"));
    assert!(call::<f64>(&manager, "add", (1, 2)).await.is_err());
}

#[tokio::test]
async fn ids_are_unique_and_well_formed() {
    let (alice, _bob) = pair();
    alice.add_service(Arc::new(DynService::new("a")), false).unwrap();
    assert!(alice.add_service(Arc::new(DynService::new("a")), false).is_err());
    assert!(alice.add_service(Arc::new(DynService::new("a")), true).is_ok());
    for id in ["", "a/b", "a:b", "a@b", "built-in", "_rintf_1", "*", "a\n"] {
        assert!(
            alice.add_service(Arc::new(DynService::new(id)), false).is_err(),
            "{id:?}"
        );
    }
    assert!(alice.remove_service("a"));
    assert!(!alice.remove_service("a"));
}

#[tokio::test]
async fn events_reach_their_handlers() {
    let (alice, bob) = pair();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let id = bob.on("news", move |event| {
        sender.send((event.from.clone(), event.data().cloned())).unwrap()
    });
    alice
        .emit("news", "ws/bob", vec![("data".into(), Value::from(1))], None)
        .await
        .unwrap();
    assert_eq!(
        receiver.recv().await,
        Some((Some("ws/alice".into()), Some(Value::from(1))))
    );
    assert!(bob.off(id));
    assert!(!bob.off(id));
    assert_eq!(receiver.recv().await, None);
}
