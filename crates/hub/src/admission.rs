//! The door: what happens between the first frame of a client and its first message.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::auth::authenticator::bare_token;
use crate::auth::handshake::{self, Admission, HandshakeRequest, RefusalKind};
use crate::auth::revoked::{TokenHash, token_hash};
use crate::auth::{AuthError, ErrorKind, Permission, UserInfo, effective};
use crate::connection::{Connection, Parts};
use crate::hub::{Hub, unix_now};
use crate::options::Options;
use crate::outbox::{CloseReason, FrameKind, Outbox};
use crate::workspace::{Peer, Workspace};

/// How long a handshake may wait for its turn.
const SLOT_TIMEOUT: Duration = Duration::from_secs(30);
/// A client that has sent something this recently is alive, whatever it answers. Seconds.
const RECENTLY: f64 = 60.0;
/// The version of the original that this hub is compatible with.
pub const COMPATIBLE_VERSION: &str = "0.21.137";

/// Why a client is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// WebSocket close code.
    pub code: u16,
    /// For the user.
    pub text: String,
    /// Whether the text also goes out as an error frame, which makes clients give up for good.
    pub explain: bool,
}

impl Refusal {
    /// A refusal that trying again will not change.
    pub fn new(kind: RefusalKind, code: u16, text: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            text: text.into(),
            explain: true,
        }
    }

    /// A refusal after which clients try again.
    pub fn quiet(code: u16, text: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Busy,
            code,
            text: text.into(),
            explain: false,
        }
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        if error.kind() == ErrorKind::Unavailable {
            return Self::quiet(1013, error.to_string());
        }
        handshake::Refusal::from(error).into()
    }
}

impl From<handshake::Refusal> for Refusal {
    fn from(refusal: handshake::Refusal) -> Self {
        Self::new(refusal.kind, refusal.code, refusal.message)
    }
}

/// An admitted connection. Dropping it is the one way to end it: all that belongs to it goes.
pub struct Session {
    hub: Hub,
    connection: Arc<Connection>,
}

impl Session {
    /// The connection, for routing.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hub.disconnected(&self.connection);
    }
}

impl Hub {
    /// Decides about the first frame of a client, and makes it a connection whose frames go to `outbox`.
    /// The `connection_info` is queued there.
    ///
    /// # Errors
    /// Why the client is not let in. Nothing of anybody else has changed then.
    pub async fn admit(
        &self,
        request: HandshakeRequest,
        remote: IpAddr,
        outbox: Arc<Outbox>,
    ) -> Result<Session, Refusal> {
        let busy = || Refusal::quiet(1013, "Server busy, please retry");
        if self.is_draining() {
            return Err(Refusal::quiet(1001, "Server is shutting down"));
        }
        let slot = tokio::time::timeout(SLOT_TIMEOUT, self.handshakes().acquire()).await;
        let Ok(Ok(slot)) = slot else { return Err(busy()) };
        let now = unix_now();
        let given = request.credential();
        let credential = given.and_then(|token| bare_token(token).ok()).map(token_hash);
        let user = match given {
            Some(token) => Some(self.authenticate(&request, token, now).await?),
            None => None,
        };
        self.unless_held_back(user.as_ref())?;
        let admission = handshake::admit(&request, user, now, &mut rand::rng())?;
        if let Some(text) = self.blocked(&admission.user, remote, now) {
            return Err(Refusal::new(RefusalKind::Permission, 1008, text));
        }
        let (workspace, user) = self.enter(&admission).await?;
        drop(slot);
        self.refuse_duplicate(&workspace, &admission).await?;
        self.connect(admission, workspace, user, remote, credential, outbox)
            .await
    }

    /// Why this user, or this address, is kept out.
    pub(crate) fn blocked(&self, user: &UserInfo, remote: IpAddr, now: u64) -> Option<String> {
        let effective_user = user.attribution();
        self.blocklist()
            .refuses_user(&user.id, now)
            .or_else(|| self.blocklist().refuses_user(effective_user, now))
            .or_else(|| self.blocklist().refuses_ip(remote, now))
    }

