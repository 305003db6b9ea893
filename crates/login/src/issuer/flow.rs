//! Signing in at the issuer: authorization code with PKCE, a state that is bound to the browser, and a nonce.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hypha_hub::auth::UserInfo;
use hypha_hub::ids::random_id;
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use url::Url;

use super::Issuer;
use crate::error::Error;
use crate::time::unix_now;

/// How long somebody may take to sign in there.
const LIFE: Duration = Duration::from_secs(600);
/// Sign-ins under way; past that, the oldest ends.
const MAX_FLOWS: usize = 10_000;

/// One sign-in under way.
struct Flow {
    /// The login that it is for.
    key: Option<String>,
    /// What the browser got as a cookie.
    browser: String,
    verifier: String,
    nonce: String,
    started: Instant,
}

/// Sign-ins under way, by their states.
#[derive(Default)]
pub(super) struct Flows(Mutex<HashMap<String, Flow>>);

/// Where to send the browser, and what it has to bring back.
pub(crate) struct Started {
    /// The issuer's page.
    pub(crate) url: Url,
    /// The value of the cookie that binds the state to the browser.
    pub(crate) browser: String,
}

/// Why a sign-in at the issuer comes to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlowError {
    /// Nobody here has started it, it was long ago, or it was another browser.
    #[error("This sign-in was not started in this browser, or too long ago. Start again.")]
    State,
    /// What the issuer has given is not valid, or it does not answer.
    #[error("The sign-in service did not confirm who you are. Try again.")]
    Issuer(String),
}

impl From<Error> for FlowError {
    fn from(error: Error) -> Self {
        Self::Issuer(error.to_string())
    }
}

impl Flows {
    fn add(&self, state: String, flow: Flow) {
        let mut all = self.0.lock();
        if all.len() >= MAX_FLOWS {
            all.retain(|_, flow| flow.started.elapsed() < LIFE);
        }
        if all.len() >= MAX_FLOWS {
            let oldest = all.iter().min_by_key(|(_, flow)| flow.started);
            if let Some(state) = oldest.map(|(state, _)| state.clone()) {
                all.remove(&state);
            }
        }
        all.insert(state, flow);
    }

    /// Takes out the sign-in with this state, if this browser has started it.
    fn take(&self, state: &str, browser: &str) -> Option<Flow> {
        let mut all = self.0.lock();
        let flow = all.get(state)?;
        let is_same: bool = flow.browser.as_bytes().ct_eq(browser.as_bytes()).into();
        // Somebody else's attempt does not end it.
        if !is_same {
            return None;
        }
        all.remove(state).filter(|flow| flow.started.elapsed() < LIFE)
    }
}

fn secret() -> String {
    let mut rng = rand::rng();
    format!("{}{}", random_id(&mut rng), random_id(&mut rng))
}

impl Issuer {
    /// Starts to sign in somebody for the login `key`; the issuer sends them back to `redirect_uri`.
    ///
    /// # Errors
    /// The issuer does not answer.
    pub(crate) async fn start(&self, key: Option<String>, redirect_uri: &str) -> Result<Started, Error> {
        let description = self.discovery.get().await?;
        let (state, browser, verifier, nonce) = (secret(), secret(), secret(), secret());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let mut url = description.authorization_endpoint;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", self.options.client_id())
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", "openid profile email")
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let flow = Flow {
            key,
            browser: browser.clone(),
            verifier,
            nonce,
            started: Instant::now(),
        };
        self.flows.add(state, flow);
        Ok(Started { url, browser })
    }

    /// Takes up a sign-in when the browser is back; the login that it is for, and the user unless the issuer has
    /// refused (`code` is `None`).
    ///
    /// # Errors
    /// See [`FlowError`].
    pub(crate) async fn finish(
        &self,
        state: &str,
        code: Option<&str>,
        browser: &str,
        redirect_uri: &str,
    ) -> Result<(Option<String>, Option<UserInfo>), FlowError> {
        let flow = self.flows.take(state, browser).ok_or(FlowError::State)?;
        let Some(code) = code else {
            return Ok((flow.key, None));
        };
        let description = self.discovery.get().await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("client_id", self.options.client_id()),
            ("code_verifier", &flow.verifier),
        ];
        if let Some(secret) = self.options.client_secret() {
            form.push(("client_secret", secret));
        }
        let answer = self.http.post_form(&description.token_endpoint, &form).await?;
        let refused = |error: &dyn std::fmt::Display| FlowError::Issuer(error.to_string());
        let token = answer.get("id_token").and_then(Value::as_str);
        let token = token.ok_or_else(|| refused(&"the answer has no id_token"))?;
        let claims = self
            .verify(token, self.options.client_id(), unix_now())
            .await
            .map_err(|error| refused(&error))?;
        if claims.get("nonce").and_then(Value::as_str) != Some(&flow.nonce) {
            return Err(refused(&"the nonce of the id_token is another one"));
        }
        let user = self.user(&claims).map_err(|error| refused(&error))?;
        Ok((flow.key, Some(user)))
    }
}
