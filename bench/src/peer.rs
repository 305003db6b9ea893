//! A client that calls the manager and answers what a hub asks of a client.
//!
//! It has the built-in service (ping, `get_service`, the message cache for large answers) and hands out an object for any other
//! service id it is asked for. It is driven by its owner: nothing happens between calls.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hypha_wire::Value;
use hypha_wire::codec::Limits;
use hypha_wire::message::{Message, Payload, PromiseSpec};
use hypha_wire::transfer::{Reassembly, ReassemblyLimits};
use serde::{Deserialize, Serialize};

use crate::server::{Server, WORKSPACE};
use crate::socket::{Frame, Socket};
use crate::values::{registration, service};

/// Longest wait for the answer to one call.
const CALL: Duration = Duration::from_secs(120);

/// What a client says first.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Hello<'a> {
    /// Its id.
    pub(crate) client_id: &'a str,
    /// The workspace to join; an own one if there is none.
    pub(crate) workspace: Option<&'a str>,
    /// Without one, the client is anonymous.
    pub(crate) token: Option<&'a str>,
    /// Of an earlier connection.
    pub(crate) reconnection_token: Option<&'a str>,
}

/// What the server says when the handshake is done.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Info {
    /// The workspace that was joined.
    pub(crate) workspace: String,
    /// This client.
    pub(crate) client_id: String,
    /// The manager's client id, without `*/`.
    pub(crate) manager_id: String,
    /// Lets this client back in after a lost connection.
    pub(crate) reconnection_token: String,
}

/// A connected client.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The connection.
    pub(crate) socket: Socket,
    /// What the server said.
    pub(crate) info: Info,
    calls: u64,
    transfers: Reassembly,
}

/// The answer to one of this client's calls.
#[derive(Debug)]
struct Answer {
    session: String,
    result: Result<Value, String>,
}