    async fn enter(&self, admission: &Admission) -> Result<(Arc<Workspace>, UserInfo), Refusal> {
        let workspace = self
            .load_or_create(&admission.user, &admission.workspace)
            .await
            .map_err(|error| match error {
                crate::workspace::lifecycle::LoadError::Store(error) => {
                    tracing::error!(%error, "cannot load a workspace");
                    Refusal::quiet(1013, "Server busy, please retry")
                }
                error => handshake::Refusal::setup(RefusalKind::NotFound, error).into(),
            })?;
        let owners = workspace.info.read().owners.clone();
        let user = handshake::join(admission, &owners)?;
        Ok((workspace, user))
    }

    /// Refuses a client whose id is in use by a living one. The living one notices nothing but a ping.
    async fn refuse_duplicate(&self, workspace: &Workspace, admission: &Admission) -> Result<(), Refusal> {
        let address = format!("{}/{}", workspace.id, admission.client_id);
        let alive = match workspace.peer(admission.client_id.as_str()) {
            None => return Ok(()),
            Some(Peer::Hosted(_)) => true,
            // It shows a token that was made for this very client: it takes over.
            Some(Peer::Connection(_)) if admission.reconnecting => return Ok(()),
            Some(Peer::Connection(connection)) => {
                let answers = self.probe(&address, Options::PROBE_TIMEOUT).await.is_ok();
                let alive =
                    answers || (!connection.outbox.is_closed() && connection.idle_seconds() < RECENTLY);
                if !alive {
                    // The newcomer gets the id, and nothing that was registered under it.
                    connection.close(&CloseReason::new(1001, "No answer to a ping"));
                    self.disconnected(&connection);
                }
                alive
            }
        };
        if alive {
            let text = format!("Client already exists and is active: {address}");
            return Err(handshake::Refusal::setup(RefusalKind::Taken, text).into());
        }
        Ok(())
    }

    async fn connect(
        &self,
        admission: Admission,
        mut workspace: Arc<Workspace>,
        user: UserInfo,
        remote: IpAddr,
        credential: Option<TokenHash>,
        outbox: Arc<Outbox>,
    ) -> Result<Session, Refusal> {
        let limits = &self.options().limits;
        // A client that comes back may find its old connection still counted: it is to try again.
        let limit = |text: String| Refusal {
            explain: !admission.reconnecting,
            ..Refusal::new(RefusalKind::Limit, 1008, text)
        };
        let user_slot = match self.user_slot(&user) {
            Ok(slot) => slot,
            Err(open) => {
                let max = limits.connections_per_user;
                let id = &user.id;
                return Err(limit(format!(
                    "Connection limit exceeded: user {id} has {open}/{max} connections"
                )));
            }
        };
        let permission = effective(&user, workspace.id.as_str()).unwrap_or(Permission::Read);
        let user = Arc::new(user);
        loop {
            let connection = Arc::new(Connection::new(Parts {
                generation: self.next_generation(),
                client: admission.client_id.clone(),
                workspace: workspace.clone(),
                user: user.clone(),
                user_slot: user_slot.clone(),
                user_value: user.to_value(),
                permission,
                remote_ip: remote,
                credential,
                outbox: outbox.clone(),
            }));
            let info = self.connection_info(&connection).await?;
            match join(&workspace, &connection, &info, limits.clients_per_workspace) {
                Joined::Yes(old) => {
                    if let Some(old) = old {
                        connection.pending.adopt(old.pending.drain());
                        let text = format!("Old connection for {} superseded", old.address());
                        old.close(&CloseReason::new(1001, text));
                    }
                    self.cluster()
                        .announce(&self.options().server_id, connection.address());
                    self.metrics().opened.increment(1);
                    return Ok(Session {
                        hub: self.clone(),
                        connection,
                    });
                }
                Joined::Full(open) => {
                    let (id, max) = (&workspace.id, limits.clients_per_workspace);
                    let text = format!("Connection limit exceeded: workspace {id} has {open}/{max} clients");
                    return Err(limit(text));
                }
                // It was unloaded between the look-up and now.
                Joined::Unloaded => workspace = self.enter(&admission).await?.0,
            }
        }
    }

