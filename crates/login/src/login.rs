//! What the service and the page have in common: logins under way, accounts, the issuer, and making tokens.

use std::net::IpAddr;
use std::sync::Arc;

use hypha_hub::Hub;
use hypha_hub::auth::UserInfo;
use hypha_hub::auth::authenticator::bare_token;
use hypha_hub::auth::child::{DEFAULT_EXPIRES_IN, MAX_EXPIRES_IN};
use hypha_hub::ids::WorkspaceId;
use hypha_rpc::RemoteFailure;
use rand::RngCore;

use crate::accounts::{Account, AccountError, AccountStore, LocalAccounts};
use crate::error::Error;
use crate::issuer::{Issuer, IssuerTokens};
use crate::local_tokens::LocalTokens;
use crate::mail::{Mailer, Resend};
use crate::options::Options;
use crate::sessions::{Asked, Report, SessionError, Sessions};
use crate::time::unix_now;

/// Life of a token that is for no workspace in particular, in seconds.
const USER_TOKEN_LIFE: u64 = 24 * 3600;

/// Everything behind the login service.
pub(crate) struct Login {
    pub(crate) hub: Hub,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Option<LocalAccounts>,
    pub(crate) issuer: Option<Arc<Issuer>>,
    pub(crate) root_sign_in: bool,
    /// Makes the tokens in forms.
    pub(crate) form_secret: [u8; 32],
}

/// What is known about somebody beside the user id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Person {
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: Option<bool>,
}

impl From<&Account> for Person {
    fn from(account: &Account) -> Self {
        Self {
            name: Some(account.name.clone()),
            email: Some(account.email.clone()),
            email_verified: Some(account.email_verified),
        }
    }
}

impl From<&UserInfo> for Person {
    fn from(user: &UserInfo) -> Self {
        Self {
            name: None,
            email: user.email.clone(),
            email_verified: None,
        }
    }
}

