//! Requests to a server that may not be one: every answer is short, and comes soon or not at all.

use std::error::Error as _;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use chrono::DateTime;
use http::header::{ACCEPT, AUTHORIZATION, DATE, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest body that is read, in bytes.
const MAX_BODY: usize = 256 << 10;

/// Asks a server.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// What a server answered.
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// The server's clock, in seconds since 1970.
    pub(super) date: Option<i64>,
    /// The body, or the beginning of a stream.
    pub(super) body: Bytes,
}

impl Http {
    /// Asks with the certificates that browsers trust.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn new() -> Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// Gets a document.
    ///
    /// # Errors
    /// No answer in time, or one that is too long.
    pub(super) async fn get(&self, url: &str) -> Result<Answer> {
        let request = Request::get(url).body(Empty::new())?;
        within(async {
            let answer = self.client.request(request).await.map_err(plain)?;
            let (status, date) = head(&answer);
            let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
            let body = body.map_err(|error| anyhow!("{error}"))?.to_bytes();
            Ok(Answer { status, date, body })
        })
        .await
    }

    /// Opens a stream and gets its first piece.
    ///
    /// # Errors
    /// No answer or no piece in time.
    pub(super) async fn first_piece(&self, url: &str, token: Option<&str>) -> Result<Answer> {
        let mut request = Request::get(url).header(ACCEPT, "application/x-msgpack-stream");
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).context("the token")?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Empty::new())?;
        within(async {
            let mut answer = self.client.request(request).await.map_err(plain)?;
            let (status, date) = head(&answer);
            let frame = answer.body_mut().frame().await.transpose()?;
            let body = frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
            Ok(Answer { status, date, body })
        })
        .await
    }
}

fn head<B>(answer: &Response<B>) -> (u16, Option<i64>) {
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
    (answer.status().as_u16(), date.map(|date| date.timestamp()))
}

async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(anyhow!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// The cause alone: what is around it says only that a request failed.
fn plain(error: hyper_util::client::legacy::Error) -> anyhow::Error {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(|cause| cause.source()) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| anyhow!("{error}"), |cause| anyhow!("{cause}"))
}