    async fn connection_info(&self, connection: &Connection) -> Result<String, Refusal> {
        let options = self.options();
        let token = self
            .reconnection_token(connection)
            .await
            .map_err(|error| match error.kind() {
                ErrorKind::Unavailable => Refusal::from(error),
                _ => handshake::Refusal::setup(RefusalKind::Busy, error).into(),
            })?;
        let mut info = json!({
            "type": "connection_info",
            "hypha_version": COMPATIBLE_VERSION,
            "public_base_url": options.public_base_url,
            "local_base_url": options.local_base_url,
            "manager_id": options.manager_id(),
            "workspace": connection.workspace.id,
            "client_id": connection.client,
            "user": *connection.user,
            "reconnection_token": token,
            "reconnection_token_life_time": options.reconnection_token_life_time,
        });
        if let Some(text) = &options.announcement {
            info["announcement"] = json!(text);
        }
        Ok(info.to_string())
    }

    /// A token with which this client can come back: its scope, bound to its id and workspace.
    async fn reconnection_token(&self, connection: &Connection) -> Result<String, AuthError> {
        let life = self.options().reconnection_token_life_time.max(1.0) as u64;
        let now = unix_now();
        if self.is_own(connection.address()) {
            return self.authenticator().issuer().issue(&connection.user, life, now);
        }
        let issued = self.authenticator().issue(&connection.user, life, now).await;
        match issued {
            // The administrator gets in whatever a provider does.
            Err(error) if error.kind() == ErrorKind::Unavailable && connection.user.is_root() => {
                self.authenticator().issuer().issue(&connection.user, life, now)
            }
            issued => issued,
        }
    }

    /// Handles a JSON control frame of a client. What is not understood is ignored.
    pub fn control(&self, connection: &Arc<Connection>, text: &str) {
        let kind = serde_json::from_str::<serde_json::Value>(text)
            .ok()
            .and_then(|message| {
                message
                    .get("type")
                    .and_then(|kind| kind.as_str().map(str::to_owned))
            });
        match kind.as_deref() {
            Some("ping") => tell(connection, &json!({"type": "pong"})),
            Some("refresh_token") => {
                let (hub, connection) = (self.clone(), connection.clone());
                self.tasks()
                    .spawn(async move { hub.refresh_token(&connection).await });
            }
            _ => tracing::debug!(client = connection.address(), "control frame ignored"),
        }
    }

    async fn refresh_token(&self, connection: &Connection) {
        let revoked = |hash: &TokenHash| self.authenticator().revoked().contains(hash);
        let blocked = self
            .blocked(&connection.user, connection.remote_ip, unix_now())
            .is_some();
        if blocked || connection.credential.as_ref().is_some_and(revoked) {
            return;
        }
        match self.reconnection_token(connection).await {
            Ok(token) => tell(
                connection,
                &json!({"type": "reconnection_token", "reconnection_token": token}),
            ),
            Err(error) => tracing::warn!(%error, "cannot refresh a token"),
        }
    }
}

/// Sends a control frame. A client that does not read is closed by its outbox.
fn tell(connection: &Connection, message: &serde_json::Value) {
    let _ = connection
        .outbox
        .push(FrameKind::Text, message.to_string().as_bytes());
}

enum Joined {
    /// With the connection that was superseded.
    Yes(Option<Arc<Connection>>),
    Full(usize),
    Unloaded,
}

/// Makes `connection` the current one of its client, and `info` the first frame that it sees.
fn join(workspace: &Workspace, connection: &Arc<Connection>, info: &str, max: usize) -> Joined {
    let mut members = workspace.members.write();
    if members.closed {
        return Joined::Unloaded;
    }
    let known = members.peers.contains_key(connection.client.as_str());
    if !known && members.peers.len() >= max {
        return Joined::Full(members.peers.len());
    }
    // Nobody can send to the connection before the lock is released: there is room, and this comes first.
    let _ = connection.outbox.push(FrameKind::Text, info.as_bytes());
    match members
        .peers
        .insert(connection.client.clone(), Peer::Connection(connection.clone()))
    {
        Some(Peer::Connection(old)) => Joined::Yes(Some(old)),
        _ => Joined::Yes(None),
    }
}
