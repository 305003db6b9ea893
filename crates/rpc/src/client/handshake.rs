//! Opening a connection: who wants to connect, and the hub's answer.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::line::{Incoming, Reader, Writer};
use super::options::{Connect, Transport};
use super::{stream, websocket};
use crate::error::Error;

/// Messages that may arrive before the hub's answer. It sends a few that were waiting for a reconnecting client.
const MAX_EARLY: usize = 4096;

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
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) info: ConnectionInfo,
    /// Messages that arrived before the hub's answer.
    pub(super) early: Vec<Bytes>,
}

/// Who wants to connect: the first frame of a WebSocket.
#[derive(Serialize)]
pub(super) struct Credentials<'a> {
    pub(super) client_id: &'a str,
    pub(super) workspace: Option<&'a str>,
    pub(super) token: Option<&'a str>,
    pub(super) reconnection_token: Option<&'a str>,
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
    let ask = Credentials {
        client_id,
        workspace,
        token: options.token.as_deref(),
        reconnection_token,
    };
    let (mut reader, mut writer) = match options.transport {
        Transport::WebSocket => websocket::open(options, &ask).await?,
        Transport::Http => stream::open(options, &ask).await?,
    };
    let mut early = Vec::new();
    let answer = loop {
        match reader.next().await {
            Incoming::Frame(frame) if early.len() < MAX_EARLY => early.push(frame),
            Incoming::Frame(_) => {}
            Incoming::Control(answer) => break answer,
            Incoming::End(reason) => return Err(Error::Connect(reason)),
        }
    };
    let info = read_answer(answer)?;
    if let Some(asked) = workspace.filter(|asked| *asked != info.workspace) {
        return Err(Error::Refused(format!(
            "Connected to the wrong workspace: {}, expected: {asked}",
            info.workspace
        )));
    }
    if let Writer::Http(writer) = &mut writer {
        writer.set_workspace(&info);
    }
    Ok(Opened {
        reader,
        writer,
        info,
        early,
    })
}

fn read_answer(answer: Json) -> Result<ConnectionInfo, Error> {
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
        _ => Err(Error::Refused(
            "Unexpected message received from the server".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers() {
        let info = json!({
            "type": "connection_info", "workspace": "w", "client_id": "c", "manager_id": "m", "user": null,
        });
        assert_eq!(read_answer(info).unwrap().workspace, "w");
        let error = read_answer(json!({"type": "error", "message": "no"})).unwrap_err();
        assert!(matches!(error, Error::Refused(message) if message == "no"));
        assert!(read_answer(Json::Null).is_err());
    }
}
