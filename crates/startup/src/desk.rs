//! Answers what the Python process asks the server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hypha_hub::auth::UserInfo;
use hypha_hub::ids::{ClientId, WorkspaceId, random_id};
use hypha_hub::{Hub, OwnClient};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::link::Link;
use crate::message::Question;
use crate::provider::Provider;

/// Most workspaces that functions may have open beside their own.
const OPEN: usize = 1024;

/// What one Python process has of the server. Its clients are the server's own for as long as this lives.
pub(crate) struct Desk {
    hub: Hub,
    provider: Arc<Provider>,
    link: Arc<Link>,
    opened: Mutex<HashMap<String, OwnClient>>,
}

impl Desk {
    pub(crate) fn new(hub: Hub, provider: Arc<Provider>, link: Arc<Link>) -> Self {
        Self {
            hub,
            provider,
            link,
            opened: Mutex::default(),
        }
    }

    /// The answer, or what went wrong.
    pub(crate) fn answer(&self, question: Question) -> Result<Value, String> {
        let authenticator = self.hub.authenticator();
        match question {
            Question::Provide { functions } => {
                self.provider.set(functions, self.link.clone());
                Ok(Value::Null)
            }
            Question::ParseToken { token } => {
                let user = authenticator
                    .authenticate_locally(&token, unix_now())
                    .map_err(text)?;
                serde_json::to_value(user).map_err(text)
            }
            Question::GenerateToken { user, expires_in } => {
                let token = authenticator
                    .issuer()
                    .issue(&user, expires_in, unix_now())
                    .map_err(text)?;
                Ok(Value::String(token))
            }
            Question::Open {
                user,
                workspace,
                client_id,
            } => self.open(&user, &workspace, client_id),
            Question::Close { workspace, client_id } => {
                self.opened.lock().remove(&format!("{workspace}/{client_id}"));
                Ok(Value::Null)
            }
        }
    }

    fn open(&self, user: &UserInfo, workspace: &str, client_id: Option<String>) -> Result<Value, String> {
        let workspace = WorkspaceId::parse(workspace).map_err(text)?;
        let client = client_id.unwrap_or_else(|| format!("startup-{}", random_id(&mut rand::rng())));
        let client = ClientId::parse(&client).map_err(text)?;
        let mut opened = self.opened.lock();
        if opened.len() >= OPEN {
            return Err(format!("at most {OPEN} workspaces can be open; close some first"));
        }
        let own = self.hub.own_client(&workspace, &client, user).map_err(text)?;
        let answer = json!({"client_id": client.as_str(), "token": own.token()});
        opened.insert(format!("{workspace}/{client}"), own);
        Ok(answer)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Seconds since the Unix epoch.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
