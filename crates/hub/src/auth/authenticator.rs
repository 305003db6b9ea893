//! The door: whatever credential is presented, over WebSocket or HTTP, goes through
//! [`Authenticator::authenticate`].

use std::sync::Arc;

use parking_lot::RwLock;

use super::error::AuthError;
use super::permission::Permission;
use super::provider::{IdentityProvider, RequestHead};
use super::revoked::{RevokedTokens, TokenHash, token_hash};
use super::root::RootToken;
use super::token::{MAX_TOKEN_LEN, TokenIssuer, TokenOptions};
use super::user::UserInfo;
use super::verified::Verified;

/// Takes the token out of what was presented: a raw token, or `Bearer <token>` (also `bearer`).
///
/// # Errors
/// Nothing presented, `Bearer` without a token, or more than one word after it.
pub fn bare_token(credential: &str) -> Result<&str, AuthError> {
    let credential = credential.trim();
    if credential.is_empty() {
        return Err(AuthError::Missing);
    }
    let mut words = credential.split_ascii_whitespace();
    match words.next() {
        Some("Bearer" | "bearer") => match (words.next(), words.next()) {
            (None, _) => Err(AuthError::NoToken),
            (Some(token), None) => Ok(token),
            (Some(_), Some(_)) => Err(AuthError::NotBearer),
        },
        _ => Ok(credential),
    }
}

/// Turns credentials into users: the root token, then what providers know, then tokens of the hub; none of them
/// revoked.
pub struct Authenticator {
    issuer: TokenIssuer,
    root: Option<RootToken>,
    revoked: RevokedTokens,
    verified: Verified,
    /// Asked in the order of the list.
    providers: RwLock<Vec<Arc<dyn IdentityProvider>>>,
}

impl Authenticator {
    /// An authenticator that accepts tokens with these constants, the root token if there is one, and no
    /// revoked tokens.
    pub fn new(options: TokenOptions, root: Option<RootToken>, revoked: RevokedTokens) -> Self {
        Self {
            issuer: TokenIssuer::new(options),
            root,
            revoked,
            verified: Verified::default(),
            providers: RwLock::default(),
        }
    }

    /// Adds somebody to be asked, before those that were added earlier.
    pub fn add_provider(&self, provider: Arc<dyn IdentityProvider>) {
        self.providers.write().insert(0, provider);
    }

    /// Takes a provider out again.
    pub fn remove_provider(&self, provider: &Arc<dyn IdentityProvider>) {
        self.providers.write().retain(|one| !Arc::ptr_eq(one, provider));
    }

    fn providers(&self) -> Vec<Arc<dyn IdentityProvider>> {
        self.providers.read().clone()
    }

    /// The issuer of the hub's tokens.
    pub fn issuer(&self) -> &TokenIssuer {
        &self.issuer
    }

    /// The revoked tokens. Whoever revokes one puts it into the durable store first.
    pub fn revoked(&self) -> &RevokedTokens {
        &self.revoked
    }

    /// Whether a credential is the root token (which cannot be revoked).
    pub fn is_root_token(&self, credential: &str) -> bool {
        let matches = |token: &str| self.root.as_ref().is_some_and(|root| root.matches(token));
        matches(credential) || bare_token(credential).is_ok_and(matches)
    }

    /// The user that a credential (raw, or with `Bearer`) stands for at `now`, in seconds since the Unix
    /// epoch.
    ///
    /// # Errors
    /// The credential is missing, malformed, not valid (any more), or revoked. Never treat that as anonymous.
    pub async fn authenticate(&self, credential: &str, now: u64) -> Result<UserInfo, AuthError> {
        let providers = self.providers();
        if providers.is_empty() {
            return self.authenticate_locally(credential, now);
        }
        if self.is_root_token(credential) {
            return Ok(UserInfo::root());
        }
        let token = bare_token(credential)?;
        if token.len() > MAX_TOKEN_LEN {
            return Err(AuthError::TooLong {
                len: token.len(),
                max: MAX_TOKEN_LEN,
            });
        }
        for provider in providers {
            if let Some(user) = provider.parse_token(token).await? {
                return self.unless_revoked(&token_hash(token), settled(user));
            }
        }
        self.authenticate_locally(credential, now)
    }

    /// Like [`authenticate`](Self::authenticate) without asking anybody: the root token and tokens of the hub.
    ///
    /// # Errors
    /// As there; also for tokens that only a provider knows.
    pub fn authenticate_locally(&self, credential: &str, now: u64) -> Result<UserInfo, AuthError> {
        // Only a token that is not the root token was ever remembered.
        if let Ok(token) = bare_token(credential)
            && token.len() <= MAX_TOKEN_LEN
        {
            let hash = token_hash(token);
            if let Some(user) = self.verified.get(&hash, now) {
                return self.unless_revoked(&hash, user);
            }
        }
        if self.is_root_token(credential) {
            return Ok(UserInfo::root());
        }
        let token = bare_token(credential)?;
        let (hash, user) = (token_hash(token), self.issuer.parse(token, now)?);
        self.verified.insert(token, hash, &user);
        self.unless_revoked(&hash, user)
    }

