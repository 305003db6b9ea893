//! `hypha workspaces`.

use anyhow::Result;
use clap::Args;
use hypha_wire::Value;
use hypha_wire::convert::to_json;

use super::connection::Connection;
use super::output;
use crate::config::env::Env;

/// List the workspaces that you may read.
#[derive(Args, Debug)]
pub(super) struct Workspaces {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Lists them; the current one is marked.
///
/// # Errors
/// There is no server, or it refuses.
pub(super) async fn run(args: Workspaces, env: &Env) -> Result<()> {
    let client = args.connection.open(env).await?;
    let found = client.manager().list_workspaces().await?;
    let current = client.workspace().to_owned();
    client.disconnect().await;
    if args.json {
        return output::json(&found.iter().map(to_json).collect());
    }
    let rows = found.iter().map(|workspace| {
        let id = output::text_of(workspace, "id");
        let mark = if id == current { "*" } else { "" };
        let persistent = workspace
            .get("persistent")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let kept = if persistent { "kept" } else { "temporary" };
        vec![
            mark.to_owned(),
            id,
            kept.to_owned(),
            owners(workspace),
            output::text_of(workspace, "description"),
        ]
    });
    output::table(
        &["", "ID", "KIND", "OWNERS", "DESCRIPTION"],
        rows.collect(),
        "No workspaces.",
    )
}

fn owners(workspace: &Value) -> String {
    let owners = workspace
        .get("owners")
        .and_then(Value::as_list)
        .unwrap_or_default();
    owners
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
