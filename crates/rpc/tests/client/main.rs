//! The client against a small hub: connecting, services, reconnecting, being refused.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod hub;
mod login;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hub::{Hub, WORKSPACE};
use hypha_rpc::{Client, DynService, Error, Status, Value, connect};
use tokio::sync::mpsc;

async fn client(hub: &Hub, id: &str) -> Client {
    connect(hub.url()).client_id(id).await.unwrap()
}

fn calc() -> DynService {
    DynService::new("calc")
        .function("add", |_ctx, (a, b): (f64, f64)| async move { Ok(a + b) })
        .function("hang", |_ctx, ()| async move {
            std::future::pending::<()>().await;
            Ok(())
        })
}

async fn until(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("the condition never came true");
}

#[tokio::test]
async fn services_are_registered_found_and_called() {
    let hub = Hub::start().await;
    let (owner, caller) = (client(&hub, "owner").await, client(&hub, "caller").await);
    assert_eq!((owner.workspace(), owner.client_id()), (WORKSPACE, "owner"));
    let info = owner.register_service(calc()).await.unwrap();
    assert_eq!(info.id, "ws-test/owner:calc");
    assert_eq!(
        *hub.switch.registered.lock(),
        ["owner:built-in", "caller:built-in", "owner:calc"]
    );
    let calc = caller.get_service("owner:calc").await.unwrap();
    assert_eq!(calc.functions(), ["add", "hang"]);
    assert_eq!(calc.call::<f64>("add", (1, 2)).await.unwrap(), 3.0);
    assert!(
        calc.call::<f64>("nope", ())
            .await
            .unwrap_err()
            .to_string()
            .contains("has no function nope")
    );
    let error = caller.get_service("owner:nope").await.unwrap_err();
    assert_eq!(error.to_string(), "KeyError: Service not found: nope");
    owner.unregister_service("calc").await.unwrap();
    assert_eq!(
        *hub.switch.registered.lock(),
        ["owner:built-in", "caller:built-in"]
    );
    assert!(owner.unregister_service("calc").await.is_err());
}

#[tokio::test]
async fn a_refused_registration_is_taken_back() {
    let hub = Hub::start().await;
    let owner = client(&hub, "owner").await;
    for _ in 0..2 {
        let error = owner
            .register_service(DynService::new("forbidden"))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "PermissionError: Failed to notify workspace manager: not yours"
        );
    }
}

#[tokio::test]
async fn the_handshake_is_as_the_protocol_says() {
    let hub = Hub::start().await;
    let _client = connect(hub.url()).client_id("c").token("t").await.unwrap();
    let first = hub.switch.handshakes.lock()[0].clone();
    let expected =
        serde_json::json!({"client_id": "c", "workspace": null, "token": "t", "reconnection_token": null});
    assert_eq!(first, expected);
    let error = connect(hub.url()).workspace("other").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Connected to the wrong workspace: ws-test, expected: other"
    );
    *hub.switch.refuse.lock() = Some("bad token".into());
    let error = connect(hub.url()).await.unwrap_err();
    assert!(matches!(error, Error::Refused(message) if message == "bad token"));
    assert!(matches!(
        connect("http://127.0.0.1:1").await,
        Err(Error::Connect(_))
    ));
}

#[tokio::test]
async fn a_lost_connection_is_opened_again_and_services_are_registered_again() {
    let hub = Hub::start().await;
    let (owner, caller) = (client(&hub, "owner").await, client(&hub, "caller").await);
    owner.register_service(calc()).await.unwrap();
    let calc = caller.get_service("owner:calc").await.unwrap();
    hub.switch.registered.lock().clear();
    hub.switch.subscribed.lock().clear();
    hub.switch.start_manager("manager-2");
    hub.switch.cut();
    until(|| hub.switch.registered.lock().len() == 3).await;
    assert!(hub.switch.registered.lock().contains(&"owner:calc".to_owned()));
    until(|| hub.switch.subscribed.lock().len() == 2).await;
    let again = hub
        .switch
        .handshakes
        .lock()
        .iter()
        .rev()
        .find(|first| first["client_id"] == "owner")
        .cloned()
        .unwrap();
    assert_eq!(again["reconnection_token"], "again-owner");
    assert_eq!(again["token"], serde_json::Value::Null);
    assert_eq!(again["workspace"], WORKSPACE);
    assert_eq!(calc.call::<f64>("add", (1, 2)).await.unwrap(), 3.0);
    until(|| *owner.status().borrow() == Status::Connected).await;
}

#[tokio::test]
async fn calls_wait_for_the_reconnection() {
    let hub = Hub::start().await;
    let (owner, caller) = (client(&hub, "owner").await, client(&hub, "caller").await);
    owner.register_service(calc()).await.unwrap();
    let calc = caller.get_service("owner:calc").await.unwrap();
    let mut status = caller.status();
    *hub.switch.fail_handshakes.lock() = 1;
    hub.switch.cut_one("caller");
    status
        .wait_for(|status| matches!(status, Status::Reconnecting { .. }))
        .await
        .unwrap();
    assert_eq!(calc.call::<f64>("add", (1, 2)).await.unwrap(), 3.0);
}

