//! `hypha ping`.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use hypha_rpc::{Client, args};
use hypha_wire::Value;
use serde_json::json;

use super::connection::Connection;
use super::output;
use crate::config::env::Env;

/// Round trips that are measured.
const ROUNDS: usize = 5;
/// How long a client may take to answer, in seconds.
const TIMEOUT: f64 = 5.0;

/// Measure the way to the server, or to a client.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hypha ping                    to the server and back
  hypha ping my-client          through the server to a client and back")]
pub(super) struct Ping {
    /// A client of the workspace, or <workspace>/<client> [default: the server]
    client: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Measures.
///
/// # Errors
/// There is no server, or no answer.
pub(super) async fn run(options: Ping, env: &Env) -> Result<()> {
    let client = options.connection.open(env).await?;
    let target = options.client.as_deref().unwrap_or("server");
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let time = round(&client, options.client.as_deref()).await?;
        if !options.json {
            output::line(&format!(
                "pong from {}: {}",
                output::harmless(target),
                milliseconds(time)
            ))?;
        }
        times.push(time);
    }
    client.disconnect().await;
    if options.json {
        let times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        return output::json(&json!({"target": target, "round_trips_ms": times}));
    }
    let fastest = times.iter().min().copied().unwrap_or_default();
    let slowest = times.iter().max().copied().unwrap_or_default();
    output::line(&format!(
        "{ROUNDS} round trips, {} to {}",
        milliseconds(fastest),
        milliseconds(slowest)
    ))
}

async fn round(client: &Client, target: Option<&str>) -> Result<Duration> {
    let manager = client.manager();
    let started = Instant::now();
    match target {
        None => {
            manager.call::<Value>("check_status", ()).await?;
        }
        Some(target) => {
            let answer: String = manager.call("ping", args![target, timeout = TIMEOUT]).await?;
            if answer != "pong" {
                bail!("{}", output::harmless(&answer));
            }
        }
    }
    Ok(started.elapsed())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
