//! The life of a client over many connections.
//!
//! One task runs the connection and, when it ends, opens the next one. Beside it, after each opening, the hub is told
//! again what this client offers: the hub forgets everything about a client with its connection. Until that has
//! succeeded the connection does not count as up; when it fails, the connection is given up like a lost one.

use std::sync::Arc;
use std::time::Duration;

use hypha_wire::Value;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::handshake::{self, Opened};
use super::pump::Pump;
use super::{DISCONNECTED, Inner, Manager, Status};
use crate::error::{Error, ErrorKind};
use crate::peer::Event;
use crate::service::ServiceSpec;

/// Attempts to reach the hub's manager right after connecting. It may still be starting.
const MANAGER_ATTEMPTS: u32 = 20;

/// How long a client that disconnects tries to send what is queued.
const FAREWELL: Duration = Duration::from_secs(1);

/// How one connection ended.
enum End {
    /// On purpose.
    Stopped,
    /// The hub will not have this client any more.
    Exit(String),
    /// It may be tried again.
    Lost(String),
}

impl Inner {
    /// Starts the first connection; returns when the hub knows the client.
    pub(super) async fn start(self: &Arc<Self>, opened: Opened) -> Result<(), Error> {
        self.handle_events();
        let mut status = self.status.subscribe();
        let supervisor = Arc::clone(self);
        self.tasks
            .spawn(async move { supervisor.supervise(opened).await });
        self.tasks.close();
        let ready = status.wait_for(|status| match status {
            Status::Connected | Status::Closed { .. } => true,
            Status::Reconnecting { reason } => reason != super::CONNECTING,
        });
        let ready = ready.await.map(|status| status.clone());
        match ready {
            Ok(Status::Connected) => Ok(()),
            Ok(Status::Reconnecting { reason } | Status::Closed { reason }) => {
                self.stop.cancel();
                Err(Error::Connect(reason))
            }
            Err(_) => Err(Error::Closed {
                reason: DISCONNECTED.to_owned(),
            }),
        }
    }

    async fn supervise(self: Arc<Self>, mut opened: Opened) {
        let mut backoff = Backoff::default();
        let reason = loop {
            let start = Instant::now();
            match self.run(opened).await {
                End::Stopped => break DISCONNECTED.to_owned(),
                End::Exit(reason) => break reason,
                End::Lost(reason) => {
                    tracing::info!(reason, "connection lost");
                    self.set_status(Status::Reconnecting { reason });
                }
            }
            backoff.lost(start.elapsed());
            match self.stop.run_until_cancelled(self.reopen(&mut backoff)).await {
                Some(Ok(next)) => opened = next,
                Some(Err(reason)) => break reason,
                None => break DISCONNECTED.to_owned(),
            }
        };
        self.outbox.close(&reason);
        self.set_status(Status::Closed {
            reason: reason.clone(),
        });
        self.peer.emit_local("disconnected", reason.as_str());
        self.peer.close(&reason);
    }

    /// Opens the next connection, however long it takes; fails when the hub refuses it.
    async fn reopen(&self, backoff: &mut Backoff) -> Result<Opened, String> {
        loop {
            sleep(backoff.next(rand::random_range(-1.0..=1.0))).await;
            let config = self.peer.config();
            let token = self.token.lock().clone();
            let workspace = Some(config.workspace.as_str());
            match handshake::open(&self.options, &config.client_id, workspace, token.as_deref()).await {
                Ok(opened) => return Ok(opened),
                Err(Error::Refused(message)) => {
                    return Err(format!("Server refused reconnection: {message}"));
                }
                Err(error) => tracing::debug!(%error, "could not reconnect yet"),
            }
        }
    }

    /// Runs one connection until it ends.
    async fn run(&self, opened: Opened) -> End {
        let Opened {
            reader,
            writer,
            info,
            early,
        } = opened;
        let manager = format!("*/{}", info.manager_id);
        self.peer.set_server(&info.public_base_url, Some(&manager));
        let life_time = info.reconnection_token_life_time.unwrap_or(f64::MAX);
        if let Some(token) = &info.reconnection_token {
            *self.token.lock() = Some(token.clone());
        }
        *self.info.write() = info;
        for frame in early {
            self.peer.receive(frame).await;
        }
        self.outbox.set_connected(true);
        let renewed_at_latest = Duration::try_from_secs_f64(life_time / 1.5).unwrap_or(Duration::MAX);
        let pump = Pump {
            peer: self.peer.clone(),
            outbox: Arc::clone(&self.outbox),
            token: Arc::clone(&self.token),
            ping_interval: self.options.ping_interval,
            ping_timeout: self.options.ping_timeout,
            refresh_interval: self.options.token_refresh_interval.min(renewed_at_latest),
        };
        let pumping = pump.run(reader, writer);
        tokio::pin!(pumping);
        let end = tokio::select! {
            biased;
            () = self.stop.cancelled() => End::Stopped,
            reason = &mut pumping => End::Lost(reason),
            end = self.stay_announced() => end,
        };
        self.outbox.set_connected(false);
        if let End::Stopped = end {
            // What is queued still goes out, then the hub is told.
            self.outbox.close(DISCONNECTED);
            let _ = timeout(FAREWELL, pumping).await;
        }
        end
    }

