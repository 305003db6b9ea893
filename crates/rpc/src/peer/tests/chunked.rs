//! Messages larger than a frame, both ways.

use std::sync::Arc;

use futures_util::future::join_all;
use hypha_wire::transfer::ReassemblyLimits;

use super::*;

fn small_chunks(client_id: &str) -> PeerConfig {
    PeerConfig {
        chunk_size: 4096,
        ..config(client_id)
    }
}

#[tokio::test]
async fn large_arguments_and_results() {
    let (alice, bob) = connect(small_chunks("alice"), small_chunks("bob"));
    bob.add_service(Arc::new(test_service()), false).unwrap();
    let data = Bytes::from(vec![7u8; 300_000]);
    let back: Bytes = call(&alice, "echo", (data.clone(),)).await.unwrap();
    assert_eq!(back, data);
    let calls = (0..5).map(|i| {
        let (alice, data) = (alice.clone(), Bytes::from(vec![i; 50_000]));
        async move {
            assert_eq!(
                call::<Bytes>(&alice, "echo", (data.clone(),)).await.unwrap(),
                data
            )
        }
    });
    join_all(calls).await;
    let (from, ..): (String, String, Value) = call(&alice, "who", crate::args![context = "x".repeat(10_000)])
        .await
        .unwrap();
    assert_eq!(
        from, "ws/alice",
        "the identity is that of the sender of the chunks"
    );
    assert_eq!((alice.open_sessions(), bob.open_sessions()), (0, 0));
}

#[tokio::test]
async fn what_does_not_fit_is_an_error_for_the_caller() {
    let mut limited = small_chunks("bob");
    limited.limits.transfers = ReassemblyLimits {
        sender_bytes: 20_000,
        ..ReassemblyLimits::default()
    };
    let (alice, bob) = connect(small_chunks("alice"), limited);
    bob.add_service(Arc::new(test_service()), false).unwrap();
    let error = call::<Bytes>(&alice, "echo", (Bytes::from(vec![0; 100_000]),))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Send { reason, .. } if reason.contains("limit")),
        "{error}"
    );
    assert_eq!(call::<f64>(&alice, "add", (1, 2)).await.unwrap(), 3.0);
}

#[tokio::test]
async fn a_large_result_that_cannot_be_delivered_is_an_error_for_the_caller() {
    let mut limited = small_chunks("alice");
    limited.limits.transfers = ReassemblyLimits {
        sender_bytes: 20_000,
        ..ReassemblyLimits::default()
    };
    let (alice, bob) = connect(limited, small_chunks("bob"));
    let service = DynService::new("test").function("big", |_ctx, ()| async move { Ok("x".repeat(100_000)) });
    bob.add_service(Arc::new(service), false).unwrap();
    let error = call::<String>(&alice, "big", ()).await.unwrap_err();
    assert!(error.to_string().contains("Failed to send the result"), "{error}");
}
