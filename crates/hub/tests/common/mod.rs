//! A hub in this process, and clients that talk to it through their outboxes.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "tests; each file uses a part of this"
)]

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::task::noop_waker_ref;
use hypha_hub::auth::handshake::HandshakeRequest;
use hypha_hub::auth::{Authenticator, RevokedTokens, TokenOptions, UserInfo};
use hypha_hub::cluster::{Cluster, SingleProcess};
use hypha_hub::durable::MemoryStore;
use hypha_hub::outbox::{CloseReason, FrameKind, Framing, Outbox};
use hypha_hub::{Hub, Options, Parts, Refusal, Session};
use hypha_wire::message::{Message, Payload, PromiseSpec};
use hypha_wire::{Limits, Value};

/// One byte of kind, four of length.
struct Plain;

impl Framing for Plain {
    fn prefix(&self, kind: FrameKind, len: usize, out: &mut BytesMut) {
        out.put_u8(kind as u8);
        out.put_u32(len as u32);
    }

    fn close_body(&self, reason: &CloseReason) -> Bytes {
        Bytes::from(format!("{} {}", reason.code, reason.text))
    }
}

/// A frame that a client has received.
#[derive(Debug)]
pub enum Frame {
    Message(Box<Message>),
    Text(String),
    Close(String),
}

pub struct Client {
    pub hub: Hub,
    pub session: Session,
    outbox: Arc<Outbox>,
    bytes: BytesMut,
}

pub async fn hub_with(cluster: Arc<dyn Cluster>, options: Options) -> Hub {
    let authenticator = Authenticator::new(TokenOptions::new("secret"), None, RevokedTokens::default());
    Hub::start(Parts {
        options,
        authenticator,
        store: Arc::new(MemoryStore::default()),
        cluster,
    })
    .await
    .unwrap()
}

pub async fn hub() -> Hub {
    hub_with(Arc::new(SingleProcess::default()), Options::default()).await
}

/// A token of a user, for every workspace it may want.
pub fn token(hub: &Hub, user: &str, scope: &str) -> String {
    let mut user = UserInfo::new(user);
    user.scope = hypha_hub::auth::ScopeInfo::parse(scope).unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    hub.authenticator().issuer().issue(&user, 3600, now).unwrap()
}

impl Client {
    pub async fn try_connect(hub: &Hub, id: &str, token: Option<String>) -> Result<Self, Refusal> {
        let request = HandshakeRequest {
            client_id: Some(id.into()),
            token,
            ..Default::default()
        };
        let outbox = Arc::new(Outbox::new(&Plain, hub.options().limits.outbox_bytes));
        let session = hub
            .admit(request, IpAddr::V4(Ipv4Addr::LOCALHOST), outbox.clone())
            .await?;
        let mut client = Self {
            hub: hub.clone(),
            session,
            outbox,
            bytes: BytesMut::new(),
        };
        assert!(matches!(client.next(), Some(Frame::Text(info)) if info.contains("connection_info")));
        Ok(client)
    }

    /// A client of user `user`, in the user's own workspace.
    pub async fn connect(hub: &Hub, user: &str, id: &str) -> Self {
        Self::try_connect(hub, id, Some(token(hub, user, "")))
            .await
            .unwrap()
    }

    pub fn address(&self) -> String {
        self.session.connection().address().to_owned()
    }

    pub fn send(&self, message: &Message) {
        self.hub
            .route(self.session.connection(), &message.encode().into())
            .unwrap();
    }

    pub fn call(&self, to: &str, method: &str, session: &str, args: Vec<Value>) {
        let payload = Payload {
            args,
            promise: Some(PromiseSpec::Short),
            t: Some(15.0),
            ..Payload::default()
        };
        self.send(&Message {
            kind: "method".into(),
            to: to.into(),
            method: Some(method.into()),
            session: Some(session.into()),
            payload,
            ..Message::default()
        });
    }

    /// Calls the workspace manager and returns its answer.
    pub async fn ask(&mut self, method: &str, args: Vec<Value>) -> Result<Value, String> {
        let manager = format!("*/{}", self.hub.options().manager_id());
        self.call(&manager, &format!("services.default.{method}"), "asked", args);
        loop {
            let Frame::Message(message) = self.wait().await else {
                continue;
            };
            let first = || message.payload.args.first().cloned().unwrap_or(Value::Nil);
            match message.method.as_deref() {
                Some("asked.resolve") => return Ok(first()),
                Some("asked.reject") => {
                    let Value::Error(error) = first() else {
                        panic!("not an error: {message:?}")
                    };
                    return Err(error.message);
                }
                _ => {}
            }
        }
    }

    /// Registers the built-in service, and a public service called `name`.
    pub async fn register(&mut self, name: &str) {
        for name in ["built-in", name] {
            let config = Value::Map(vec![("visibility".into(), "public".into())]);
            let id = format!("{}:{name}", self.address());
            let info = Value::Map(vec![("id".into(), id.into()), ("config".into(), config)]);
            self.ask("register_service", vec![info]).await.unwrap();
        }
    }

    /// The next frame that has arrived, if any.
    pub fn next(&mut self) -> Option<Frame> {
        let mut batch = VecDeque::new();
        let mut context = Context::from_waker(noop_waker_ref());
        if self.outbox.poll_take(&mut context, &mut batch).is_ready() {
            for bytes in batch {
                self.outbox.written(bytes.len());
                self.bytes.extend_from_slice(&bytes);
            }
        }
        if self.bytes.is_empty() {
            return None;
        }
        let len = u32::from_be_bytes(self.bytes[1..5].try_into().unwrap()) as usize;
        let kind = self.bytes[0];
        let body = self.bytes.split_to(5 + len).freeze().slice(5..);
        Some(match kind {
            0 => Frame::Message(Box::new(Message::decode(&body, &Limits::default()).unwrap())),
            1 => Frame::Text(String::from_utf8(body.to_vec()).unwrap()),
            _ => Frame::Close(String::from_utf8(body.to_vec()).unwrap()),
        })
    }

    /// The next frame; waits for it.
    pub async fn wait(&mut self) -> Frame {
        for _ in 0..2000 {
            if let Some(frame) = self.next() {
                return frame;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("no frame came");
    }

    pub async fn message(&mut self) -> Message {
        match self.wait().await {
            Frame::Message(message) => *message,
            other => panic!("expected a message, got {other:?}"),
        }
    }
}
