//! A hub of the smallest kind: enough of one to test a client against.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use hypha_rpc::wire::frame::{CallerContext, scan_header};
use hypha_rpc::wire::message::Message as RpcMessage;
use hypha_rpc::{
    CallContext, Error, Link, LinkError, Peer, PeerConfig, RemoteFailure, TrySend, Value, service,
};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// Where everybody lives.
pub(crate) const WORKSPACE: &str = "ws-test";

#[derive(Default)]
pub(crate) struct Switch {
    connections: Mutex<HashMap<String, mpsc::UnboundedSender<Option<Message>>>>,
    manager: Mutex<Option<Peer>>,
    /// What was registered, in order: `client:service`.
    pub(crate) registered: Mutex<Vec<String>>,
    pub(crate) subscribed: Mutex<Vec<String>>,
    /// The first frame of each connection.
    pub(crate) handshakes: Mutex<Vec<Json>>,
    /// Answer handshakes with this error.
    pub(crate) refuse: Mutex<Option<String>>,
    /// Close connections before answering the handshake, so many times.
    pub(crate) fail_handshakes: Mutex<u32>,
    manager_id: Mutex<String>,
}

pub(crate) struct Hub {
    pub(crate) switch: Arc<Switch>,
    address: SocketAddr,
}

impl Hub {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let switch = Arc::new(Switch::default());
        switch.start_manager("manager-1");
        let accepting = Arc::clone(&switch);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&accepting).serve(stream));
            }
        });
        Self { switch, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Switch {
    /// Puts a new manager in the place of the old one, as a restart does.
    pub(crate) fn start_manager(self: &Arc<Self>, id: &str) {
        let link = Arc::new(ManagerLink {
            switch: Arc::clone(self),
            address: format!("*/{id}"),
        });
        let peer = Peer::new(PeerConfig::new("*", id), link);
        peer.add_service(Arc::new(Manager(Arc::clone(self))), false)
            .unwrap();
        *self.manager_id.lock() = id.to_owned();
        *self.manager.lock() = Some(peer);
    }

    /// Cuts all connections without a word.
    pub(crate) fn cut(&self) {
        for (_, connection) in self.connections.lock().drain() {
            let _ = connection.send(None);
        }
    }

    /// Cuts the connection of one client.
    pub(crate) fn cut_one(&self, client_id: &str) {
        if let Some(connection) = self
            .connections
            .lock()
            .remove(&format!("{WORKSPACE}/{client_id}"))
        {
            let _ = connection.send(None);
        }
    }

    /// Sends a system event to everybody.
    pub(crate) fn broadcast(&self, kind: &str, data: Value) {
        let frame = Bytes::from(RpcMessage::event(kind, "*", data).encode());
        for connection in self.connections.lock().values() {
            let _ = connection.send(Some(Message::Binary(frame.clone())));
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let mut socket = accept_async(stream).await.unwrap();
        let Some(Ok(Message::Text(first))) = socket.next().await else {
            return;
        };
        let first: Json = serde_json::from_str(&first).unwrap();
        self.handshakes.lock().push(first.clone());
        let refuse = self.refuse.lock().clone();
        if let Some(message) = refuse {
            let error = json!({"type": "error", "message": message});
            socket.send(Message::text(error.to_string())).await.unwrap();
            return;
        }
        let fail = {
            let mut left = self.fail_handshakes.lock();
            let fail = *left > 0;
            *left = left.saturating_sub(1);
            fail
        };
        if fail {
            return;
        }
        let client_id = first["client_id"].as_str().unwrap().to_owned();
        let address = format!("{WORKSPACE}/{client_id}");
        let info = json!({
            "type": "connection_info", "hypha_version": "0", "public_base_url": "http://hub", "local_base_url": "",
            "manager_id": *self.manager_id.lock(), "workspace": WORKSPACE, "client_id": client_id,
            "user": {"id": client_id}, "reconnection_token": format!("again-{client_id}"),
            "reconnection_token_life_time": 3600.0,
        });
        let (outbox, mut queue) = mpsc::unbounded_channel();
        self.connections.lock().insert(address.clone(), outbox);
        socket.send(Message::text(info.to_string())).await.unwrap();
        let (mut sink, mut source) = socket.split();
        let context = CallerContext::new(
            WORKSPACE,
            &address,
            &Value::from_iter([("id", client_id.as_str())]),
        );
        loop {
            tokio::select! {
                message = queue.recv() => match message {
                    Some(Some(message)) => if sink.send(message).await.is_err() { return },
                    _ => return,
                },
                message = source.next() => match message {
                    Some(Ok(Message::Binary(frame))) => self.route(frame, &context, WORKSPACE).await,
                    Some(Ok(Message::Text(_))) => sink.send(Message::text(r#"{"type":"pong"}"#)).await.unwrap(),
                    Some(Ok(_)) => {}
                    _ => break,
                },
            }
        }
        self.connections.lock().remove(&address);
        self.broadcast(
            "client_disconnected",
            Value::from_iter([("id", client_id.as_str()), ("workspace", WORKSPACE)]),
        );
    }

    async fn route(&self, frame: Bytes, context: &CallerContext, workspace: &str) {
        let header = scan_header(&frame).unwrap();
        let to = if header.to.contains('/') {
            header.to.to_owned()
        } else {
            format!("{workspace}/{}", header.to)
        };
        let mut stamped = BytesMut::new();
        header.write_rewritten(&frame, context, &to, &mut stamped);
        stamped.extend_from_slice(&frame[header.len..]);
        let stamped = stamped.freeze();
        let manager = self
            .manager
            .lock()
            .clone()
            .filter(|manager| manager.address() == to);
        if let Some(manager) = manager {
            manager.receive(stamped).await;
        } else if let Some(connection) = self.connections.lock().get(&to) {
            let _ = connection.send(Some(Message::Binary(stamped)));
        }
    }
}

struct ManagerLink {
    switch: Arc<Switch>,
    address: String,
}

impl Link for ManagerLink {
    fn try_send(&self, frame: Bytes) -> Result<(), TrySend> {
        Err(TrySend::Full(frame))
    }

    fn send(&self, frame: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async move {
            let to = scan_header(&frame).unwrap().to.to_owned();
            let workspace = to.split('/').next().unwrap_or_default();
            let context = CallerContext::new(workspace, &self.address, &Value::Nil);
            self.switch.route(frame, &context, workspace).await;
            Ok(())
        })
    }
}

struct Manager(Arc<Switch>);

#[service(id = "default", visibility = "public")]
impl Manager {
    pub fn register_service(&self, ctx: &CallContext, service: Value) -> Result<(), RemoteFailure> {
        let id = service.get("id").and_then(Value::as_str).unwrap_or_default();
        if !id.starts_with(ctx.from()) || id.ends_with(":forbidden") {
            return Err(RemoteFailure::permission("not yours"));
        }
        self.0
            .registered
            .lock()
            .push(id.split('/').next_back().unwrap_or_default().to_owned());
        Ok(())
    }

    pub fn unregister_service(&self, service_id: String) {
        self.0
            .registered
            .lock()
            .retain(|id| !service_id.ends_with(id.as_str()));
    }

    pub async fn get_service(&self, ctx: &CallContext, service_id: String) -> Result<Value, Error> {
        let (client, service) = service_id
            .split_once(':')
            .unwrap_or((service_id.as_str(), "default"));
        ctx.peer()
            .get_remote_service(&format!("{WORKSPACE}/{client}"), service)
            .await
    }

    pub fn subscribe(&self, event_type: Vec<String>) {
        self.0.subscribed.lock().extend(event_type);
    }
}
