//! The little HTTP that the login service speaks as a client: bounded answers, bounded time, no redirects.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use url::Url;

use crate::error::Error;

/// Longest answer, in bytes.
const MAX_ANSWER: usize = 256 << 10;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client for HTTP and HTTPS, with the well-known certificate authorities.
#[derive(Clone)]
pub(crate) struct HttpClient(HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl HttpClient {
    /// A client without open connections.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new() -> Result<Self, Error> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| Error::Remote(format!("TLS cannot be set up: {error}")))?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self(HyperClient::builder(TokioExecutor::new()).build(connector)))
    }

    /// Gets JSON.
    ///
    /// # Errors
    /// No answer in time, another status than 200, or something else than JSON.
    pub(crate) async fn get_json(&self, url: &Url) -> Result<Value, Error> {
        self.send(Method::GET, url, &[], Bytes::new()).await
    }

    /// Posts a form; gets JSON.
    ///
    /// # Errors
    /// As for [`get_json`](Self::get_json).
    pub(crate) async fn post_form(&self, url: &Url, form: &[(&str, &str)]) -> Result<Value, Error> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let headers = [(CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned())];
        self.send(Method::POST, url, &headers, body.into()).await
    }

    /// Posts JSON with a bearer token; gets JSON.
    ///
    /// # Errors
    /// As for [`get_json`](Self::get_json).
    pub(crate) async fn post_json(&self, url: &Url, token: &str, body: &Value) -> Result<Value, Error> {
        let headers = [
            (CONTENT_TYPE, "application/json".to_owned()),
            (AUTHORIZATION, format!("Bearer {token}")),
        ];
        self.send(Method::POST, url, &headers, body.to_string().into())
            .await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[(hyper::header::HeaderName, String)],
        body: Bytes,
    ) -> Result<Value, Error> {
        let failed = |reason: &dyn std::fmt::Display| {
            // Without the query, which may hold a secret.
            let place = &url[..url::Position::AfterPath];
            Error::Remote(format!("{method} {place} failed: {reason}"))
        };
        let mut request = Request::builder()
            .method(&method)
            .uri(url.as_str())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "hypha");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| failed(&error))?;
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| failed(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| failed(&error))?.to_bytes();
            if !status.is_success() {
                return Err(failed(&format_args!("status {status}")));
            }
            serde_json::from_slice(&body).map_err(|_| failed(&"the answer is not JSON"))
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err(failed(&"no answer in time")))
    }
}
