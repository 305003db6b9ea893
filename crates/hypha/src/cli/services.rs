//! `hypha services`.

use anyhow::{Context, Result};
use clap::Args;
use hypha_wire::Value;
use hypha_wire::convert::{from_json, to_json};

use super::connection::Connection;
use super::output;
use crate::config::env::Env;

/// List services.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hypha services                              of the workspace
  hypha services public                       of another workspace
  hypha services '{\"type\": \"server-app-worker\"}'   with these properties
  hypha services --json | jq -r '.[].id'      ids, for a script")]
pub(super) struct Services {
    /// A workspace, an id, or a JSON map of properties [default: the current workspace]
    query: Option<String>,
    /// Print JSON, with everything that is known
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Lists them.
///
/// # Errors
/// There is no server, it refuses, or the query is malformed.
pub(super) async fn run(args: Services, env: &Env) -> Result<()> {
    let query = query(args.query.as_deref())?;
    let client = args.connection.open(env).await?;
    let found: Vec<Value> = client.manager().call("list_services", (query,)).await?;
    let workspace = client.workspace().to_owned();
    client.disconnect().await;
    if args.json {
        return output::json(&found.iter().map(to_json).collect());
    }
    let rows = found.iter().map(|service| {
        let text = |key| output::text_of(service, key);
        let visibility = service
            .get("config")
            .map(|config| output::text_of(config, "visibility"));
        vec![
            text("id"),
            text("name"),
            text("type"),
            visibility.unwrap_or_default(),
            text("description"),
        ]
    });
    let empty = format!("No services found (connected to workspace {workspace}).");
    output::table(
        &["ID", "NAME", "TYPE", "VISIBILITY", "DESCRIPTION"],
        rows.collect(),
        &empty,
    )
}

fn query(text: Option<&str>) -> Result<Value> {
    match text {
        None => Ok(Value::Nil),
        Some(text) if text.trim_start().starts_with('{') => Ok(from_json(
            serde_json::from_str(text).context("the query is not JSON")?,
        )),
        Some(text) => Ok(Value::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        assert_eq!(query(None).unwrap(), Value::Nil);
        assert_eq!(query(Some("public")).unwrap(), Value::from("public"));
        assert_eq!(
            query(Some(r#"{"type": "x"}"#)).unwrap().get("type"),
            Some(&Value::from("x"))
        );
        assert!(query(Some("{type: x}")).is_err());
    }
}