    fn unless_revoked(&self, hash: &TokenHash, user: UserInfo) -> Result<UserInfo, AuthError> {
        if self.revoked.contains(hash) {
            return Err(AuthError::Revoked);
        }
        Ok(user)
    }

    /// Issues a token that makes its bearer `user` for `expires_in` seconds (at least 1) from `now` (seconds since the
    /// Unix epoch): a provider's, if one makes tokens, else the hub's.
    ///
    /// # Errors
    /// See [`TokenIssuer::issue`], or what the provider says.
    pub async fn issue(&self, user: &UserInfo, expires_in: u64, now: u64) -> Result<String, AuthError> {
        for provider in self.providers() {
            if let Some(token) = provider.generate_token(user, expires_in).await? {
                return Ok(token);
            }
        }
        self.issuer.issue(user, expires_in, now)
    }

    /// Whether any provider wants to find the credential of HTTP requests itself.
    pub fn reads_requests(&self) -> bool {
        self.providers
            .read()
            .iter()
            .any(|provider| provider.reads_requests())
    }

    /// The credential that a provider finds in an HTTP request; `None` leaves it to the usual places.
    ///
    /// # Errors
    /// A provider that has to be asked cannot say.
    pub async fn credential_of(&self, request: &RequestHead) -> Result<Option<String>, AuthError> {
        for provider in self.providers() {
            if provider.reads_requests()
                && let Some(token) = provider.get_token(request).await?
            {
                return Ok(Some(token));
            }
        }
        Ok(None)
    }
}

/// What holds for every user whoever vouches for it: admin at home, and role `admin` is admin everywhere.
fn settled(mut user: UserInfo) -> UserInfo {
    let workspaces = &mut user.scope.workspaces;
    workspaces.insert(format!("ws-user-{}", user.id), Permission::Admin);
    if user.roles.iter().any(|role| role == "admin") {
        workspaces.insert("*".into(), Permission::Admin);
    }
    if user.current_workspace.is_none() {
        user.current_workspace.clone_from(&user.scope.current_workspace);
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "q7Zk0vXn4wRb2yLm9sPf6uJd8eGhTaVi";

    fn authenticator() -> Authenticator {
        Authenticator::new(
            TokenOptions::new("s"),
            Some(RootToken::new(ROOT).unwrap()),
            RevokedTokens::default(),
        )
    }

    #[test]
    fn forms_of_a_credential() {
        let auth = authenticator();
        let token = auth.issuer().issue(&UserInfo::new("ada"), 60, 100).unwrap();
        for form in [
            token.clone(),
            format!("Bearer {token}"),
            format!("bearer {token}"),
            format!(" {token}\n"),
        ] {
            assert_eq!(auth.authenticate_locally(&form, 100).unwrap().id, "ada");
        }
        let text = |credential: &str| {
            auth.authenticate_locally(credential, 100)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(text(""), "Authorization header is expected");
        assert_eq!(text("Bearer"), "Token not found");
        assert_eq!(text("Bearer a b"), "Authorization header must be 'Bearer' token");
        assert_eq!(text("garbage"), "Error decoding token headers.");
        assert_eq!(
            text(&"x".repeat(1 << 20)),
            "Token is too long: 1048576 bytes, at most 32768 are accepted"
        );
    }

    #[test]
    fn root_comes_first() {
        let auth = authenticator();
        for form in [ROOT.to_owned(), format!("Bearer {ROOT}"), format!(" {ROOT} ")] {
            assert_eq!(auth.authenticate_locally(&form, 0).unwrap(), UserInfo::root());
        }
        assert!(auth.authenticate_locally(&ROOT[1..], 0).is_err());
        let without = Authenticator::new(TokenOptions::new("s"), None, RevokedTokens::default());
        assert!(without.authenticate_locally(ROOT, 0).is_err());
    }

    #[test]
    fn revoked_tokens_are_refused_in_every_form() {
        let auth = authenticator();
        let token = auth.issuer().issue(&UserInfo::new("ada"), 60, 100).unwrap();
        assert!(auth.authenticate_locally(&token, 100).is_ok(), "and remembered");
        auth.revoked().insert(token_hash(&token), 160);
        assert_eq!(auth.authenticate_locally(&token, 100), Err(AuthError::Revoked));
        assert_eq!(
            auth.authenticate_locally(&format!("Bearer {token}"), 100),
            Err(AuthError::Revoked)
        );
    }
}
