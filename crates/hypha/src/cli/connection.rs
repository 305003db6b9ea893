//! How a command reaches a server.

use anyhow::Result;
use clap::Args;
use hypha_rpc::{Client, connect};

/// Which server, as whom.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(super) struct Connection {
    /// URL of the server
    #[arg(
        long,
        value_name = "URL",
        env = "HYPHA_SERVER_URL",
        default_value = "http://127.0.0.1:9527"
    )]
    server_url: String,
    /// Workspace to work in [default: the token's, or your own]
    #[arg(long, value_name = "ID", env = "HYPHA_WORKSPACE")]
    workspace: Option<String>,
    /// Token to log in with; anonymous without one
    #[arg(long, value_name = "TOKEN", env = "HYPHA_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Connection {
    /// Connects, as a client that is not listed: it only calls others.
    ///
    /// # Errors
    /// There is no server, or it refuses.
    pub(super) async fn open(&self) -> Result<Client> {
        let mut options = connect(&self.server_url).silent();
        if let Some(workspace) = self.workspace() {
            options = options.workspace(workspace);
        }
        if let Some(token) = given(self.token.as_ref()) {
            options = options.token(token);
        }
        Ok(options.await?)
    }

    /// The workspace that was asked for.
    pub(super) fn workspace(&self) -> Option<String> {
        given(self.workspace.as_ref())
    }

    /// The same connection, to wherever the token leads.
    pub(super) fn anywhere(self) -> Self {
        Self {
            workspace: None,
            ..self
        }
    }
}

fn given(value: Option<&String>) -> Option<String> {
    value.cloned().filter(|value| !value.trim().is_empty())
}
