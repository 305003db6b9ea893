//! A connection over plain HTTP: a `GET` whose answer never ends, and a `POST` for what this client sends.
//!
//! Messages go out one request after the other, because their order counts; a hub that takes several in one request gets all
//! that wait at once.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming as Body;
use hypha_wire::convert::{from_json, to_json};
use hypha_wire::frame::scan_header;
use serde_json::Value as Json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::handshake::{ConnectionInfo, Credentials};
use super::line::{self, Incoming, MAX_FRAME};
use super::options::Connect;
use super::site::{Connection, Site};
use crate::error::Error;

/// One message.
const MESSAGE: HeaderValue = HeaderValue::from_static("application/msgpack");
/// Several, each after its length.
const MESSAGES: HeaderValue = HeaderValue::from_static("application/x-msgpack-stream");
/// In the answer: what requests may carry.
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
/// The secret of an anonymous client, in the answer and then in each request.
const SECRET: HeaderName = HeaderName::from_static("hypha-stream-secret");
/// The reconnection token. In a header, because URLs end in logs.
const RECONNECTION: HeaderName = HeaderName::from_static("hypha-reconnection-token");
/// Bytes of messages that are put into one request.
const BATCH: usize = 1 << 20;
/// How long the hub may take to answer a request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of an error's text that are read.
const MAX_ERROR: usize = 64 << 10;
/// What precedes a message in a stream. Bytes.
const LENGTH: usize = 4;

/// Opens a stream.
pub(super) async fn open(
    options: &Connect,
    ask: &Credentials<'_>,
) -> Result<(line::Reader, line::Writer), Error> {
    let failed = |reason: String| Error::Connect(format!("{}: {reason}", options.url));
    let site = Site::parse(&options.url)?;
    let mut headers = options.header_map()?;
    // A client that only has a reconnection token shows it with its messages, too.
    if let Some(token) = ask.token.or(ask.reconnection_token) {
        headers.insert(AUTHORIZATION, secret_value(&format!("Bearer {token}"))?);
    }
    let mut request = site
        .request(&path(ask.client_id, ask.workspace), Bytes::new())
        .map_err(failed)?;
    request.headers_mut().extend(headers.clone());
    request.headers_mut().insert(ACCEPT, MESSAGES);
    if let Some(token) = ask.reconnection_token {
        request.headers_mut().insert(RECONNECTION, secret_value(token)?);
    }
    let mut connection = site.connect().await.map_err(failed)?;
    let answer = connection.send(request).await;
    let answer = answer.map_err(|unanswered| failed(unanswered.reason))?;
    if answer.status() != StatusCode::OK {
        return Err(refusal(answer, ask.reconnection_token.is_some()).await);
    }
    if let Some(secret) = answer.headers().get(SECRET) {
        headers.insert(SECRET, secret.clone());
    }
    let takes_batches = answer.headers().get(ACCEPT_POST) == Some(&MESSAGES);
    let reader = Reader {
        body: answer.into_body(),
        buffer: BytesMut::new(),
        _connection: connection,
    };
    let writer = Writer {
        site,
        client_id: ask.client_id.to_owned(),
        workspace: ask.workspace.map(str::to_owned),
        headers,
        takes_batches,
        connection: None,
    };
    Ok((line::Reader::Http(reader), line::Writer::Http(Box::new(writer))))
}

fn path(client_id: &str, workspace: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new("/rpc?".to_owned());
    query.append_pair("client_id", client_id);
    if let Some(workspace) = workspace {
        query.append_pair("workspace", workspace);
    }
    query.finish()
}

fn secret_value(text: &str) -> Result<HeaderValue, Error> {
    let bad = |_| Error::Config("The token has characters that no token has".to_owned());
    let mut value = HeaderValue::from_str(text).map_err(bad)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Why the hub does not let this client in, and whether to try again.
async fn refusal(answer: Response<Body>, is_returning: bool) -> Error {
    let status = answer.status();
    let reason = error_text(answer).await;
    let may_pass = status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || (status == StatusCode::TOO_MANY_REQUESTS && is_returning);
    if may_pass {
        Error::Connect(reason)
    } else {
        Error::Refused(reason)
    }
}

/// The text of a failed answer.
async fn error_text(answer: Response<Body>) -> String {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ERROR).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let json: Option<Json> = serde_json::from_slice(&body).ok();
    let detail = json.as_ref().and_then(|json| json.get("detail")?.as_str());
    detail.map_or_else(|| format!("the hub answered {status}"), str::to_owned)
}

/// The direction from the hub.
pub(super) struct Reader {
    body: Body,
    buffer: BytesMut,
    _connection: Connection,
}

impl Reader {
    pub(super) async fn next(&mut self) -> Incoming {
        loop {
            match take_frame(&mut self.buffer) {
                Ok(Some(frame)) => return classify(frame),
                Ok(None) => {}
                Err(reason) => return Incoming::End(reason),
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Incoming::End(error.to_string()),
                None => return Incoming::End("the hub ended the stream".to_owned()),
            }
        }
    }
}