impl Peer {
    /// Connects to the workspace of the measurements.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn join(server: &Server, client_id: &str) -> Result<Peer> {
        let hello = Hello {
            client_id,
            workspace: Some(WORKSPACE),
            token: Some(&server.token),
            reconnection_token: None,
        };
        Peer::connect(server.address, hello).await
    }

    /// Connects and performs the handshake.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn connect(address: SocketAddr, hello: Hello<'_>) -> Result<Peer> {
        let mut socket = Socket::open(address, "/ws").await?;
        socket.output.text(&serde_json::to_string(&hello)?);
        socket.flush().await?;
        loop {
            socket.fill().await?;
            while let Some(frame) = socket.input.next(&mut socket.output)? {
                let Frame::Text(text) = frame else { continue };
                let info = serde_json::from_slice(text)
                    .with_context(|| format!("handshake: {}", String::from_utf8_lossy(text)))?;
                return Ok(Peer {
                    socket,
                    info,
                    calls: 0,
                    transfers: Reassembly::new(ReassemblyLimits::default()),
                });
            }
        }
    }

    /// Full client id.
    pub(crate) fn address(&self) -> String {
        format!("{}/{}", self.info.workspace, self.info.client_id)
    }

    /// Calls a function of the manager and waits for the answer.
    ///
    /// # Errors
    /// The error the manager answered, or a lost connection.
    pub(crate) async fn manager(&mut self, function: &str, args: Vec<Value>) -> Result<Value> {
        let mut results = self.manager_each(function, 1, 1, |_| args.clone()).await?;
        results.pop().context("an answer")
    }

    /// Calls a function of the manager `count` times with at most `depth` calls under way; the answers in the order they came.
    ///
    /// # Errors
    /// The first error the manager answered, or a lost connection.
    pub(crate) async fn manager_each(
        &mut self,
        function: &str,
        count: usize,
        depth: usize,
        mut args: impl FnMut(usize) -> Vec<Value>,
    ) -> Result<Vec<Value>> {
        let to = format!("*/{}", self.info.manager_id);
        let method = match function.split_once('.') {
            Some(_) => format!("services.{function}"),
            None => format!("services.default.{function}"),
        };
        let mut sent = 0;
        let mut results = Vec::with_capacity(count);
        while results.len() < count {
            while sent < count && sent - results.len() < depth {
                self.send_call(&to, &method, args(sent));
                sent += 1;
            }
            self.socket.flush().await?;
            let answers = tokio::time::timeout(CALL, self.receive()).await;
            for answer in answers.with_context(|| format!("{method} was not answered"))?? {
                match answer.result {
                    Ok(value) => results.push(value),
                    Err(error) => bail!("{method} ({}): {error}", answer.session),
                }
            }
        }
        Ok(results)
    }

    /// What every client does first: fetches the manager's object and registers its built-in service.
    ///
    /// # Errors
    /// The error the manager answered, or a lost connection.
    pub(crate) async fn introduce(&mut self) -> Result<()> {
        self.manager("built-in.get_service", vec!["default".into()])
            .await?;
        self.register("built-in", "public").await
    }

    /// Registers a service.
    ///
    /// # Errors
    /// The error the manager answered, or a lost connection.
    pub(crate) async fn register(&mut self, id: &str, visibility: &str) -> Result<()> {
        let record = registration(&self.address(), id, visibility);
        self.manager("register_service", vec![record]).await.map(|_| ())
    }

    /// Registers `count` services, named `s0`, `s1`, ...
    ///
    /// # Errors
    /// The error the manager answered, or a lost connection.
    pub(crate) async fn register_many(&mut self, count: usize, visibility: &str) -> Result<()> {
        let address = self.address();
        let record = |index: usize| vec![registration(&address, &format!("s{index}"), visibility)];
        self.manager_each("register_service", count, 16, record)
            .await
            .map(|_| ())
    }

    /// Answers whatever comes until the connection ends.
    pub(crate) async fn answer(&mut self) {
        while self.receive().await.is_ok() {}
    }

    fn send_call(&mut self, to: &str, method: &str, args: Vec<Value>) {
        self.calls += 1;
        let payload = Payload {
            promise: Some(PromiseSpec::Short),
            t: Some(15.0),
            ..Payload::args(args)
        };
        let mut call = Message::call(to, method, payload);
        call.session = Some(format!("call{:012x}", self.calls));
        self.socket.output.binary(&call.encode());
    }

    /// Waits for bytes; the answers that came with them. Calls of this client's functions are answered on the way.
    async fn receive(&mut self) -> Result<Vec<Answer>> {
        self.socket.fill().await?;
        let mut messages = Vec::new();
        while let Some(frame) = self.socket.input.next(&mut self.socket.output)? {
            if let Frame::Binary(bytes) = frame {
                messages.push(Message::decode(
                    &Bytes::copy_from_slice(bytes),
                    &Limits::default(),
                )?);
            }
        }
        let answers = messages
            .into_iter()
            .filter_map(|message| self.dispatch(message).transpose());
        let answers = answers.collect::<Result<Vec<_>>>()?;
        self.socket.flush().await?;
        Ok(answers)
    }

    fn dispatch(&mut self, message: Message) -> Result<Option<Answer>> {
        let Some(path) = message.method.clone() else {
            return Ok(None);
        };
        if let Some(function) = path.strip_prefix("services.") {
            return self.serve(function, message);
        }
        let Some((session, outcome)) = path.rsplit_once('.') else {
            return Ok(None);
        };
        let first = message.payload.args.into_iter().next().unwrap_or_default();
        let result = match outcome {
            "resolve" => Ok(first),
            "reject" => Err(match first {
                Value::Error(error) => error.message,
                other => format!("{other:?}"),
            }),
            _ => return Ok(None),
        };
        Ok(Some(Answer {
            session: session.to_owned(),
            result,
        }))
    }

    /// A call of one of this client's functions.
    fn serve(&mut self, function: &str, message: Message) -> Result<Option<Answer>> {
        let sender = message.from.clone().unwrap_or_default();
        let argument = |index: usize| message.payload.args.get(index).cloned().unwrap_or_default();
        let first = argument(0);
        let text = first.as_str().unwrap_or_default();
        let now = Instant::now();
        let mut joined = None;
        let result = match function.strip_prefix("built-in.") {
            Some("ping") => "pong".into(),
            Some("get_service") => service(
                &self.address(),
                text.rsplit([':', '/']).next().unwrap_or_default(),
            ),
            Some("message_cache.create") => {
                self.transfers.create(&sender, text, true, now)?;
                Value::Nil
            }
            Some("message_cache.set") => {
                let (index, data) = (argument(1), argument(2));
                let data = data.as_bytes().context("a chunk")?.clone();
                self.transfers
                    .set(&sender, text, index.as_u64().context("an index")?, data, now)?;
                Value::Nil
            }
            Some("message_cache.process") => {
                joined = Some(self.transfers.process(&sender, text)?);
                Value::Nil
            }
            _ => first,
        };
        self.reply(&message, result);
        match joined {
            Some(joined) => self.dispatch(Message::decode(&joined, &Limits::default())?.stamped_by(&message)),
            None => Ok(None),
        }
    }

    fn reply(&mut self, call: &Message, result: Value) {
        let (Some(session), Some(from)) = (&call.session, &call.from) else {
            return;
        };
        let path = match &call.payload.promise {
            Some(PromiseSpec::Full(methods)) => methods.resolve.path.clone(),
            _ => format!("{session}.resolve"),
        };
        let mut reply = Message::call(from.as_str(), path, Payload::args(vec![result]));
        reply.parent = Some(session.clone());
        self.socket.output.binary(&reply.encode());
    }
}
