//! A connection that is a WebSocket: the upgrade, and the first text frame.

use std::collections::VecDeque;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::handshake::Credentials;
use super::line::{self, Incoming, MAX_FRAME};
use super::options::Connect;
use crate::error::Error;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(super) type Reader = SplitStream<Socket>;
pub(super) type Writer = SplitSink<Socket, Message>;

/// Opens a WebSocket and says who wants to connect.
pub(super) async fn open(
    options: &Connect,
    ask: &Credentials<'_>,
) -> Result<(line::Reader, line::Writer), Error> {
    let failed = |error: tungstenite::Error| Error::Connect(format!("{}: {error}", options.url));
    let mut request = url(&options.url)?.into_client_request().map_err(failed)?;
    request.headers_mut().extend(options.header_map()?);
    let config = WebSocketConfig::default()
        .max_frame_size(Some(MAX_FRAME))
        .max_message_size(Some(MAX_FRAME));
    let mut socket = dial(request, config).await.map_err(failed)?;
    let ask = Credentials {
        token: ask.token.filter(|_| ask.reconnection_token.is_none()),
        ..*ask
    };
    let text = serde_json::to_string(&ask).map_err(|error| Error::Config(error.to_string()))?;
    socket.send(Message::text(text)).await.map_err(failed)?;
    let (writer, reader) = socket.split();
    Ok((line::Reader::WebSocket(reader), line::Writer::WebSocket(writer)))
}

/// The address of the WebSocket of a hub.
fn url(url: &str) -> Result<String, Error> {
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

/// Opens the socket. Small frames are batched by the writer, so the kernel is told not to wait for more of them.
#[cfg(feature = "tls")]
async fn dial(request: Request, config: WebSocketConfig) -> Result<Socket, tungstenite::Error> {
    use tungstenite::error::TlsError;
    let tls =
        super::tls::config().map_err(|error| tungstenite::Error::Tls(TlsError::Rustls(Box::new(error))))?;
    let connector = tokio_tungstenite::Connector::Rustls(tls);
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

pub(super) async fn next(reader: &mut Reader) -> Incoming {
    loop {
        return match reader.next().await {
            Some(Ok(Message::Binary(frame))) => Incoming::Frame(frame),
            Some(Ok(Message::Text(text))) => {
                Incoming::Control(serde_json::from_str(&text).unwrap_or(Json::Null))
            }
            Some(Ok(Message::Close(Some(frame)))) => Incoming::End(format!(
                "the hub closed the connection: {} {}",
                u16::from(frame.code),
                frame.reason
            )),
            Some(Ok(Message::Close(None))) | None => {
                Incoming::End("the hub closed the connection".to_owned())
            }
            Some(Ok(_)) => continue,
            Some(Err(error)) => Incoming::End(error.to_string()),
        };
    }
}

pub(super) async fn write(writer: &mut Writer, messages: VecDeque<Message>) -> Result<(), String> {
    for message in messages {
        writer.feed(message).await.map_err(|error| error.to_string())?;
    }
    writer.flush().await.map_err(|error| error.to_string())
}

pub(super) async fn close(writer: &mut Writer) {
    // The hub notices either way.
    let _ = writer.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (from, expected) in [
            ("http://h:1", "ws://h:1/ws"),
            ("https://h/base/", "wss://h/base/ws"),
            ("ws://h/x/ws", "ws://h/x/ws"),
        ] {
            assert_eq!(url(from).unwrap(), expected);
        }
        assert!(url("ftp://h").is_err());
    }
}