/// The next frame, if it is complete.
fn take_frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, String> {
    let Some(length) = buffer.first_chunk::<LENGTH>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(format!("the hub sent a frame of {length} bytes"));
    }
    if buffer.len() < LENGTH + length {
        buffer.reserve(LENGTH + length - buffer.len());
        return Ok(None);
    }
    buffer.advance(LENGTH);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// What the hub itself says is not addressed to anybody.
fn classify(frame: Bytes) -> Incoming {
    if scan_header(&frame).is_err()
        && let Ok(message) = hypha_wire::decode(&frame)
    {
        return Incoming::Control(to_json(&message));
    }
    Incoming::Frame(frame)
}

/// The direction to the hub.
pub(super) struct Writer {
    site: Site,
    client_id: String,
    workspace: Option<String>,
    headers: HeaderMap,
    takes_batches: bool,
    connection: Option<Connection>,
}

impl Writer {
    /// Where messages go to is known when the hub has said in which workspace this client is.
    pub(super) fn set_workspace(&mut self, info: &ConnectionInfo) {
        self.workspace = Some(info.workspace.clone());
    }

    pub(super) async fn write(&mut self, messages: VecDeque<Message>) -> Result<(), String> {
        let mut frames = messages.into_iter().filter_map(body_of).peekable();
        while let Some(frame) = frames.next() {
            let mut size = LENGTH + frame.len();
            let mut batch = vec![frame];
            while self.takes_batches
                && let Some(next) = frames.next_if(|next| size + LENGTH + next.len() <= BATCH)
            {
                size += LENGTH + next.len();
                batch.push(next);
            }
            let posted = if batch.len() == 1 {
                self.post(batch.swap_remove(0), MESSAGE)
            } else {
                self.post(join(&batch, size), MESSAGES)
            };
            let posted = timeout(ANSWER_TIMEOUT, posted).await;
            posted.unwrap_or_else(|_| Err(format!("no answer to a request within {ANSWER_TIMEOUT:?}")))?;
        }
        Ok(())
    }

    async fn post(&mut self, body: Bytes, content_type: HeaderValue) -> Result<(), String> {
        let path = path(&self.client_id, self.workspace.as_deref());
        let mut request = self.site.request(&path, body)?;
        *request.method_mut() = Method::POST;
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        let (mut connection, is_fresh) = match self.connection.take() {
            Some(connection) => (connection, false),
            None => (self.site.connect().await?, true),
        };
        let answer = match connection.send(request).await {
            Ok(answer) => answer,
            // The hub has closed the connection while it was idle.
            Err(unanswered) if !is_fresh => {
                let request = unanswered.unsent.ok_or(unanswered.reason)?;
                connection = self.site.connect().await?;
                connection
                    .send(request)
                    .await
                    .map_err(|unanswered| unanswered.reason)?
            }
            Err(unanswered) => return Err(unanswered.reason),
        };
        if answer.status() != StatusCode::OK {
            return Err(format!("a message was refused: {}", error_text(answer).await));
        }
        Limited::new(answer.into_body(), MAX_ERROR)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        self.connection = Some(connection);
        Ok(())
    }
}

/// The body of a message.
fn body_of(message: Message) -> Option<Bytes> {
    match message {
        Message::Binary(frame) => Some(frame),
        Message::Text(text) => {
            let control = serde_json::from_str(&text).ok()?;
            Some(hypha_wire::encode(&from_json(control)).into())
        }
        _ => None,
    }
}

/// Messages as a stream of `size` bytes.
fn join(frames: &[Bytes], size: usize) -> Bytes {
    let mut body = BytesMut::with_capacity(size);
    for frame in frames {
        // At most `BATCH`.
        body.put_u32(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        body.put_slice(frame);
    }
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_in_pieces() {
        let frames = [Bytes::from_static(b"abc"), Bytes::new(), Bytes::from_static(b"d")];
        let joined = join(&frames, 16);
        let mut buffer = BytesMut::new();
        let mut found = Vec::new();
        for byte in joined {
            buffer.put_u8(byte);
            while let Some(frame) = take_frame(&mut buffer).unwrap() {
                found.push(frame);
            }
        }
        assert_eq!(found, frames);
        assert!(take_frame(&mut BytesMut::from(&b"\xff\xff\xff\xff"[..])).is_err());
    }

    #[test]
    fn the_hub_and_clients_are_told_apart() {
        let control = hypha_wire::encode(&from_json(serde_json::json!({"type": "ping"})));
        assert!(matches!(classify(control.into()), Incoming::Control(json) if json["type"] == "ping"));
        let event = hypha_wire::encode(&from_json(serde_json::json!({"type": "ping", "to": "w/c"})));
        assert!(matches!(classify(event.into()), Incoming::Frame(_)));
    }
}
