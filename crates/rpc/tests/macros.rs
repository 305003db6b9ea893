//! The `service` attribute: specs and calls.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hypha_rpc::wire::NdArray;
use hypha_rpc::{
    CallArgs, CallContext, CallOptions, Error, Link, LinkError, Method, Peer, PeerConfig, RemoteFailure,
    RemoteFunction, RequireContext, Service, ServiceSpec, TrySend, Value, Visibility, service,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Debug)]
struct Odd;

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("odd number")
    }
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Point {
    /// Across.
    x: f64,
    y: f64,
}

struct Calc {
    base: f64,
}

/// Does sums.
#[service(id = "calc", name = "Calculator", service_type = "math", visibility = "public", require_context,
    camel_case_aliases, customize = customize)]
impl Calc {
    /// Adds.
    ///
    /// All three.
    pub async fn add(&self, a: f64, b: Option<f64>, #[arg(default = 5)] c: i32) -> f64 {
        self.base + a + b.unwrap_or(0.0) + f64::from(c)
    }

    pub async fn half(&self, number: i64) -> Result<i64, Odd> {
        if number % 2 == 0 { Ok(number / 2) } else { Err(Odd) }
    }

    pub fn fail(&self) -> Result<(), RemoteFailure> {
        Err(RemoteFailure::permission("no"))
    }

    pub async fn who_calls(&self, prefix: &str, ctx: &CallContext, rest: &[String]) -> String {
        format!("{prefix}{}{}", ctx.from(), rest.concat())
    }

    pub fn norm(
        &self,
        /** Where. */
        point: Point,
        ctx: CallContext,
    ) -> f64 {
        assert_eq!(ctx.workspace(), "ws");
        point.x.hypot(point.y)
    }

    pub async fn apply(
        &self,
        function: RemoteFunction,
        values: HashMap<String, Value>,
    ) -> Result<Value, Error> {
        function.call_value((values,)).await
    }

    #[rpc(name = "arrays.shape")]
    pub fn shape(&self, array: NdArray) -> Vec<u64> {
        array.shape
    }

    #[rpc(skip)]
    pub fn hidden(&self) {}

    fn customize(&self, spec: &mut ServiceSpec) {
        spec.config.flags.push("custom".into());
    }
}

struct Loop(mpsc::UnboundedSender<Bytes>);

impl Link for Loop {
    fn try_send(&self, frame: Bytes) -> Result<(), TrySend> {
        self.0
            .send(frame)
            .map_err(|_| TrySend::Failed(LinkError::new("closed")))
    }

    fn send(&self, frame: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async move { self.0.send(frame).map_err(|_| LinkError::new("closed")) })
    }
}

/// A peer that calls itself.
fn peer() -> Peer {
    let (sender, mut frames) = mpsc::unbounded_channel();
    let peer = Peer::new(PeerConfig::new("ws", "me"), Arc::new(Loop(sender)));
    peer.add_service(Arc::new(Calc { base: 100.0 }), false).unwrap();
    let receiver = peer.clone();
    tokio::spawn(async move {
        while let Some(frame) = frames.recv().await {
            receiver.receive(frame).await;
        }
    });
    peer
}

async fn call(function: &str, positional: Vec<Value>, kwargs: &[(&str, Value)]) -> Result<Value, String> {
    let method = Method {
        target: "me".into(),
        path: format!("services.calc.{function}"),
        ..Method::default()
    };
    let kwargs = kwargs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let args = CallArgs { positional, kwargs };
    peer()
        .call(&method, args, &CallOptions::default())
        .await
        .map_err(|error| error.to_string())
}

#[test]
fn the_spec_says_everything() {
    let calc = Calc { base: 0.0 };
    calc.hidden();
    let spec = calc.spec();
    assert_eq!(
        (spec.id.as_str(), spec.name.as_deref()),
        ("calc", Some("Calculator"))
    );
    assert_eq!(spec.service_type.as_deref(), Some("math"));
    assert_eq!(spec.description.as_deref(), Some("Does sums."));
    assert_eq!(spec.config.visibility, Visibility::Public);
    assert_eq!(spec.config.require_context, RequireContext::All);
    assert_eq!(spec.config.flags, ["custom"]);
    let names: Vec<&str> = spec.functions.iter().map(|function| &*function.name).collect();
    assert_eq!(
        names,
        [
            "add",
            "half",
            "fail",
            "who_calls",
            "whoCalls",
            "norm",
            "apply",
            "arrays.shape"
        ]
    );
    let add = &spec.functions[0];
    assert_eq!(add.doc.as_deref(), Some("Adds.\n\nAll three."));
    let schema = hypha_rpc::wire::convert::to_json(add.parameters.as_ref().unwrap());
    assert_eq!(schema["required"], serde_json::json!(["a"]));
    assert_eq!(schema["properties"]["a"]["type"], "number");
    assert_eq!(schema["properties"]["c"]["default"], 5);
    let norm = hypha_rpc::wire::convert::to_json(spec.functions[5].parameters.as_ref().unwrap());
    assert_eq!(norm["properties"]["point"]["description"], "Where.");
    assert_eq!(
        norm["properties"]["point"]["properties"]["x"]["description"],
        "Across."
    );
    assert!(norm["properties"].get("ctx").is_none());
}

#[tokio::test]
async fn arguments_by_position_by_name_and_as_a_trailing_map() {
    assert_eq!(call("add", vec![1.into()], &[]).await, Ok(106.0.into()));
    assert_eq!(
        call("add", vec![1.into(), Value::Nil, Value::Nil], &[]).await,
        Ok(106.0.into())
    );
    assert_eq!(
        call("add", vec![1.into(), 2.into()], &[("c", 3.into())]).await,
        Ok(106.0.into())
    );
    let map = Value::from_iter([("b", Value::from(2)), ("c", Value::from(0))]);
    assert_eq!(call("add", vec![1.into(), map], &[]).await, Ok(103.0.into()));
    let error = call("add", vec![], &[]).await.unwrap_err();
    assert_eq!(error, "TypeError: Missing required argument: 'a'");
    let error = call("add", vec!["x".into()], &[]).await.unwrap_err();
    assert!(error.starts_with("TypeError: Argument 'a': "), "{error}");
}

#[tokio::test]
async fn results_and_errors() {
    assert_eq!(call("half", vec![4.into()], &[]).await, Ok(2.into()));
    assert_eq!(
        call("half", vec![3.into()], &[]).await,
        Err("RuntimeError: odd number".into())
    );
    assert_eq!(call("fail", vec![], &[]).await, Err("PermissionError: no".into()));
    assert_eq!(
        call("hidden", vec![], &[]).await.unwrap_err().split(':').next(),
        Some("KeyError")
    );
}

#[tokio::test]
async fn contexts_references_structs_and_arrays() {
    let rest = Value::from(vec!["!", "!"]);
    assert_eq!(
        call("who_calls", vec![">".into(), rest.clone()], &[]).await,
        Ok(">ws/me!!".into())
    );
    assert_eq!(
        call("whoCalls", vec![">".into()], &[("rest", rest)]).await,
        Ok(">ws/me!!".into())
    );
    let point = Value::from_iter([("x", 3), ("y", 4)]);
    assert_eq!(call("norm", vec![point], &[]).await, Ok(5.0.into()));
    let array = NdArray {
        dtype: "uint8".into(),
        shape: vec![2],
        data: Bytes::from_static(&[1, 2]),
    };
    assert_eq!(
        call("arrays.shape", vec![array.into()], &[]).await,
        Ok(vec![2].into())
    );
}
