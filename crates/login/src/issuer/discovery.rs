//! The addresses of an issuer, from the description that it publishes.

use std::time::Duration;

use parking_lot::RwLock;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::options::{IssuerOptions, is_safe};
use crate::error::Error;
use crate::http::HttpClient;

/// How long a description is believed.
const LIFE: Duration = Duration::from_secs(3600);
/// How long a failure is remembered, so that a dead issuer is not asked by everybody.
const PAUSE: Duration = Duration::from_secs(10);

/// What an issuer says about itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Description {
    /// Its name, as in `iss`.
    pub(super) issuer: String,
    /// Where people sign in.
    pub(super) authorization_endpoint: Url,
    /// Where codes are exchanged.
    pub(super) token_endpoint: Url,
    /// Where its keys are.
    pub(super) jwks_uri: Url,
}

/// See the module documentation.
pub(super) struct Discovery {
    issuer: Url,
    http: HttpClient,
    known: RwLock<Option<(Instant, Result<Description, String>)>>,
    asking: Mutex<()>,
}

impl Discovery {
    pub(super) fn new(options: &IssuerOptions, http: HttpClient) -> Self {
        Self {
            issuer: options.url().clone(),
            http,
            known: RwLock::default(),
            asking: Mutex::default(),
        }
    }

    fn known(&self) -> Option<Result<Description, Error>> {
        let known = self.known.read();
        let (at, description) = known.as_ref()?;
        let life = if description.is_ok() { LIFE } else { PAUSE };
        (at.elapsed() < life).then(|| description.clone().map_err(Error::Remote))
    }

    /// The description; asked for when it is not known.
    ///
    /// # Errors
    /// The issuer does not answer, or describes another one.
    pub(super) async fn get(&self) -> Result<Description, Error> {
        if let Some(known) = self.known() {
            return known;
        }
        let _one_asks = self.asking.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let found = self.ask().await;
        let kept = match &found {
            Ok(description) => Ok(description.clone()),
            Err(error) => {
                tracing::warn!(%error, "the external issuer does not describe itself");
                Err(error.to_string())
            }
        };
        *self.known.write() = Some((Instant::now(), kept));
        found
    }

    async fn ask(&self) -> Result<Description, Error> {
        let unusable = |what: &str| Error::Remote(format!("the description of {} {what}", self.issuer));
        let url = self.issuer.join(".well-known/openid-configuration");
        let url = url.map_err(|_| unusable("has no address"))?;
        let json = self.http.get_json(&url).await?;
        let description: Description =
            serde_json::from_value(json).map_err(|error| unusable(&format!("is incomplete: {error}")))?;
        if description.issuer.trim_end_matches('/') != self.issuer.as_str().trim_end_matches('/') {
            return Err(unusable("names another issuer"));
        }
        let all = [
            &description.authorization_endpoint,
            &description.token_endpoint,
            &description.jwks_uri,
        ];
        if !all.into_iter().all(is_safe) {
            return Err(unusable("has an address without HTTPS"));
        }
        Ok(description)
    }
}
