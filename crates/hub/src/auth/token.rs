//! Issuing and verifying the hub's own tokens: JSON web tokens, HS256.
//!
//! Tokens of a reference server with the same secret, audience and issuer verify here and the other way
//! round. Tokens of an external issuer are for an [`IdentityProvider`](super::provider::IdentityProvider).

use std::fmt;

use jsonwebtoken::errors::ErrorKind as JwtErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::json;

use super::claims::{self, Claims};
use super::error::AuthError;
use super::user::UserInfo;

/// Longest token, in bytes, that is looked at or issued.
pub const MAX_TOKEN_LEN: usize = 32 * 1024;

/// What hubs that accept each other's tokens have in common.
#[derive(Clone)]
pub struct TokenOptions {
    /// The signing secret (`HYPHA_JWT_SECRET`).
    pub secret: String,
    /// `iss` (`AUTH0_ISSUER`).
    pub issuer: String,
    /// `aud` (`AUTH0_AUDIENCE`).
    pub audience: String,
    /// Goes before the names `roles`, `email` and `parent` (`AUTH0_NAMESPACE`).
    pub namespace: String,
}

impl TokenOptions {
    /// The constants that the original server uses unless told otherwise, with a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self {
            secret: secret.into(),
            issuer: "https://amun.ai/".into(),
            audience: "https://amun-ai.eu.auth0.com/api/v2/".into(),
            namespace: "https://amun.ai/".into(),
        }
    }
}

/// Never shows the secret.
impl fmt::Debug for TokenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenOptions")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// Issues tokens and reads them back.
pub struct TokenIssuer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    issuer: String,
    audience: String,
    namespace: String,
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl TokenIssuer {
    /// An issuer with the given secret and constants.
    pub fn new(options: TokenOptions) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[&options.audience]);
        validation.set_issuer(&[&options.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        // Times are compared with the caller's clock instead of the system's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            encoding: EncodingKey::from_secret(options.secret.as_bytes()),
            decoding: DecodingKey::from_secret(options.secret.as_bytes()),
            validation,
            issuer: options.issuer,
            audience: options.audience,
            namespace: options.namespace,
        }
    }

    /// `iss` of the tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `aud` of the tokens.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Issues a token that makes its bearer `user` for `expires_in` seconds (at least 1) from `now` (seconds
    /// since the Unix epoch).
    ///
    /// # Errors
    /// `expires_in` is 0, or a part of the scope cannot be written (see
    /// [`ScopeInfo::to_text`](super::scope::ScopeInfo::to_text)).
    pub fn issue(&self, user: &UserInfo, expires_in: u64, now: u64) -> Result<String, AuthError> {
        if expires_in == 0 {
            return Err(AuthError::Field {
                field: "expires_in",
                expected: "at least 1 second",
            });
        }
        let mut claims = claims::from_user(user, &self.namespace)?;
        claims.insert("iss".into(), json!(self.issuer));
        claims.insert("aud".into(), json!(self.audience));
        claims.insert("iat".into(), json!(now));
        claims.insert("exp".into(), json!(now.saturating_add(expires_in)));
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|error| AuthError::Sign(error.to_string()))?;
        if token.len() > MAX_TOKEN_LEN {
            return Err(AuthError::TooLong {
                len: token.len(),
                max: MAX_TOKEN_LEN,
            });
        }
        Ok(token)
    }

    /// Verifies a token (without `Bearer`) at the time `now` (seconds since the Unix epoch) and reads who its
    /// bearer is.
    ///
    /// This is the token's own word only; whether it was revoked is known to the
    /// [`Authenticator`](super::authenticator::Authenticator).
    ///
    /// # Errors
    /// Not a token, signed by somebody else or with another algorithm, for another audience, not from this
    /// issuer, not yet or no longer valid, or with malformed claims.
    pub fn parse(&self, token: &str, now: u64) -> Result<UserInfo, AuthError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(AuthError::TooLong {
                len: token.len(),
                max: MAX_TOKEN_LEN,
            });
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|error| refusal(&error, token))?
            .claims;
        let now = now as f64;
        if claims::seconds(&claims, "exp")?.is_some_and(|exp| exp < now) {
            return Err(AuthError::Expired);
        }
        if claims::seconds(&claims, "nbf")?.is_some_and(|nbf| nbf > now) {
            return Err(AuthError::NotYetValid);
        }
        claims::to_user(&claims, &self.namespace)
    }
}

/// The error that clients know for a refusal of the library.
fn refusal(error: &jsonwebtoken::errors::Error, token: &str) -> AuthError {
    match error.kind() {
        JwtErrorKind::InvalidSignature => AuthError::Signature,
        JwtErrorKind::InvalidAudience => AuthError::Audience,
        JwtErrorKind::InvalidIssuer => AuthError::Issuer,
        JwtErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "aud" => AuthError::Audience,
            "iss" => AuthError::Issuer,
            _ => AuthError::Claim {
                claim: "exp",
                expected: "seconds since the Unix epoch",
            },
        },
        JwtErrorKind::InvalidAlgorithm => match jsonwebtoken::decode_header(token) {
            Ok(header) => AuthError::Algorithm(format!("{:?}", header.alg)),
            Err(_) => AuthError::Undecodable,
        },
        _ => AuthError::Undecodable,
    }
}

#[cfg(test)]
#[path = "tests/token.rs"]
mod tests;
