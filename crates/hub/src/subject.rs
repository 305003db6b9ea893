//! Who may send in the name of a connection whose messages come in requests of their own.
//!
//! On a socket, whoever holds the socket is the client. Over HTTP a client's frames leave on one long answer and its
//! messages come in separate requests, which name the client by an id that everybody knows: each request has to show that it
//! comes from whoever opened the stream.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::admission::Refusal;
use crate::auth::authenticator::bare_token;
use crate::auth::handshake::{self, HandshakeRequest, RefusalKind};
use crate::auth::revoked::{TokenHash, token_hash};
use crate::auth::{AuthError, UserInfo, scope_for_workspace};
use crate::connection::Connection;
use crate::hub::{Hub, unix_now};
use crate::ids;
use crate::outbox::CloseReason;

/// The opener of a connection, as far as later requests can prove to be the same.
pub struct Subject {
    connection: Arc<Connection>,
    /// The tokens that the opener has shown. Whoever shows one of them is the opener, also after it has expired: a
    /// connection outlives the token it was opened with.
    tokens: Vec<TokenHash>,
    /// For anonymous openers, who have no token.
    secret: Option<TokenHash>,
    /// The opener has shown the secret: from now on every request must.
    knows_secret: AtomicBool,
}

/// What a request shows of its sender.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// A credential: raw, or with `Bearer`.
    pub token: Option<&'a str>,
    /// The secret of an anonymous stream.
    pub secret: Option<&'a str>,
    /// Where the request comes from.
    pub remote: IpAddr,
}

impl Subject {
    /// The subject of a connection that was opened with `request`. `secret` is what an anonymous opener is told, and is not
    /// used for others.
    pub fn new(connection: Arc<Connection>, request: &HandshakeRequest, secret: &str) -> Self {
        let tokens = [&request.reconnection_token, &request.token];
        let tokens = tokens.into_iter().flatten();
        Self {
            tokens: tokens
                .filter_map(|token| bare_token(token).ok())
                .map(token_hash)
                .collect(),
            secret: connection.user.is_anonymous.then(|| token_hash(secret)),
            knows_secret: AtomicBool::new(false),
            connection,
        }
    }

    /// The connection that was opened.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// An anonymous opener shows the secret; one that has never shown it may send from where it opened the connection.
    fn recognises_anonymous(&self, shown: &Shown<'_>) -> bool {
        match shown.secret {
            Some(secret) if self.secret == Some(token_hash(secret)) => {
                self.knows_secret.store(true, Ordering::Relaxed);
                true
            }
            Some(_) => false,
            None => !self.knows_secret.load(Ordering::Relaxed) && self.connection.remote_ip == shown.remote,
        }
    }
}

impl Hub {
    /// A secret for the streams of an anonymous client.
    pub fn stream_secret() -> String {
        let mut rng = rand::rng();
        ids::random_id(&mut rng) + &ids::random_id(&mut rng)
    }

    /// Checks the token that a returning client shows beside its reconnection token: its later requests carry that one. It
    /// may have expired meanwhile.
    ///
    /// # Errors
    /// The token was never good or is revoked, or belongs to somebody else.
    pub async fn check_companion(&self, request: &HandshakeRequest) -> Result<(), Refusal> {
        let (Some(reconnection), Some(token)) = (&request.reconnection_token, &request.token) else {
            return Ok(());
        };
        if self.is_held_back() {
            // Nobody but root is let in now, and whoever knows the token may not be there yet.
            return Ok(());
        }
        let now = unix_now();
        let returning = self.authenticator().authenticate(reconnection, now).await;
        let returning = returning.map_err(refusal)?;
        match self.authenticator().authenticate(token, now).await {
            Ok(user) if user.id == returning.id => Ok(()),
            Ok(_) => Err(denied(
                "The reconnection token and the Authorization header belong to different users",
            )),
            Err(AuthError::Expired) => Ok(()),
            Err(error) => Err(refusal(error)),
        }
    }

    /// Decides whether a request that shows this may send in the name of `subject`.
    ///
    /// # Errors
    /// It comes from somebody else, its token is no good, or the user has been blocked meanwhile.
    pub async fn recognise(&self, subject: &Subject, shown: &Shown<'_>) -> Result<(), Refusal> {
        let connection = &subject.connection;
        if let Some(text) = self.blocked(&connection.user, shown.remote, unix_now()) {
            return Err(denied(&text));
        }
        let Some(token) = shown.token else {
            if connection.user.is_anonymous && subject.recognises_anonymous(shown) {
                return Ok(());
            }
            return Err(denied(
                "Permission denied: this stream was opened by somebody else; send the credential it was opened with",
            ));
        };
        let token = bare_token(token).map_err(refusal)?;
        let hash = token_hash(token);
        if subject.tokens.contains(&hash) {
            if !self.authenticator().revoked().contains(&hash) {
                return Ok(());
            }
            let error = AuthError::Revoked;
            connection.close(&CloseReason::new(handshake::Refusal::POLICY, error.to_string()));
            return Err(refusal(error));
        }
        let user = self
            .authenticator()
            .authenticate(token, unix_now())
            .await
            .map_err(refusal)?;
        user.scope.general_access().map_err(refusal)?;
        if may_stand_for(&user, connection) {
            Ok(())
        } else {
            Err(denied(
                "Permission denied: this stream was opened by another user",
            ))
        }
    }
}

/// Whether `user`, as a token of the request says, is the user of the connection, and may do all that the connection may.
fn may_stand_for(user: &UserInfo, connection: &Connection) -> bool {
    let opener = &connection.user;
    let workspace = &connection.workspace;
    let fits = |pin: &Option<String>, own: &str| pin.as_deref().is_none_or(|pin| pin == own);
    if user.id != opener.id
        || !fits(&user.scope.client_id, connection.client.as_str())
        || !fits(&user.scope.current_workspace, workspace.id.as_str())
        || !opener.roles.iter().all(|role| user.has_role(role))
    {
        return false;
    }
    let owners = workspace.info.read().owners.clone();
    let scope = scope_for_workspace(user, &workspace.id, &owners, Some(&connection.client));
    let granted = |id: &str| scope.workspaces.get(id).max(scope.workspaces.get("*")).copied();
    let mut grants = opener.scope.workspaces.iter();
    grants.all(|(id, level)| granted(id) >= Some(*level))
}

fn denied(text: &str) -> Refusal {
    Refusal::new(RefusalKind::Permission, handshake::Refusal::POLICY, text)
}

fn refusal(error: AuthError) -> Refusal {
    Refusal::new(error.kind().into(), handshake::Refusal::POLICY, error.to_string())
}
