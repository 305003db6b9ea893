//! `hypha doctor`: what works, what is missing, and what to do about it.
//!
//! | module | looks at |
//! | --- | --- |
//! | [`server`] | the server: health, version, clock, transports, token |
//! | [`http`] | (the requests for that) |
//! | [`storage`] | the data folder, the profiles, databases |
//! | [`kernel`] | limits and isolation of processes |
//! | [`programs`] | programs that parts of the system use |
//! | [`finding`] | what a look gives |

mod finding;
mod http;
mod kernel;
mod programs;
mod server;
mod storage;

use anyhow::{Result, bail};
use clap::Args;
use console::{Style, style};
use serde_json::json;

use super::connection::Connection;
use super::output;
use crate::config::env::Env;
use finding::{Finding, Job, State};

/// Find out what works, what is missing, and what to do about it.
#[derive(Args, Debug)]
#[command(after_help = "\
Each line is ok, missing (fine unless you need it) or a problem. The exit code is 1 if a problem stops the main job:
reaching the server, if one is named here, in HYPHA_SERVER_URL or in a profile; otherwise starting one with `hypha serve`.
Nothing is changed, and no token is shown.

Examples:
  hypha doctor
  hypha doctor https://hypha.example.org
  hypha doctor --json | jq '.findings[] | select(.state != \"ok\")'")]
pub(super) struct Doctor {
    /// URL of the server to look at [default: that of the connection]
    #[arg(value_name = "URL", conflicts_with_all = ["server_url", "profile"])]
    url: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// A part of the report.
struct Section {
    title: String,
    findings: Vec<Finding>,
}

/// Looks at everything and prints what was found.
///
/// # Errors
/// A problem stops the main job; or there is no such profile.
pub(super) async fn run(args: Doctor, env: &Env) -> Result<()> {
    let target = args.connection.with_url(args.url).target(env)?;
    let job = if target.is_named { Job::Connect } else { Job::Serve };
    let (server, programs, storage) =
        tokio::join!(server::look(&target), programs::look(env), storage::look(env));
    let section = |title: &str, findings| Section {
        title: title.to_owned(),
        findings,
    };
    let report = [
        section(&format!("Server {}", output::harmless(&target.url)), server),
        section("Data", storage),
        section("This machine", kernel::look().await),
        section("Programs", programs),
    ];
    let all = || report.iter().flat_map(|section| &section.findings);
    let stopping: Vec<&str> = all()
        .filter(|finding| finding.stops == Some(job))
        .map(|finding| finding.name)
        .collect();
    if args.json {
        let findings = |section: &Section| -> Vec<_> {
            section
                .findings
                .iter()
                .map(|finding| finding.json(&section.title, job))
                .collect()
        };
        output::json(&json!({
            "server_url": target.url,
            "job": job.name(),
            "ok": stopping.is_empty(),
            "findings": report.iter().flat_map(findings).collect::<Vec<_>>(),
        }))?;
    } else {
        for section in &report {
            print(section)?;
        }
        let count = |state| all().filter(|finding| finding.state == state).count();
        output::line(&format!(
            "{} ok, {} missing, {} problems",
            count(State::Ok),
            count(State::Missing),
            count(State::Problem)
        ))?;
    }
    if !stopping.is_empty() {
        bail!("{} cannot work: {}", job.name(), stopping.join(", "));
    }
    Ok(())
}

/// Prints a section; with colours if a terminal shows it.
fn print(section: &Section) -> Result<()> {
    output::line(&style(&section.title).bold().to_string())?;
    for finding in &section.findings {
        let look = match finding.state {
            State::Ok => Style::new().green(),
            State::Missing => Style::new().yellow(),
            State::Problem => Style::new().red(),
        };
        let state = look.apply_to(format!("{:<7}", finding.state.name()));
        let text = output::harmless(&finding.text);
        output::line(&format!("  {state}  {:<15}  {text}", finding.name))?;
        if let Some(advice) = &finding.advice {
            output::line(&format!("{:28}{}", "", output::harmless(advice)))?;
        }
    }
    output::line("")
}
