//! Callbacks, generators and interfaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use hypha_wire::{NdArray, Value};
use serde::{Deserialize, Serialize};

use super::*;
use crate::error::RemoteFailure;
use crate::value::{Callback, GeneratorOf, Interface, RemoteGenerator};

#[derive(Serialize)]
struct Job {
    name: &'static str,
    on_progress: Callback,
}

#[derive(Deserialize)]
struct ReceivedJob {
    name: String,
    on_progress: RemoteFunction,
}

#[tokio::test]
async fn callbacks_in_arguments_live_as_long_as_the_call() {
    let kept: Arc<parking_lot::Mutex<Option<RemoteFunction>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let (alice, _bob) = serving(DynService::new("test").function(
        "run",
        move |_ctx, (job,): (ReceivedJob,)| {
            *keep.lock() = Some(job.on_progress.clone());
            async move {
                let mut sum = 0.0;
                for step in 0..3 {
                    sum += job.on_progress.call::<f64>((job.name.as_str(), step)).await?;
                }
                job.on_progress.notify(("over", 10)).await?;
                Ok(sum)
            }
        },
    ));
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let on_progress = Callback::new(move |(name, step): (String, f64)| {
        assert!(name == "train" || name == "over");
        counter.fetch_add(1, Ordering::Relaxed);
        async move { Ok(step * 2.0) }
    });
    let sum: f64 = call(
        &alice,
        "run",
        (Job {
            name: "train",
            on_progress,
        },),
    )
    .await
    .unwrap();
    assert_eq!(sum, 6.0);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    let late = kept.lock().take().unwrap();
    let error = late.call::<f64>(("train", 1)).await.unwrap_err();
    assert!(error.to_string().contains("Parent session was closed"), "{error}");
    assert_eq!(alice.open_sessions(), 0);
}

#[tokio::test]
async fn callbacks_in_results_outlive_the_call() {
    let (alice, bob) = serving(
        DynService::new("test").function("adder", |_ctx, (a,): (f64,)| async move {
            Ok(Callback::new(move |(b,): (f64,)| async move { Ok(a + b) }).named("plus"))
        }),
    );
    let plus: RemoteFunction = call(&alice, "adder", (1,)).await.unwrap();
    assert_eq!(plus.method().name.as_deref(), Some("plus"));
    assert_eq!(plus.call::<f64>((2,)).await.unwrap(), 3.0);
    assert_eq!(plus.call::<f64>((3,)).await.unwrap(), 4.0);
    assert_eq!(bob.open_sessions(), 1);
    // Only the peer it was given to may call it.
    let (eve, frames) = peer(config("eve"));
    deliver(&eve, frames, vec![bob.clone(), alice.clone()]);
    let stolen =
        RemoteFunction::new(eve.clone(), plus.method().clone()).with_timeout(Duration::from_millis(50));
    assert!(stolen.call::<f64>((2,)).await.is_err());
}

#[tokio::test]
async fn generators_in_results() {
    let (alice, bob) = serving(
        DynService::new("test")
            .function("count", |_ctx, (to,): (u32,)| async move {
                Ok(GeneratorOf::new(stream::iter(0..to)))
            })
            .function("breaks", |_ctx, ()| async move {
                let items = vec![Ok(1), Err(RemoteFailure::value("broken"))];
                Ok(GeneratorOf::fallible(stream::iter(items)))
            }),
    );
    let numbers: RemoteGenerator = call(&alice, "count", (5,)).await.unwrap();
    let numbers: Vec<u32> = numbers.typed::<u32>().try_collect().await.unwrap();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(bob.open_sessions(), 0, "a generator that ended is forgotten");

    let mut numbers: RemoteGenerator = call(&alice, "count", (5,)).await.unwrap();
    assert_eq!(numbers.next().await.unwrap().unwrap(), Value::from(0));
    assert_eq!(bob.open_sessions(), 1);
    drop(numbers);
    while bob.open_sessions() > 0 {
        tokio::task::yield_now().await;
    }

    let broken: RemoteGenerator = call(&alice, "breaks", ()).await.unwrap();
    let items: Vec<Result<Value, Error>> = broken.collect().await;
    assert_eq!(items.len(), 2);
    assert_eq!(items[1].as_ref().unwrap_err().to_string(), "ValueError: broken");
}

