//! Opening a connection: the upgrade, the first text frame, the hub's answer.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::options::Connect;
use crate::error::Error;

/// The largest frame that is accepted, as the hub's own limit. Bytes.
const MAX_FRAME: usize = 16 << 20;
/// Messages that may arrive before the hub's answer. It sends a few that were waiting for a reconnecting client.
const MAX_EARLY: usize = 4096;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the hub says about a connection that it has accepted.
#[derive(Clone, Debug, Deserialize)]
pub struct ConnectionInfo {
    /// The workspace that was joined.
    pub workspace: String,
    /// This client's id.
    pub client_id: String,
    /// The id of the hub's workspace manager: `manager-<server id>`.
    pub manager_id: String,
    /// The hub's public base URL.
    #[serde(default)]
    pub public_base_url: String,
    /// The hub's base URL on its own machine.
    #[serde(default)]
    pub local_base_url: String,
    /// The version of the protocol's server that the hub is compatible with.
    #[serde(default)]
    pub hypha_version: String,
    /// The record of the user that the client acts for.
    #[serde(default)]
    pub user: Json,
    /// A message from the operators.
    #[serde(default)]
    pub announcement: Option<String>,
    #[serde(default)]
    pub(super) reconnection_token: Option<String>,
    /// Seconds.
    #[serde(default)]
    pub(super) reconnection_token_life_time: Option<f64>,
}

/// An accepted connection.
pub(super) struct Opened {
    pub(super) socket: Socket,
    pub(super) info: ConnectionInfo,
    /// Messages that arrived before the hub's answer.
    pub(super) early: Vec<Bytes>,
}

#[derive(Serialize)]
struct Credentials<'a> {
    client_id: &'a str,
    workspace: Option<&'a str>,
    token: Option<&'a str>,
    reconnection_token: Option<&'a str>,
}

/// The address of the WebSocket of a hub.
pub(super) fn websocket_url(url: &str) -> Result<String, Error> {
    let url = url.trim_end_matches('/');
    if url.starts_with("ws://") || url.starts_with("wss://") {
        return Ok(url.to_owned());
    }
    let (scheme, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => ("ws", rest),
        (_, Some(rest)) => ("wss", rest),
        _ => {
            return Err(Error::Config(format!(
                "The server URL must begin with http:// or https://: {url}"
            )));
        }
    };
    Ok(format!("{scheme}://{rest}/ws"))
}

/// Opens a connection with the given reconnection token, if there is one, and within the method timeout.
pub(super) async fn open(
    options: &Connect,
    client_id: &str,
    workspace: Option<&str>,
    reconnection_token: Option<&str>,
) -> Result<Opened, Error> {
    let attempt = attempt(options, client_id, workspace, reconnection_token);
    let timeout: Duration = options.method_timeout;
    match tokio::time::timeout(timeout, attempt).await {
        Ok(opened) => opened,
        Err(_) => Err(Error::Connect(format!(
            "no answer from {} within {timeout:?}",
            options.url
        ))),
    }
}

async fn attempt(
    options: &Connect,
    client_id: &str,
    workspace: Option<&str>,
    reconnection_token: Option<&str>,
) -> Result<Opened, Error> {
    let failed = |error: tungstenite::Error| Error::Connect(format!("{}: {error}", options.url));
    let mut request = websocket_url(&options.url)?
        .into_client_request()
        .map_err(failed)?;
    for (name, value) in &options.headers {
        let bad = || Error::Config(format!("Invalid header: {name}"));
        let value = HeaderValue::from_str(value).map_err(|_| bad())?;
        request
            .headers_mut()
            .insert(HeaderName::try_from(name).map_err(|_| bad())?, value);
    }
    let config = WebSocketConfig::default()
        .max_frame_size(Some(MAX_FRAME))
        .max_message_size(Some(MAX_FRAME));
    let mut socket = dial(request, config).await.map_err(failed)?;

    let token = options.token.as_deref().filter(|_| reconnection_token.is_none());
    let credentials = Credentials {
        client_id,
        workspace,
        token,
        reconnection_token,
    };
    let text = serde_json::to_string(&credentials).map_err(|error| Error::Config(error.to_string()))?;
    socket.send(Message::text(text)).await.map_err(failed)?;

    let mut early = Vec::new();
    let answer = loop {
        match socket.next().await {
            Some(Ok(Message::Binary(frame))) if early.len() < MAX_EARLY => early.push(frame),
            Some(Ok(Message::Text(text))) => break text,
            Some(Ok(Message::Close(frame))) => {
                let reason =
                    frame.map_or_else(|| "without a reason".to_owned(), |frame| frame.reason.to_string());
                return Err(Error::Connect(format!("the hub closed the connection: {reason}")));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(failed(error)),
            None => return Err(Error::Connect("the hub closed the connection".to_owned())),
        }
    };
    let info = read_answer(&answer)?;
    if let Some(asked) = workspace.filter(|asked| *asked != info.workspace) {
        return Err(Error::Refused(format!(
            "Connected to the wrong workspace: {}, expected: {asked}",
            info.workspace
        )));
    }
    Ok(Opened { socket, info, early })
}

/// Opens the socket. Small frames are batched by the writer, so the kernel is told not to wait for more of them.
#[cfg(feature = "tls")]
async fn dial(request: Request, config: WebSocketConfig) -> Result<Socket, tungstenite::Error> {
    let connector = super::tls::connector()?;
    let dialled =
        tokio_tungstenite::connect_async_tls_with_config(request, Some(config), true, Some(connector));
    Ok(dialled.await?.0)
}

/// The same without encryption.
#[cfg(not(feature = "tls"))]
async fn dial(request: Request, config: WebSocketConfig) -> Result<Socket, tungstenite::Error> {
    Ok(
        tokio_tungstenite::connect_async_with_config(request, Some(config), true)
            .await?
            .0,
    )
}

fn read_answer(text: &str) -> Result<ConnectionInfo, Error> {
    let unexpected = || Error::Refused("Unexpected message received from the server".to_owned());
    let answer: Json = serde_json::from_str(text).map_err(|_| unexpected())?;
    match answer.get("type").and_then(Json::as_str) {
        Some("connection_info") => serde_json::from_value(answer)
            .map_err(|error| Error::Refused(format!("Malformed connection_info: {error}"))),
        Some("error") => {
            let message = answer
                .get("message")
                .and_then(Json::as_str)
                .unwrap_or("no reason given");
            Err(Error::Refused(message.to_owned()))
        }
        _ => Err(unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, expected) in [
            ("http://h:1", "ws://h:1/ws"),
            ("https://h/base/", "wss://h/base/ws"),
            ("ws://h/x/ws", "ws://h/x/ws"),
        ] {
            assert_eq!(websocket_url(url).unwrap(), expected);
        }
        assert!(websocket_url("ftp://h").is_err());
    }

    #[test]
    fn answers() {
        let info =
            r#"{"type":"connection_info","workspace":"w","client_id":"c","manager_id":"m","user":null}"#;
        assert_eq!(read_answer(info).unwrap().workspace, "w");
        let error = read_answer(r#"{"type":"error","message":"no"}"#).unwrap_err();
        assert!(matches!(error, Error::Refused(message) if message == "no"));
        assert!(read_answer("x").is_err());
    }
}