impl Login {
    /// Sets up what the options say, and makes the hub accept the credentials that come with it.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(hub: Hub, options: Options, accounts: Arc<dyn AccountStore>) -> Result<Self, Error> {
        let accounts = match options.local {
            Some(mut local) => {
                let mailer = local.mail.take().map(Resend::new).transpose()?;
                let mailer = mailer.map(|mailer| Arc::new(mailer) as Arc<dyn Mailer>);
                let public_url = hub.options().public_base_url.clone();
                hub.authenticator()
                    .add_provider(Arc::new(LocalTokens::new(&public_url)));
                Some(LocalAccounts::new(local, accounts, mailer))
            }
            None => None,
        };
        let issuer = match options.issuer {
            Some(options) => {
                let issuer = Arc::new(Issuer::new(options)?);
                hub.authenticator()
                    .add_provider(Arc::new(IssuerTokens(issuer.clone())));
                Some(issuer)
            }
            None => None,
        };
        let mut form_secret = [0; 32];
        rand::rng().fill_bytes(&mut form_secret);
        Ok(Self {
            hub,
            sessions: Sessions::new(options.max_login_time),
            accounts,
            issuer,
            root_sign_in: options.root_sign_in,
            form_secret,
        })
    }

    /// The local accounts.
    ///
    /// # Errors
    /// There are none on this server.
    pub(crate) fn accounts(&self) -> Result<&LocalAccounts, AccountError> {
        self.accounts.as_ref().ok_or(AccountError::Off)
    }

    /// URL of the login page, with a slash at the end.
    pub(crate) fn page_url(&self) -> String {
        format!("{}/public/apps/hypha-login/", self.hub.options().public_base_url)
    }

    /// The user that a token stands for, if it may be used for anything.
    ///
    /// # Errors
    /// It is not valid, blocked, or for one purpose only; a text.
    pub(crate) async fn user_of_token(&self, token: &str, remote: IpAddr) -> Result<UserInfo, String> {
        let identity = self.hub.identify(Some(token), remote).await;
        let user = identity.map_err(|error| error.to_string())?.user;
        user.scope.general_access().map_err(|error| error.to_string())?;
        Ok(user)
    }

    /// How long a token lives that was asked for in this way.
    pub(crate) fn life(asked: Option<u64>, workspace: Option<&WorkspaceId>) -> u64 {
        let usual = if workspace.is_some() {
            DEFAULT_EXPIRES_IN
        } else {
            USER_TOKEN_LIFE
        };
        asked
            .filter(|seconds| *seconds > 0)
            .unwrap_or(usual)
            .min(MAX_EXPIRES_IN)
    }

    /// A token for `user`, for a workspace that it may read or for none in particular, and its life in seconds. It has
    /// no right, and lives no longer, than what `user` came with.
    ///
    /// # Errors
    /// No permission, or the token cannot be made.
    pub(crate) async fn token_for(
        &self,
        user: &UserInfo,
        workspace: Option<&WorkspaceId>,
        expires_in: Option<u64>,
    ) -> Result<(String, u64), RemoteFailure> {
        let now = unix_now();
        let bearer = match workspace {
            Some(workspace) => {
                let denied =
                    || RemoteFailure::permission(format!("Invalid permission for the workspace {workspace}"));
                let pinned = user.scope.current_workspace.as_deref();
                if pinned.is_some_and(|pinned| pinned != workspace.as_str()) {
                    return Err(denied());
                }
                let mut bearer = self
                    .hub
                    .user_in_workspace(user, workspace)
                    .await
                    .map_err(|_| denied())?;
                bearer.scope.client_id.clone_from(&user.scope.client_id);
                bearer
            }
            None => user.clone(),
        };
        let rest = user
            .expires_at
            .map_or(u64::MAX, |end| (end as u64).saturating_sub(now).max(1));
        let life = Self::life(expires_in, workspace).min(rest);
        let token = self.hub.authenticator().issue(&bearer, life, now).await?;
        Ok((token, life))
    }

    /// Lets whoever started the login `key` in, as `user`.
    ///
    /// # Errors
    /// There is no such login (any more), or the user may not read the workspace that was asked for.
    pub(crate) async fn complete(
        &self,
        key: &str,
        user: &UserInfo,
        person: Person,
    ) -> Result<(), RemoteFailure> {
        let asked = self.sessions.asked(key).ok_or(SessionError::Unknown)?;
        let Asked {
            workspace,
            expires_in,
            ..
        } = &*asked;
        let (token, life) = self.token_for(user, workspace.as_ref(), *expires_in).await?;
        let report = Report {
            token,
            workspace: workspace.as_ref().map(WorkspaceId::to_string),
            expires_in: Some(life),
            email: person.email,
            email_verified: person.email_verified,
            nickname: person.name.clone(),
            name: person.name,
            user_id: Some(user.id.clone()),
            picture: None,
        };
        Ok(self.sessions.report(key, report)?)
    }

    /// Completes a login with a token that somebody else has made; what the other fields of `report` say is passed on.
    ///
    /// # Errors
    /// The token is not valid, its user may not read the workspace, or there is no such login.
    pub(crate) async fn report(
        &self,
        key: &str,
        mut report: Report,
        remote: IpAddr,
    ) -> Result<(), RemoteFailure> {
        let unknown = || RemoteFailure::assertion("Invalid key, key does not exist or expired");
        self.sessions.asked(key).ok_or_else(unknown)?;
        let invalid =
            |error: String| RemoteFailure::value(format!("Invalid token provided to report_login: {error}"));
        let user = self.user_of_token(&report.token, remote).await.map_err(invalid)?;
        let workspace = report.workspace.as_deref().map(WorkspaceId::parse).transpose();
        let workspace = workspace.map_err(|error| RemoteFailure::value(error.to_string()))?;
        // The root token itself does not leave the hands of the operator.
        if workspace.is_some() || self.hub.authenticator().is_root_token(&report.token) {
            let (token, life) = self
                .token_for(&user, workspace.as_ref(), report.expires_in)
                .await?;
            report.token = token;
            report.expires_in = Some(life);
        } else {
            report.token = bare_token(&report.token)?.to_owned();
        }
        report.user_id.get_or_insert_with(|| user.id.clone());
        if report.email.is_none() {
            report.email.clone_from(&user.email);
        }
        self.sessions.report(key, report).map_err(|error| match error {
            SessionError::Unknown => unknown(),
            other => other.into(),
        })
    }
}

impl From<SessionError> for RemoteFailure {
    fn from(error: SessionError) -> Self {
        let text = error.to_string();
        match error {
            SessionError::Unknown | SessionError::Complete => Self::assertion(text),
            SessionError::Expired(_) | SessionError::Timeout(_) => Self::timeout(text),
            SessionError::TooMany(_) => Self::runtime(text),
        }
    }
}