#[tokio::test]
async fn generators_in_arguments() {
    let (alice, _bob) = serving(DynService::new("test").function(
        "sum",
        |_ctx, (items,): (RemoteGenerator,)| async move {
            let sum = items
                .typed::<f64>()
                .try_fold(0.0, |sum, item| async move { Ok(sum + item) })
                .await?;
            Ok(sum)
        },
    ));
    let sum: f64 = call(&alice, "sum", (GeneratorOf::new(stream::iter([1.0, 2.0, 3.5])),))
        .await
        .unwrap();
    assert_eq!(sum, 6.5);
}

#[tokio::test]
async fn interfaces_live_until_they_are_disposed_of() {
    let kept: Arc<parking_lot::Mutex<Vec<Value>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let (alice, bob) = serving(DynService::new("test").function(
        "keep",
        move |_ctx, (interface,): (Value,)| {
            keep.lock().push(interface);
            async move { Ok(()) }
        },
    ));
    let listener = DynService::new("x").function("on.data", |_ctx, (x,): (i64,)| async move { Ok(x + 1) });
    let () = call(&alice, "keep", (Interface::new(listener),)).await.unwrap();
    let interface = kept.lock().pop().unwrap();
    assert_eq!(interface.get("_rintf"), Some(&Value::Bool(true)));
    let on_data = function(&bob, interface.get("on").unwrap(), "data");
    assert_eq!(on_data.call::<i64>((1,)).await.unwrap(), 2);
    assert_eq!(alice.services().len(), 1, "interfaces are not told to the hub");
    function(&bob, &interface, "_dispose")
        .call::<()>(())
        .await
        .unwrap();
    let error = on_data.call::<i64>((1,)).await.unwrap_err();
    assert!(
        error.to_string().contains("Method expired or not found"),
        "{error}"
    );
}

#[tokio::test]
async fn functions_are_handed_over_at_the_same_hub_and_proxied_elsewhere() {
    let (alice, bob) = serving(test_service().function(
        "call_it",
        |_ctx, (f,): (RemoteFunction,)| async move {
            Ok((f.method().target.clone(), f.call::<f64>((1, 2)).await?))
        },
    ));
    let add = RemoteFunction::new(
        alice.clone(),
        Method {
            server: Some("http://hub".into()),
            ..method("add")
        },
    );
    let (target, sum): (String, f64) = call(&alice, "call_it", (add,)).await.unwrap();
    assert_eq!((target.as_str(), sum), ("ws/bob", 3.0));
    let foreign = RemoteFunction::new(
        alice.clone(),
        Method {
            server: Some("http://else".into()),
            ..method("add")
        },
    );
    let (target, sum): (String, f64) = call(&alice, "call_it", (foreign,)).await.unwrap();
    assert_eq!((target.as_str(), sum), ("ws/alice", 3.0));
    assert_eq!(bob.open_sessions() + alice.open_sessions(), 0);
}

#[tokio::test]
async fn arrays_pass_through() {
    let (alice, _bob) = serving(test_service());
    let array = NdArray {
        dtype: "float32".into(),
        shape: vec![2, 1],
        data: Bytes::from_static(&[0; 8]),
    };
    let back: NdArray = call(&alice, "echo", (array.clone(),)).await.unwrap();
    assert_eq!(back, array);
    let back: Bytes = call(&alice, "echo", (Bytes::from_static(b"raw"),)).await.unwrap();
    assert_eq!(back, "raw");
}
