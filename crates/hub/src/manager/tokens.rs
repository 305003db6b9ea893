//! Tokens for others: generate, revoke, show.

use hypha_rpc::{RemoteFailure, Value};

use super::{Manager, Result};
use crate::auth::authenticator::bare_token;
use crate::auth::revoked::token_hash;
use crate::auth::{Permission, TokenConfig, child_token};
use crate::caller::Caller;
use crate::hub::unix_now;
use crate::ids::WorkspaceId;

impl Manager {
    pub(super) async fn new_token(&self, caller: &Caller, config: TokenConfig) -> Result<String> {
        let workspace = match config.workspace.as_deref().filter(|id| !id.is_empty()) {
            Some(id) => WorkspaceId::parse(id).map_err(|error| RemoteFailure::value(error.to_string()))?,
            None => caller.workspace_id().clone(),
        };
        let owners = self
            .hub
            .workspace_info(workspace.as_str())
            .await?
            .map(|info| info.owners)
            .unwrap_or_default();
        let now = unix_now();
        let mut parent = caller.user().clone();
        // The credential of a live connection is its reconnection token, which is made anew whenever it asks.
        let life = self.hub.options().reconnection_token_life_time.max(1.0);
        parent.expires_at = parent.expires_at.map(|at| at.max(now as f64 + life));
        let child = child_token(&parent, &config, &workspace, &owners, now, &mut rand::rng())?;
        Ok(self
            .hub
            .authenticator()
            .issue(&child.user, child.expires_in, now)
            .await?)
    }

    pub(super) async fn revoke(&self, caller: &Caller, token: &str) -> Result<()> {
        caller.require(Permission::Admin)?;
        let invalid = |error: &dyn std::fmt::Display| RemoteFailure::value(format!("Invalid token: {error}"));
        if self.hub.authenticator().is_root_token(token) {
            return Err(invalid(
                &"the root token cannot be revoked; restart the server with another one",
            ));
        }
        let token = bare_token(token).map_err(|error| invalid(&error))?;
        let now = unix_now();
        let user = match self.hub.authenticator().authenticate(token, now).await {
            Ok(user) => user,
            Err(crate::auth::AuthError::Expired) => {
                return Err(RemoteFailure::value("Token has already expired"));
            }
            Err(crate::auth::AuthError::Revoked) => return Ok(()),
            Err(error) => return Err(invalid(&error)),
        };
        let about_here = user
            .scope
            .current_workspace
            .as_deref()
            .is_none_or(|id| caller.may(id, Permission::Admin));
        if !about_here {
            return Err(RemoteFailure::permission(
                "Only an admin of the token's workspace may revoke it",
            ));
        }
        let expires_at = user.expires_at.map_or(u64::MAX >> 1, |at| at as u64);
        let hash = token_hash(token);
        self.hub.store().revoke_token(&hash, expires_at).await?;
        self.hub.authenticator().revoked().insert(hash, expires_at);
        Ok(())
    }

    pub(super) async fn read_token(&self, caller: &Caller, token: &str) -> Result<Value> {
        caller.require(Permission::Read)?;
        let user = self.hub.authenticator().authenticate(token, unix_now()).await?;
        let current = caller.workspace();
        if user
            .scope
            .current_workspace
            .as_deref()
            .is_some_and(|pinned| pinned != current)
        {
            return Err(RemoteFailure::permission(format!(
                "Token is not authorized for workspace '{current}'"
            )));
        }
        Ok(user.to_value())
    }
}
