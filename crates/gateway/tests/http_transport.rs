//! The Rust client on HTTP streams of a real gateway.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hypha_artifacts::{Artifacts, BaseUrls, Content, Database};
use hypha_gateway::{Gateway, Options};
use hypha_hub::auth::{Authenticator, RevokedTokens, TokenOptions, UserInfo};
use hypha_hub::cluster::SingleProcess;
use hypha_hub::durable::MemoryStore;
use hypha_hub::{Hub, Parts};
use hypha_rpc::{Client, Connect, DynService, Error, Status, Transport, Value, connect};
use hypha_storage::{Storage, WorkspaceFiles};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

struct Server {
    hub: Hub,
    url: String,
    address: std::net::SocketAddr,
}

async fn server() -> Server {
    let options = Options {
        base_path: "/base".into(),
        ..Options::default()
    };
    let gateway = Gateway::bind("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let address = gateway.address();
    let hub = Hub::start(Parts {
        options: hypha_hub::Options::default(),
        authenticator: Authenticator::new(TokenOptions::new("secret"), None, RevokedTokens::default()),
        store: Arc::new(MemoryStore::default()),
        cluster: Arc::new(SingleProcess::default()),
    })
    .await
    .unwrap();
    let storage = Storage::memory().await.unwrap();
    let urls = BaseUrls {
        public: hub.options().public_base_url.clone(),
        local: hub.options().local_base_url.clone(),
    };
    let content = Content::new(storage.clone(), urls);
    let database = Database::in_memory().await.unwrap();
    let parts = hypha_gateway::Parts {
        hub: hub.clone(),
        files: WorkspaceFiles::offer(&hub, &storage, false).unwrap(),
        artifacts: Artifacts::new(database, content, Arc::new(hub.clone()))
            .await
            .unwrap(),
        storage,
        metrics: None,
    };
    tokio::spawn(gateway.run(parts, CancellationToken::new()));
    Server {
        hub,
        url: format!("http://{address}/base"),
        address,
    }
}

impl Server {
    fn connect(&self) -> Connect {
        connect(&self.url).transport(Transport::Http)
    }

    fn token(&self, user: &str, seconds: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let issuer = self.hub.authenticator().issuer();
        issuer.issue(&UserInfo::new(user), seconds, now).unwrap()
    }

    async fn client(&self, user: &str, id: &str) -> Client {
        self.connect()
            .token(self.token(user, 3600))
            .client_id(id)
            .await
            .unwrap()
    }
}

fn calc() -> DynService {
    DynService::new("calc")
        .function("add", |_ctx, (a, b): (f64, f64)| async move { Ok(a + b) })
        .function("same", |_ctx, (value,): (Value,)| async move { Ok(value) })
}

async fn wait_for(client: &Client, status: Status) {
    let mut changes = client.status();
    let reached = changes.wait_for(|now| *now == status);
    tokio::time::timeout(Duration::from_secs(20), reached)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn calls_between_clients() {
    let server = server().await;
    let (owner, caller) = (
        server.client("ada", "owner").await,
        server.client("ada", "caller").await,
    );
    assert_eq!((owner.workspace(), owner.client_id()), ("ws-user-ada", "owner"));
    owner.register_service(calc()).await.unwrap();
    let calc = caller.get_service("owner:calc").await.unwrap();
    assert_eq!(calc.call::<f64>("add", (1, 2)).await.unwrap(), 3.0);
    let large = Bytes::from(vec![1; 20 << 20]);
    assert_eq!(calc.call::<Bytes>("same", (&large,)).await.unwrap(), large);
    let calls = (0..2000).map(|number| {
        let calc = calc.clone();
        tokio::spawn(async move { assert_eq!(calc.call::<i64>("same", (number,)).await.unwrap(), number) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    owner.disconnect().await;
    let error = calc.call::<f64>("add", (1, 2)).await.unwrap_err();
    assert!(matches!(error, Error::PeerGone { .. }), "{error}");
}

#[tokio::test]
async fn an_anonymous_client() {
    let server = server().await;
    let owner = server.connect().await.unwrap();
    let public = calc().visibility(hypha_rpc::Visibility::Public);
    owner.register_service(public).await.unwrap();
    let caller = connect(&server.url).await.unwrap();
    let id = format!("{}/{}:calc", owner.workspace(), owner.client_id());
    let calc = caller.get_service(id).await.unwrap();
    assert_eq!(calc.call::<f64>("add", (1, 2)).await.unwrap(), 3.0);
}

#[tokio::test]
async fn refusals() {
    let server = server().await;
    let error = server.connect().token("garbage").await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused(text) if text.contains("Error decoding token headers.")),
        "{error}"
    );
    let token = server.token("ada", 3600);
    let error = server
        .connect()
        .token(&token)
        .workspace("ws-x")
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Refused(text) if text.contains("does not exist")),
        "{error}"
    );
    let _first = server.client("ada", "same").await;
    let error = server.connect().token(token).client_id("same").await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused(text) if text.contains("already exists")),
        "{error}"
    );
    let nobody = connect("http://127.0.0.1:1").transport(Transport::Http).await;
    assert!(matches!(nobody, Err(Error::Connect(_))));
}

/// Passes connections on until it is told to cut them.
async fn proxy(to: std::net::SocketAddr, cuts: watch::Receiver<u32>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut cuts = cuts.clone();
            cuts.mark_unchanged();
            tokio::spawn(async move {
                let mut hub = TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut hub) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    });
    url
}

/// Also after its token has expired, and without one.
#[tokio::test]
async fn a_client_comes_back_with_its_services() {
    let server = server().await;
    for token in [Some(server.token("ada", 2)), None] {
        let (cut, cuts) = watch::channel(0);
        let url = proxy(server.address, cuts).await;
        let mut options = connect(url).transport(Transport::Http).client_id("owner");
        if let Some(token) = token {
            options = options.token(token);
        }
        let owner = options.await.unwrap();
        let public = calc().visibility(hypha_rpc::Visibility::Public);
        owner.register_service(public).await.unwrap();
        let workspace = owner.workspace().to_owned();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut status = owner.status();
        cut.send(1).unwrap();
        status
            .wait_for(|status| matches!(status, Status::Reconnecting { .. }))
            .await
            .unwrap();
        wait_for(&owner, Status::Connected).await;
        assert_eq!(owner.workspace(), workspace);
        let caller = connect(&server.url).await.unwrap();
        let calc = caller
            .get_service(format!("{workspace}/owner:calc"))
            .await
            .unwrap();
        assert_eq!(calc.call::<f64>("add", (1, 2)).await.unwrap(), 3.0);
    }
}

#[tokio::test]
async fn the_reason_of_the_end_is_told() {
    let server = server().await;
    let first = server.client("ada", "same").await;
    let mut status = first.status();
    server.hub.drain().await;
    let down = status
        .wait_for(|status| matches!(status, Status::Reconnecting { .. }))
        .await
        .unwrap();
    assert!(
        matches!(&*down, Status::Reconnecting { reason } if reason == "Server is shutting down"),
        "{down:?}"
    );
}
