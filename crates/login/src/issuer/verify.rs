//! The issuer's tokens, and the users that they stand for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hypha_hub::auth::{AuthError, UserInfo};
use hypha_hub::ids::WorkspaceId;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value};

use super::Issuer;
use crate::accounts::LOCAL_ID_PREFIX;

/// The claims of a token that was verified.
pub(super) type Claims = Map<String, Value>;

/// How far the issuer's clock may be ahead, in seconds.
const LEEWAY: f64 = 60.0;

impl Issuer {
    /// Whether a token says that this issuer has signed it, with a key pair.
    pub(super) fn is_mine(&self, token: &str) -> bool {
        let header = jsonwebtoken::decode_header(token);
        let is_signed = header.is_ok_and(|header| matches!(header.alg, Algorithm::RS256 | Algorithm::ES256));
        let issuer = || {
            let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
            let claims: Claims = serde_json::from_slice(&claims).ok()?;
            Some(claims.get("iss")?.as_str()?.to_owned())
        };
        let own = self.options.url().as_str().trim_end_matches('/');
        is_signed && issuer().is_some_and(|issuer| issuer.trim_end_matches('/') == own)
    }

    /// The claims of a token for `audience`, if the issuer has signed it and it is valid at `now` (seconds since the
    /// Unix epoch).
    ///
    /// # Errors
    /// It has not, it is not, or the issuer has to be asked and does not answer.
    pub(super) async fn verify(&self, token: &str, audience: &str, now: u64) -> Result<Claims, AuthError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Undecodable)?;
        let unavailable = |_| AuthError::Unavailable("the external issuer does not answer".into());
        let description = self.discovery.get().await.map_err(unavailable)?;
        let ask = async || self.http.get_json(&description.jwks_uri).await;
        let key = self.keys.get(header.kid.as_deref(), ask).await;
        let key = key.ok_or(AuthError::Signature)?;
        // What the key is for decides, not what the token says.
        if header.alg != key.algorithm {
            return Err(AuthError::Algorithm(format!("{:?}", header.alg)));
        }
        let mut validation = Validation::new(key.algorithm);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&description.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        // Compared below, with the caller's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.key, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidAudience => AuthError::Audience,
                ErrorKind::InvalidIssuer => AuthError::Issuer,
                ErrorKind::MissingRequiredClaim(_) => AuthError::Claim {
                    claim: "exp",
                    expected: "exp, aud and iss to be there",
                },
                _ => AuthError::Signature,
            })?
            .claims;
        let seconds = |claim: &str| claims.get(claim).and_then(Value::as_f64);
        let expires = seconds("exp").ok_or(AuthError::Claim {
            claim: "exp",
            expected: "a time",
        })?;
        if expires <= now as f64 {
            return Err(AuthError::Expired);
        }
        if seconds("nbf").is_some_and(|from| from > now as f64 + LEEWAY) {
            return Err(AuthError::NotYetValid);
        }
        Ok(claims)
    }

    /// The user that verified claims stand for: with its roles, and its address if the issuer has verified that.
    /// Scopes of the issuer mean nothing here.
    ///
    /// # Errors
    /// There is no usable user id, or it is one that only this server gives.
    pub(super) fn user(&self, claims: &Claims) -> Result<UserInfo, AuthError> {
        let unusable = AuthError::Claim {
            claim: "sub",
            expected: "a user id of letters, digits and _ - | . + = ~, that this server does not use itself",
        };
        let text = |claim: &str| {
            claims
                .get(claim)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let id = text("sub").ok_or_else(|| unusable.clone())?;
        let user = UserInfo::new(id);
        let is_reserved = id == "root" || id.starts_with("anonymouz") || id.starts_with(LOCAL_ID_PREFIX);
        if is_reserved || WorkspaceId::parse(&user.home()).is_err() {
            return Err(unusable);
        }
        let named = |claim: &str| format!("{}{claim}", self.options.namespace());
        let roles = claims
            .get(&named("roles"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let roles = roles
            .filter_map(Value::as_str)
            .filter(|role| *role != "anonymous");
        let is_verified = claims.get("email_verified").and_then(Value::as_bool);
        // The claim of the namespace is one that the operator has set up; the standard one may be anything.
        let email = match is_verified {
            Some(false) => None,
            Some(true) => text(&named("email")).or_else(|| text("email")),
            None => text(&named("email")),
        };
        Ok(UserInfo {
            roles: roles.map(str::to_owned).collect(),
            email: email.map(str::to_owned),
            expires_at: claims.get("exp").and_then(Value::as_f64),
            ..user
        })
    }
}
