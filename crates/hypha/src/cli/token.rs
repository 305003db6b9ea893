//! `hypha token`.

use anyhow::Result;
use clap::Args;
use hypha_rpc::TokenOptions;
use serde_json::json;

use super::connection::Connection;
use super::output;
use crate::config::env::Env;

/// Life of a token when nobody says how long, in seconds.
const DEFAULT_LIFE: u64 = 3600;

/// Make a token for another program.
#[derive(Args, Debug)]
#[command(after_help = "\
The token is for one workspace, your own if none is named, and never allows more than you may do yourself. Keep it secret.

Examples:
  hypha token --workspace my-lab --permission read --expires-in 86400
  HYPHA_TOKEN=$(hypha token --token \"$ROOT_TOKEN\" --workspace my-lab) python worker.py")]
pub(super) struct Token {
    /// What its bearer may do
    #[arg(long, value_name = "LEVEL", default_value = "read_write", value_parser = ["read", "read_write", "admin"])]
    permission: String,
    /// Its life in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_LIFE, value_parser = clap::value_parser!(u64).range(1..))]
    expires_in: u64,
    /// The only client id that may use it
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Makes the token. It alone goes to standard output, so that a script can take it.
///
/// # Errors
/// There is no server, or it refuses.
pub(super) async fn run(args: Token, env: &Env) -> Result<()> {
    let target = args.connection.target(env)?;
    // The token is for that workspace; making it does not need to join it.
    let client = target.clone().anywhere().open().await?;
    let workspace = target.workspace.unwrap_or_else(|| client.workspace().to_owned());
    let options = TokenOptions {
        workspace: Some(workspace.clone()),
        expires_in: Some(args.expires_in),
        permission: Some(args.permission.clone()),
        client_id: args.client_id,
    };
    let token = client.manager().generate_token(&options).await?;
    client.disconnect().await;
    if args.json {
        let (permission, life) = (&args.permission, args.expires_in);
        return output::json(
            &json!({"token": token, "workspace": workspace, "permission": permission, "expires_in": life}),
        );
    }
    eprintln!(
        "{} token for workspace {workspace}, at most {} seconds:",
        args.permission, args.expires_in
    );
    output::line(&token)
}
