//! Time, loss and hostile input.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hypha_wire::message::{Message, Payload};
use proptest::prelude::*;

use super::*;

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_a_long_call_alive() {
    let (alice, _bob) = serving(test_service());
    assert_eq!(call::<String>(&alice, "slow", (3600,)).await.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_timeout() {
    let ((alice, _frames), _) = (peer(config("alice")), ());
    let error = call::<()>(&alice, "add", (1, 2)).await.unwrap_err();
    assert!(matches!(&error, Error::Timeout { after, .. } if after.as_secs() == 30));
    let text = "Method call timed out: ws/bob:services.test.add, context: services.test.add";
    assert_eq!(error.to_string(), text);
    assert_eq!(alice.open_sessions(), 0);
}

#[tokio::test]
async fn a_peer_that_goes_fails_its_calls_at_once() {
    let (alice, _bob) = serving(test_service());
    let slow = tokio::spawn({
        let alice = alice.clone();
        async move { call::<String>(&alice, "slow", (60,)).await }
    });
    while alice.open_sessions() == 0 {
        tokio::task::yield_now().await;
    }
    alice.client_gone("ws/other");
    assert_eq!(alice.open_sessions(), 1);
    alice.client_gone("ws/bob");
    assert!(matches!(slow.await.unwrap(), Err(Error::PeerGone { peer, .. }) if peer == "ws/bob"));
}

#[tokio::test]
async fn dropping_a_call_forgets_it() {
    let (alice, _bob) = serving(test_service());
    let unpolled = alice.call(&method("add"), (1, 2), &CallOptions::default());
    assert_eq!(alice.open_sessions(), 1);
    drop(unpolled);
    assert_eq!(alice.open_sessions(), 0);
    let slow = call::<String>(&alice, "slow", (60,));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), slow)
            .await
            .is_err()
    );
    assert_eq!(alice.open_sessions(), 0);
}

#[tokio::test]
async fn closing_fails_calls_and_drops_functions_that_run() {
    struct SetOnDrop(Arc<AtomicBool>);
    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let (alice, bob) = serving(DynService::new("test").function("hang", move |_ctx, ()| {
        let guard = SetOnDrop(Arc::clone(&flag));
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Ok(())
        }
    }));
    let hang = tokio::spawn({
        let alice = alice.clone();
        async move { call::<()>(&alice, "hang", ()).await }
    });
    while bob.running_calls() == 0 {
        tokio::task::yield_now().await;
    }
    bob.close("going home");
    alice.close("RPC connection closed");
    assert_eq!(
        hang.await.unwrap().unwrap_err().to_string(),
        "RPC connection closed"
    );
    while !dropped.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    let error = call::<f64>(&alice, "add", (1, 2)).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }));
}

#[tokio::test]
async fn too_many_running_calls_are_refused() {
    let mut limited = config("bob");
    limited.limits.running_calls = 2;
    let (alice, bob) = connect(config("alice"), limited);
    bob.add_service(Arc::new(test_service()), false).unwrap();
    let slow = || {
        tokio::spawn({
            let alice = alice.clone();
            async move { call::<String>(&alice, "slow", (60,)).await }
        })
    };
    let (first, second) = (slow(), slow());
    while bob.running_calls() < 2 {
        tokio::task::yield_now().await;
    }
    let error = slow().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("Overloaded"), "{error}");
    assert_eq!(
        call::<f64>(&alice, "add", (1, 2)).await.unwrap(),
        3.0,
        "what answers at once still runs"
    );
    first.abort();
    second.abort();
}

#[tokio::test]
async fn nobody_answers_for_somebody_else() {
    let ((alice, mut frames), _) = (peer(config("alice")), ());
    let call = tokio::spawn({
        let alice = alice.clone();
        async move { call::<i64>(&alice, "add", (1, 2)).await }
    });
    let request = Message::decode(&frames.recv().await.unwrap(), &Default::default()).unwrap();
    let session = request.session.unwrap();
    let answer = |from: &str, value: i64| {
        let mut message = Message::call(
            "ws/alice",
            format!("{session}.resolve"),
            Payload::args(vec![value.into()]),
        );
        message.from = Some(from.to_owned());
        Bytes::from(message.encode())
    };
    alice.receive(answer("ws/eve", 666)).await;
    alice.receive(answer("ws/bob", 3)).await;
    assert_eq!(call.await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn malformed_calls_are_answered() {
    let ((bob, mut frames), _) = (peer(config("bob")), ());
    let mut message = Message::call("ws/bob", "services.test.add", Payload::default());
    message.from = Some("ws/alice".into());
    message.session = Some("s1".into());
    let mut frame = message.encode();
    frame.push(0xc1);
    bob.receive(Bytes::from(frame)).await;
    let answer = Message::decode(&frames.recv().await.unwrap(), &Default::default()).unwrap();
    assert_eq!(answer.method.as_deref(), Some("s1.reject"));
    assert_eq!(answer.to, "ws/alice");
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (bob, _frames) = peer(config("bob"));
            bob.add_service(Arc::new(test_service()), false).unwrap();
            bob.receive(Bytes::from(bytes.clone())).await;
            let mut message = Message::call("ws/bob", "services.test.add", Payload::args(vec![1.into(), 2.into()]));
            message.from = Some("ws/alice".into());
            let mut frame = message.encode();
            frame.truncate(cut);
            frame.extend_from_slice(&bytes);
            bob.receive(Bytes::from(frame)).await;
        });
    }
}
