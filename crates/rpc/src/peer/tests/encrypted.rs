//! End-to-end encryption and trusted keys.

use std::sync::Arc;

use super::*;
use crate::crypto::KeyPair;
use crate::service::ServiceConfig;
use crate::value::Callback;

fn with_key(client_id: &str) -> PeerConfig {
    PeerConfig {
        encryption: Some(KeyPair::generate()),
        ..config(client_id)
    }
}

fn public(peer: &Peer) -> [u8; 32] {
    peer.config().encryption.as_ref().unwrap().public()
}

#[tokio::test]
async fn arguments_results_and_callbacks_are_encrypted() {
    let (alice, bob) = connect(with_key("alice"), with_key("bob"));
    let service = DynService::new("test").function("run", |ctx, (f,): (RemoteFunction,)| async move {
        assert!(f.method().encryption_public_key.is_some());
        Ok((ctx.caller_public_key().copied(), f.call::<i64>((1,)).await?))
    });
    bob.add_service(Arc::new(service), false).unwrap();
    let callback = Callback::with_context(|ctx, (x,): (i64,)| async move {
        assert!(
            ctx.caller_public_key().is_some(),
            "calls of callbacks are encrypted too"
        );
        Ok(x + 1)
    });
    let options = CallOptions {
        encrypt_for: Some(public(&bob)),
        ..CallOptions::default()
    };
    let answer = call_with(&alice, "run", (callback,), options).await.unwrap();
    let (key, number): (Option<[u8; 32]>, i64) = hypha_wire::from_value(answer).unwrap();
    assert_eq!((key, number), (Some(public(&alice)), 2));
}

#[tokio::test]
async fn trusted_keys_are_required() {
    let (alice, bob) = connect(with_key("alice"), with_key("bob"));
    let serve = |key| {
        let config = ServiceConfig {
            trusted_keys: vec![key],
            ..ServiceConfig::default()
        };
        bob.add_service(Arc::new(test_service().config(config)), true)
            .unwrap();
    };
    serve(public(&alice));
    let error = call::<f64>(&alice, "add", (1, 2)).await.unwrap_err();
    assert!(
        error.to_string().contains("Encryption required for method"),
        "{error}"
    );
    let options = CallOptions {
        encrypt_for: Some(public(&bob)),
        ..CallOptions::default()
    };
    assert_eq!(
        call_with(&alice, "add", (1, 2), options.clone()).await.unwrap(),
        Value::Float(3.0)
    );
    serve([1; 32]);
    let error = call_with(&alice, "add", (1, 2), options).await.unwrap_err();
    assert!(
        error.to_string().contains("not in the trusted keys list"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_key_is_an_error_for_the_caller() {
    let (alice, bob) = connect(with_key("alice"), with_key("bob"));
    bob.add_service(Arc::new(test_service()), false).unwrap();
    let options = CallOptions {
        encrypt_for: Some([9; 32]),
        ..CallOptions::default()
    };
    let error = call_with(&alice, "add", (1, 2), options).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Decryption failed for method services.test.add"),
        "{error}"
    );
    let (alice, bob) = connect(with_key("alice"), config("bob"));
    bob.add_service(Arc::new(test_service()), false).unwrap();
    let options = CallOptions {
        encrypt_for: Some([9; 32]),
        ..CallOptions::default()
    };
    let error = call_with(&alice, "add", (1, 2), options).await.unwrap_err();
    assert!(error.to_string().contains("encryption is not enabled"), "{error}");
}
