//! A hub as a web server: its address, and HTTP/1.1 connections to it.

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::error::Error;

/// Where a hub is.
#[derive(Clone, Debug)]
pub(super) struct Site {
    authority: Authority,
    is_encrypted: bool,
    /// Path of the hub, without a slash at the end.
    base: String,
}

impl Site {
    /// The site of a hub at `http://…`, `https://…`, or at the address of its WebSocket.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::Config(format!(
                "The server URL must begin with http:// or https://: {url}"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        let scheme = uri.scheme().map_or("", Scheme::as_str);
        let (is_encrypted, is_socket) = match scheme {
            "http" => (false, false),
            "https" => (true, false),
            "ws" => (false, true),
            "wss" => (true, true),
            _ => return Err(invalid()),
        };
        let path = uri.path().trim_end_matches('/');
        let base = if is_socket {
            path.strip_suffix("/ws").unwrap_or(path)
        } else {
            path
        };
        Ok(Self {
            authority: uri.authority().ok_or_else(invalid)?.clone(),
            is_encrypted,
            base: base.to_owned(),
        })
    }

    /// A request without headers other than `Host`, for a path below the hub's.
    pub(super) fn request(&self, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let uri: Uri = format!("{}{path}", self.base)
            .parse()
            .map_err(|error: http::uri::InvalidUri| error.to_string())?;
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = uri;
        let host = HeaderValue::from_str(self.authority.as_str()).map_err(|error| error.to_string())?;
        request.headers_mut().insert(HOST, host);
        Ok(request)
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Connection, String> {
        let default = if self.is_encrypted { 443 } else { 80 };
        let host = self.authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.authority.port_u16().unwrap_or(default);
        let stream = TcpStream::connect((bare, port))
            .await
            .map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        if self.is_encrypted {
            speak(encrypted(stream, bare).await?).await
        } else {
            speak(stream).await
        }
    }
}

#[cfg(feature = "tls")]
async fn encrypted(
    stream: TcpStream,
    host: &str,
) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, String> {
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let config = super::tls::config().map_err(|error| error.to_string())?;
    let connecting = tokio_rustls::TlsConnector::from(config).connect(name, stream);
    connecting.await.map_err(|error| error.to_string())
}

#[cfg(not(feature = "tls"))]
async fn encrypted(_: TcpStream, _: &str) -> Result<TcpStream, String> {
    Err("https:// needs the feature `tls`".to_owned())
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Connection, String> {
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP connection ended");
        }
    });
    Ok(Connection {
        sender,
        _task: AbortOnDropHandle::new(task),
    })
}

/// A connection, for one request after the other. It is closed when it is dropped.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _task: AbortOnDropHandle<()>,
}

/// Why there is no answer.
pub(super) struct Unanswered {
    pub(super) reason: String,
    /// The request, if certainly nothing of it was sent.
    pub(super) unsent: Option<Request<Full<Bytes>>>,
}

impl Connection {
    /// Sends a request, when the answer before has been read.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        if let Err(error) = self.sender.ready().await {
            return Err(Unanswered {
                reason: error.to_string(),
                unsent: Some(request),
            });
        }
        let sent = self.sender.try_send_request(request).await;
        sent.map_err(|mut error| Unanswered {
            unsent: error.take_message(),
            reason: error.into_error().to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites() {
        for (url, host, encrypted, uri) in [
            ("http://h:1", "h:1", false, "/rpc"),
            ("https://h/base/", "h", true, "/base/rpc"),
            ("ws://h/x/ws", "h", false, "/x/rpc"),
            ("http://[::1]:9/ws", "[::1]:9", false, "/ws/rpc"),
        ] {
            let site = Site::parse(url).unwrap();
            let request = site.request("/rpc", Bytes::new()).unwrap();
            assert_eq!(
                (site.authority.as_str(), site.is_encrypted),
                (host, encrypted),
                "{url}"
            );
            assert_eq!(
                (request.uri().to_string().as_str(), &request.headers()[HOST]),
                (uri, &host.parse().unwrap())
            );
        }
        assert!(Site::parse("ftp://h").is_err() && Site::parse("h").is_err());
    }
}