    /// Tells the hub about this client and then waits for being sent away.
    async fn stay_announced(&self) -> End {
        let mut exit = self.exit.subscribe();
        if !self.options.silent
            && let Err(error) = self.announce().await
        {
            return End::Lost(format!("the services could not be registered: {error}"));
        }
        self.set_status(Status::Connected);
        self.peer
            .emit_local("connected", Value::from(self.peer.address()));
        let exit = exit.wait_for(Option::is_some).await;
        match exit.as_deref() {
            Ok(Some(reason)) => End::Exit(reason.clone()),
            _ => End::Stopped,
        }
    }

    /// Registers every service, the built-in one first: it is what makes the client exist for the hub.
    async fn announce(&self) -> Result<(), Error> {
        let manager = Manager::new(self.peer.clone());
        let services = self.peer.services();
        let total = services.len();
        let mut registered = total;
        for (index, spec) in services.iter().enumerate() {
            let info = self.service_info(spec);
            let result = match index {
                0 => self.register_first(&manager, info).await,
                _ => manager.register_service(info).await.map(drop),
            };
            match result {
                Ok(()) => {}
                Err(error) if error.remote_kind() == Some(&ErrorKind::PermissionError) => {
                    // A client with a read token may call others; it cannot be found by them.
                    tracing::warn!(%error, "the services of this client are not registered");
                    registered = index;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let counts = [
            ("total", total),
            ("registered", registered),
            ("failed", total - registered),
        ];
        self.peer
            .emit_local("services_registered", Value::from_iter(counts));
        let mut kinds = self.subscriptions.lock().clone();
        kinds.push("client_disconnected".to_owned());
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        manager.subscribe(&kinds).await
    }

    async fn register_first(&self, manager: &Manager, info: Value) -> Result<(), Error> {
        let mut attempt = 0;
        loop {
            match manager.register_service(info.clone()).await {
                Err(Error::PeerGone { .. } | Error::Timeout { .. }) if attempt < MANAGER_ATTEMPTS => {
                    let wait = 0.5 * f64::from(attempt.min(6)).exp2();
                    sleep(Duration::from_secs_f64(wait.min(10.0))).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// The record of a service as the hub's registry takes it.
    pub(super) fn service_info(&self, spec: &ServiceSpec) -> Value {
        let config = self.peer.config();
        let mut info = spec.to_info(&config.workspace, &config.client_id);
        if let (Some(app_id), None) = (&self.options.app_id, &spec.app_id) {
            info.insert("app_id", app_id.as_str());
        }
        if let (Some(name), "built-in") = (&self.options.name, spec.id.as_str()) {
            info.insert("name", name.as_str());
        }
        info
    }

    /// Reacts to what the hub says about others and about this client.
    fn handle_events(&self) {
        let (peer, own) = (self.peer.clone(), self.peer.config().workspace.clone());
        self.peer.on("client_disconnected", move |event| {
            if !event.is_from_hub() {
                return;
            }
            if let Some(address) = event.data().and_then(|data| gone_client(data, &own)) {
                peer.client_gone(&address);
            }
        });
        let exit = self.exit.clone();
        self.peer.on("force-exit", move |event: &Event| {
            // Only the hub may send a client away, not another client.
            if event.is_from_hub() {
                let reason = event
                    .get("reason")
                    .and_then(Value::as_str)
                    .unwrap_or("sent away by the server");
                exit.send_replace(Some(reason.to_owned()));
            }
        });
    }

    fn set_status(&self, status: Status) {
        self.status.send_replace(status);
    }
}

/// The address in the data of a `client_disconnected` event, whose id may be bare.
fn gone_client(data: &Value, own_workspace: &str) -> Option<String> {
    let id = data.get("id")?.as_str()?;
    if id.contains('/') {
        return Some(id.to_owned());
    }
    let workspace = data
        .get("workspace")
        .and_then(Value::as_str)
        .unwrap_or(own_workspace);
    Some(format!("{workspace}/{id}"))
}