#[tokio::test]
async fn a_refusal_while_reconnecting_is_final() {
    let hub = Hub::start().await;
    let client = client(&hub, "c").await;
    *hub.switch.refuse.lock() = Some("blocked".into());
    hub.switch.cut();
    assert_eq!(client.wait_closed().await, "Server refused reconnection: blocked");
    let error = client.manager().list_clients().await.unwrap_err();
    assert_eq!(error.to_string(), "Server refused reconnection: blocked");
}

#[tokio::test]
async fn calls_to_a_client_that_leaves_fail_at_once() {
    let hub = Hub::start().await;
    let (owner, caller) = (client(&hub, "owner").await, client(&hub, "caller").await);
    owner.register_service(calc()).await.unwrap();
    let calc = caller.get_service("owner:calc").await.unwrap();
    let hanging = tokio::spawn(async move { calc.call::<()>("hang", ()).await });
    until(|| owner.peer().running_calls() == 1).await;
    owner.disconnect().await;
    assert!(matches!(*owner.status().borrow(), Status::Closed { .. }));
    let error = tokio::time::timeout(Duration::from_secs(5), hanging)
        .await
        .unwrap()
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, Error::PeerGone { .. }), "{error}");
}

#[tokio::test]
async fn a_service_is_fetched_again_when_its_owner_came_back_with_another() {
    let hub = Hub::start().await;
    let (owner, caller) = (client(&hub, "owner").await, client(&hub, "caller").await);
    owner.register_service(calc()).await.unwrap();
    let calc = caller.get_service("owner:calc").await.unwrap();
    owner.peer().remove_service("calc");
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let late = DynService::new("calc").function("add", move |_ctx, (a, b): (f64, f64)| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move { Ok(a + b) }
    });
    assert!(
        calc.call::<f64>("add", (1, 2))
            .await
            .unwrap_err()
            .to_string()
            .contains("expired or not found")
    );
    owner.register_service(late).await.unwrap();
    assert_eq!(calc.call::<f64>("add", (1, 2)).await.unwrap(), 3.0);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn events_between_clients_and_from_the_hub() {
    let hub = Hub::start().await;
    let (a, b) = (client(&hub, "a").await, client(&hub, "b").await);
    let (sender, mut received) = mpsc::unbounded_channel();
    let other = sender.clone();
    b.on("hello", move |event| {
        sender.send((event.from.clone(), event.data().cloned())).unwrap()
    });
    b.subscribe("news", move |event| {
        other.send((event.from.clone(), event.data().cloned())).unwrap()
    })
    .await
    .unwrap();
    a.emit("hello", "b", &1).await.unwrap();
    assert_eq!(
        received.recv().await,
        Some((Some("ws-test/a".into()), Some(Value::from(1))))
    );
    hub.switch.broadcast("news", Value::from("x"));
    assert_eq!(received.recv().await, Some((None, Some(Value::from("x")))));
    assert!(hub.switch.subscribed.lock().contains(&"news".to_owned()));
}

#[tokio::test]
async fn many_calls_at_once_and_large_ones() {
    let hub = Hub::start().await;
    let (owner, caller) = (client(&hub, "owner").await, client(&hub, "caller").await);
    let echo = DynService::new("calc").function("echo", |_ctx, (x,): (Value,)| async move { Ok(x) });
    owner.register_service(echo).await.unwrap();
    let calc = caller.get_service("owner:calc").await.unwrap();
    let calls = (0..2000).map(|number| {
        let calc = calc.clone();
        tokio::spawn(async move { assert_eq!(calc.call::<i64>("echo", (number,)).await.unwrap(), number) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let large = bytes::Bytes::from(vec![1; 3 << 20]);
    assert_eq!(calc.call::<bytes::Bytes>("echo", (&large,)).await.unwrap(), large);
    assert_eq!(caller.peer().open_sessions(), 0);
}

#[tokio::test]
async fn a_silent_client_is_not_announced() {
    let hub = Hub::start().await;
    let (owner, silent) = (
        client(&hub, "owner").await,
        connect(hub.url()).silent().await.unwrap(),
    );
    owner.register_service(calc()).await.unwrap();
    let calc = silent.get_service("owner:calc").await.unwrap();
    assert_eq!(calc.call::<f64>("add", (1, 2)).await.unwrap(), 3.0);
    assert_eq!(*hub.switch.registered.lock(), ["owner:built-in", "owner:calc"]);
}

#[tokio::test]
async fn dropping_the_last_clone_disconnects() {
    let hub = Hub::start().await;
    let client = client(&hub, "c").await;
    let mut status = client.status();
    let peer = client.peer().clone();
    drop(client);
    let closed = status
        .wait_for(|status| matches!(status, Status::Closed { .. }))
        .await;
    assert!(closed.is_ok());
    until(|| peer.closed().is_some()).await;
}
