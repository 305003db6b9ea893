//! What a client is configured with.

use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Client;
use crate::crypto::KeyPair;
use crate::error::Error;

/// What a connection is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// One WebSocket.
    #[default]
    WebSocket,
    /// One long HTTP answer, and a request for what this client sends: for where WebSockets do not get through.
    Http,
}

/// How a client connects. Made by [`connect`]; awaiting it connects.
#[derive(Clone, Debug)]
#[must_use = "nothing is connected before this is awaited"]
pub struct Connect {
    pub(crate) url: String,
    pub(crate) transport: Transport,
    pub(crate) workspace: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) reconnection_token: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) app_id: Option<String>,
    pub(crate) method_timeout: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) token_refresh_interval: Duration,
    pub(crate) silent: bool,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) encryption: Option<KeyPair>,
}

/// Begins to connect to the hub at `url`: `http://host:port`, `https://..`, or the `ws://../ws` address itself.
///
/// ```no_run
/// # async fn f() -> Result<(), hypha_rpc::Error> {
/// let client = hypha_rpc::connect("http://127.0.0.1:9527").client_id("worker-1").await?;
/// println!("connected to workspace {}", client.workspace());
/// client.disconnect().await;
/// # Ok(()) }
/// ```
pub fn connect(url: impl Into<String>) -> Connect {
    Connect {
        url: url.into(),
        transport: Transport::default(),
        workspace: None,
        token: None,
        reconnection_token: None,
        client_id: None,
        name: None,
        app_id: None,
        method_timeout: Duration::from_secs(30),
        ping_interval: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(20),
        token_refresh_interval: Duration::from_secs(7200),
        silent: false,
        headers: Vec::new(),
        encryption: None,
    }
}

/// Begins to connect as the environment says: `HYPHA_SERVER_URL` (required), `HYPHA_TOKEN` or a file named by
/// `HYPHA_TOKEN_FILE`, `HYPHA_WORKSPACE`, `HYPHA_CLIENT_ID`.
///
/// # Errors
/// `HYPHA_SERVER_URL` is not set, or the token file cannot be read.
pub fn connect_from_env() -> Result<Connect, Error> {
    connect_from(|name| std::env::var(name).ok())
}

fn connect_from(variable: impl Fn(&str) -> Option<String>) -> Result<Connect, Error> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    let url = variable("HYPHA_SERVER_URL")
        .ok_or_else(|| Error::Config("HYPHA_SERVER_URL is not set".to_owned()))?;
    let mut connect = connect(url);
    connect.token = match (variable("HYPHA_TOKEN"), variable("HYPHA_TOKEN_FILE")) {
        (None, Some(path)) => Some(read_token(path.into())?),
        (token, _) => token,
    };
    connect.workspace = variable("HYPHA_WORKSPACE");
    connect.client_id = variable("HYPHA_CLIENT_ID");
    Ok(connect)
}

fn read_token(path: PathBuf) -> Result<String, Error> {
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Error::Config(format!("HYPHA_TOKEN_FILE {}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

impl Connect {
    /// What the connection is made of; a WebSocket by default.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// The workspace to join; by default the token's, or the user's own.
    pub fn workspace(mut self, workspace: impl Into<String>) -> Self {
        self.workspace = Some(workspace.into());
        self
    }

    /// The token to log in with; without one, the client is anonymous.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// A token of an earlier connection of the same client id, to take its place.
    pub fn reconnection_token(mut self, token: impl Into<String>) -> Self {
        self.reconnection_token = Some(token.into());
        self
    }

    /// The client id, unique in the workspace; random by default.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// A name for people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The app that the registered services belong to.
    pub fn app_id(mut self, app_id: impl Into<String>) -> Self {
        self.app_id = Some(app_id.into());
        self
    }

    /// How long a call waits for an answer or a heartbeat, and connecting for the hub; 30 s by default.
    pub fn method_timeout(mut self, timeout: Duration) -> Self {
        self.method_timeout = timeout;
        self
    }

    /// How often the hub is asked for a sign of life, and how long it may stay silent after that; 20 s each by default.
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        self.ping_interval = interval;
        self.ping_timeout = timeout;
        self
    }

    /// How often the reconnection token is renewed; 2 h by default.
    pub fn token_refresh_interval(mut self, interval: Duration) -> Self {
        self.token_refresh_interval = interval;
        self
    }

    /// Does not announce the client to the hub: it can call, but is not listed and cannot be found.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Adds a header to the request that opens the connection (over HTTP, to all requests).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The headers that were added.
    pub(super) fn header_map(&self) -> Result<HeaderMap, Error> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let bad = || Error::Config(format!("Invalid header: {name}"));
            let value = HeaderValue::from_str(value).map_err(|_| bad())?;
            map.insert(HeaderName::try_from(name).map_err(|_| bad())?, value);
        }
        Ok(map)
    }

    /// Turns end-to-end encryption on with this key pair.
    pub fn encryption(mut self, keys: KeyPair) -> Self {
        self.encryption = Some(keys);
        self
    }
}

impl IntoFuture for Connect {
    type Output = Result<Client, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(Client::connect(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read() {
        let variables = |name: &str| match name {
            "HYPHA_SERVER_URL" => Some("http://hub".to_owned()),
            "HYPHA_TOKEN" => Some("t".to_owned()),
            "HYPHA_WORKSPACE" => Some(String::new()),
            _ => None,
        };
        let connect = connect_from(variables).unwrap();
        assert_eq!(
            (connect.url.as_str(), connect.token.as_deref(), connect.workspace),
            ("http://hub", Some("t"), None)
        );
        assert!(
            connect_from(|_| None)
                .unwrap_err()
                .to_string()
                .contains("HYPHA_SERVER_URL")
        );
    }
}
