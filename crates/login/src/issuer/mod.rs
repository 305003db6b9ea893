//! An external issuer of identities: an OpenID provider whose tokens are accepted, and with which the login page lets
//! people sign in.
//!
//! | module | what |
//! | --- | --- |
//! | `options` | which issuer, as the operator has set it |
//! | `discovery` | its addresses, from its own description |
//! | `keys` | its public keys, fetched when they are needed and not more often |
//! | `verify` | its tokens, and the users that they stand for |
//! | `flow` | signing in: authorization code, PKCE, state and nonce |
//!
//! Nothing is fetched before somebody presents one of its tokens or signs in.

mod discovery;
mod flow;
mod keys;
mod options;
mod verify;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hypha_hub::auth::{AuthError, IdentityProvider, UserInfo};

use crate::error::Error;
use crate::http::HttpClient;
use crate::time::unix_now;
use discovery::Discovery;
use flow::Flows;
use keys::Keys;

pub(crate) use flow::FlowError;
pub use options::IssuerOptions;

/// See the module documentation.
pub(crate) struct Issuer {
    options: IssuerOptions,
    http: HttpClient,
    discovery: Discovery,
    keys: Keys,
    flows: Flows,
}

impl Issuer {
    /// An issuer that nothing is known of yet.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(options: IssuerOptions) -> Result<Self, Error> {
        let http = HttpClient::new()?;
        Ok(Self {
            discovery: Discovery::new(&options, http.clone()),
            keys: Keys::default(),
            flows: Flows::default(),
            http,
            options,
        })
    }

    /// What people know it by.
    pub(crate) fn host(&self) -> &str {
        self.options.url().host_str().unwrap_or_default()
    }
}

/// Accepts the issuer's access tokens.
pub(crate) struct IssuerTokens(pub(crate) Arc<Issuer>);

impl IdentityProvider for IssuerTokens {
    fn parse_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<UserInfo>, AuthError>> {
        async move {
            if !self.0.is_mine(token) {
                return Ok(None);
            }
            let claims = self
                .0
                .verify(token, self.0.options.audience(), unix_now())
                .await?;
            self.0.user(&claims).map(Some)
        }
        .boxed()
    }
}
