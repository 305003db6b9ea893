//! `hypha demo`: a server, a client that offers a service, and a client that uses it, in one process and step by step.

mod statistics;

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use hypha_rpc::{Callback, Client, TokenOptions, args, connect};

use super::output::line;
use super::serve::until_stopped;
use crate::config::settings::Settings;
use crate::serve::Server;
use crate::signals::Signals;
use statistics::{Statistics, Summary};

/// See a server and two clients at work; nothing is kept.
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// End afterwards instead of waiting for Ctrl-C
    #[arg(long)]
    once: bool,
}

/// Runs the demonstration.
///
/// # Errors
/// A step failed.
pub(super) async fn run(options: Demo) -> Result<()> {
    let signals = Signals::new()?;
    let server = Server::start(Settings::ephemeral()).await?;
    let url = server.url().to_owned();
    line(&format!("1. A server is running at {url}; it keeps nothing.\n"))?;
    let (worker, caller, service) = steps(&url).await?;
    if options.once {
        caller.disconnect().await;
        worker.disconnect().await;
        server.stop().await;
        return Ok(());
    }
    line(&how_to_go_on(&url, &service))?;
    until_stopped(server, signals).await;
    // Until here, so that the service could be called.
    drop((worker, caller));
    Ok(())
}

/// Connects two clients to the server at `url` and lets one call the other. Returns both and the id of the service.
async fn steps(url: &str) -> Result<(Client, Client, String)> {
    let worker = connect(url)
        .client_id("demo-worker")
        .await
        .context("the first client cannot connect")?;
    let workspace = worker.workspace().to_owned();
    line(&format!(
        "2. Client `demo-worker` has connected, without a token: it is anonymous, in a workspace of its own,\n   {workspace}.\n"
    ))?;

    let service = worker.register_service(Statistics).await?.id;
    line(&format!(
        "3. It offers the service `statistics`, for everybody. Its full id is\n   {service}.\n"
    ))?;

    let token = worker.manager().generate_token(&TokenOptions::default()).await?;
    let caller = connect(url)
        .client_id("demo-caller")
        .workspace(&workspace)
        .token(token)
        .await?;
    line(
        "4. Client `demo-caller` has joined the same workspace, with a token that `demo-worker` made for it.\n",
    )?;

    let statistics = caller.get_service("statistics").await?;
    line(&format!(
        "5. It has found the service, with the functions {}.\n",
        statistics.functions().join(" and ")
    ))?;

    let values: Vec<f64> = (0..100_000)
        .map(|i| f64::from(i).sin() + f64::from(i % 7))
        .collect();
    let started = Instant::now();
    let summary: Summary = statistics.call("summarize", (&values,)).await?;
    line(&format!(
        "6. summarize({} numbers) took {:.1} ms there and back and says:\n   mean {:.4}, median {:.4}, standard deviation {:.4}, from {:.4} to {:.4}.\n",
        summary.count,
        started.elapsed().as_secs_f64() * 1e3,
        summary.mean,
        summary.median,
        summary.deviation,
        summary.min,
        summary.max
    ))?;

    let progress = Callback::from_fn(|(share,): (f64,)| {
        // Progress that nobody reads is no reason to fail.
        let _ = line(&format!("   … {:.0} % done, says the callback", share * 100.0));
    });
    line(
        "7. histogram(the same numbers, bins=4), with a function of the caller that the worker calls meanwhile:",
    )?;
    let counts: Vec<u64> = statistics
        .call("histogram", args![values, bins = 4, progress = progress])
        .await?;
    line(&format!(
        "   The bins have {counts:?} numbers, {} in all.\n",
        counts.iter().sum::<u64>()
    ))?;
    Ok((worker, caller, service))
}

fn how_to_go_on(url: &str, service: &str) -> String {
    format!(
        "The server stays up. Call the service from Python:\n\n\
         \x20   import asyncio\n\
         \x20   from hypha_rpc import connect_to_server\n\n\
         \x20   async def main():\n\
         \x20       server = await connect_to_server({{\"server_url\": \"{url}\"}})\n\
         \x20       statistics = await server.get_service(\"{service}\")\n\
         \x20       print(await statistics.summarize([1, 2, 3, 4]))\n\n\
         \x20   asyncio.run(main())\n\n\
         or from another terminal:\n\n\
         \x20   hypha call --server-url {url} {service}.summarize '[1, 2, 3, 4]'\n\n\
         Ctrl-C stops it."
    )
}
