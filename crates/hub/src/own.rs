//! Clients that the server runs itself, such as start-up functions, and the time before the doors open.
//!
//! An identity provider may live in such a client. Its own credentials are therefore the hub's, and nobody else is asked
//! about them: otherwise it could not connect before it is connected.

use std::sync::atomic::Ordering;

use crate::admission::Refusal;
use crate::auth::handshake::HandshakeRequest;
use crate::auth::{AuthError, UserInfo};
use crate::hub::{Hub, unix_now};
use crate::ids::{ClientId, WorkspaceId};

/// Life, in seconds, of the token with which an own client connects first. Later it uses those that the hub gives it.
const TOKEN_LIFE: u64 = 3600;

/// A client that the server runs itself. It stays one until this is dropped.
pub struct OwnClient {
    hub: Hub,
    address: String,
    token: String,
}

impl OwnClient {
    /// The token with which it connects. Only the client with its id can use it.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for OwnClient {
    fn drop(&mut self) {
        self.hub.own().lock().remove(self.address.as_str());
    }
}

impl Hub {
    /// Lets nobody in but own clients and those that the root user has given a token. Others are told to try again.
    pub fn hold_back(&self) {
        self.held_back().store(true, Ordering::Relaxed);
    }

    /// Ends [`hold_back`](Self::hold_back).
    pub fn open_doors(&self) {
        self.held_back().store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_held_back(&self) -> bool {
        self.held_back().load(Ordering::Relaxed)
    }

    /// Makes `client` of `workspace` one of the server's own clients, acting as `user`.
    ///
    /// # Errors
    /// The user cannot be put into a token.
    pub fn own_client(
        &self,
        workspace: &WorkspaceId,
        client: &ClientId,
        user: &UserInfo,
    ) -> Result<OwnClient, AuthError> {
        let mut user = user.clone();
        user.scope.current_workspace = Some(workspace.to_string());
        user.scope.client_id = Some(client.to_string());
        let token = self
            .authenticator()
            .issuer()
            .issue(&user, TOKEN_LIFE, unix_now())?;
        let address = format!("{workspace}/{client}");
        self.own().lock().insert(address.as_str().into());
        Ok(OwnClient {
            hub: self.clone(),
            address,
            token,
        })
    }

    /// Whether the server itself runs the client with this address.
    pub(crate) fn is_own(&self, address: &str) -> bool {
        self.own().lock().contains(address)
    }

    /// Whom the credential of a connecting client stands for.
    pub(crate) async fn authenticate(
        &self,
        request: &HandshakeRequest,
        credential: &str,
        now: u64,
    ) -> Result<UserInfo, Refusal> {
        let user = match self.is_own(&address_of(request)) {
            true => self.authenticator().authenticate_locally(credential, now),
            false => self.authenticator().authenticate(credential, now).await,
        };
        user.map_err(|error| match self.is_held_back() {
            // Whoever knows this credential may not be there yet.
            true => starting(),
            false => error.into(),
        })
    }

    /// Turns clients away for the time before the doors open.
    pub(crate) fn unless_held_back(&self, user: Option<&UserInfo>) -> Result<(), Refusal> {
        let is_root = user.is_some_and(|user| user.attribution() == "root");
        if self.is_held_back() && !is_root {
            return Err(starting());
        }
        Ok(())
    }
}

fn starting() -> Refusal {
    Refusal::quiet(1013, "Server is starting, please retry")
}

fn address_of(request: &HandshakeRequest) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    format!("{}/{}", text(&request.workspace), text(&request.client_id))
}
