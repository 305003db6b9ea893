//! Logging in, with login services of several kinds.

use std::sync::Arc;
use std::time::Duration;

use hypha_rpc::{CallArgs, Client, DynService, ErrorKind, RemoteFailure, Value, connect, login};
use parking_lot::Mutex;

use crate::hub::Hub;

/// The keyword arguments of `start` and `check`, as they came.
type Seen = Arc<Mutex<Vec<Value>>>;

/// A client with a login service whose `check` answers with `result`.
async fn provider(
    hub: &Hub,
    seen: &Seen,
    page: &'static str,
    result: Result<Value, RemoteFailure>,
) -> Client {
    let (of_start, of_check) = (Arc::clone(seen), Arc::clone(seen));
    let service = DynService::new("login")
        .function("start", move |_ctx, args: CallArgs| {
            of_start.lock().push(args.kwargs.into_iter().collect());
            async move { Ok(Value::from_iter([("login_url", page), ("key", "k-1")])) }
        })
        .function("check", move |_ctx, args: CallArgs| {
            assert_eq!(args.positional, [Value::from("k-1")]);
            of_check.lock().push(args.kwargs.into_iter().collect());
            let result = result.clone();
            async move { result }
        });
    let provider = connect(hub.url()).client_id("provider").await.unwrap();
    provider.register_service(service).await.unwrap();
    provider
}

#[tokio::test]
async fn a_person_logs_in() {
    let (hub, seen, pages) = (
        Hub::start().await,
        Seen::default(),
        Arc::new(Mutex::new(Vec::new())),
    );
    let user = Value::from_iter([("token", "t-1"), ("user_id", "ada"), ("workspace", "lab-1")]);
    let _provider = provider(&hub, &seen, "/public/apps/hypha-login/?key=k-1", Ok(user)).await;
    let shown = Arc::clone(&pages);
    let user = login(hub.url())
        .service_id("provider:login")
        .workspace("lab-1")
        .expires_in(60)
        .timeout(Duration::from_secs(7))
        .on_prompt(move |prompt| shown.lock().push(prompt.login_url.clone()))
        .await
        .unwrap();
    assert_eq!(
        (user.token.as_str(), user.user_id.as_deref()),
        ("t-1", Some("ada"))
    );
    assert_eq!(
        *pages.lock(),
        [format!("{}/public/apps/hypha-login/?key=k-1", hub.url())]
    );
    let asked = Value::from_iter([
        ("workspace", Value::from("lab-1")),
        ("expires_in", Value::from(60)),
    ]);
    let waited = Value::from_iter([("timeout", Value::from(7)), ("profile", Value::from(true))]);
    assert_eq!(*seen.lock(), [asked, waited]);
    let first = hub.switch.handshakes.lock()[1].clone();
    assert!(first["token"].is_null(), "nobody is logged in before the login");
}

#[tokio::test]
async fn a_provider_that_knows_only_tokens() {
    let (hub, seen) = (Hub::start().await, Seen::default());
    let _provider = provider(&hub, &seen, "https://id/x", Ok(Value::from("t-2"))).await;
    let login = login(hub.url()).service_id("provider:login").on_prompt(|_| ());
    assert_eq!(login.await.unwrap().token, "t-2");
    assert_eq!(seen.lock()[0], Value::empty_map(), "nothing was asked for");
}

#[tokio::test]
async fn nobody_logs_in() {
    let (hub, seen) = (Hub::start().await, Seen::default());
    let late = RemoteFailure::new(ErrorKind::TimeoutError, "Login timeout, waited for 60 seconds");
    let _provider = provider(&hub, &seen, "https://id/x", Err(late)).await;
    let error = login(hub.url())
        .service_id("provider:login")
        .on_prompt(|_| ())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "TimeoutError: Login timeout, waited for 60 seconds"
    );
    let missing = login(hub.url()).service_id("provider:none").await.unwrap_err();
    assert_eq!(missing.to_string(), "KeyError: Service not found: none");
}
