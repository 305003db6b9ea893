//! The load generator: measures the hub beside the original server and a bare relay, all on this machine and in one go.
//!
//! | module | subject |
//! |---|---|
//! | [`run`] | the settings of a run |
//! | [`child`], [`server`] | the servers that are measured, as child processes |
//! | [`socket`], [`mask`], [`template`], [`line`], [`peer`], [`values`] | the raw clients |
//! | [`load`] | calls between raw clients |
//! | [`http`], [`http_load`] | the HTTP client |
//! | [`app`] | the ASGI application |
//! | [`startup`], [`routing`], [`cycles`], [`idle`], [`chunks`], [`bulk`], [`registry`], [`storm`] | the scenarios |
//! | [`http_calls`], [`http_apps`] | the scenarios with HTTP |
//! | [`report`] | the figures, beside what is wanted |
//! | [`relay`] | the bare relay |

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::report::{Figure, Report};
use crate::run::Run;
use crate::server::Programs;

mod app;
mod bulk;
mod child;
mod chunks;
mod cycles;
mod http;
mod http_apps;
mod http_calls;
mod http_load;
mod idle;
mod line;
mod load;
mod mask;
mod peer;
mod registry;
mod relay;
mod report;
mod routing;
mod run;
mod server;
mod socket;
mod startup;
mod storm;
mod template;
mod values;

/// Measures the hub beside the original server and a bare relay.
#[derive(Debug, Parser)]
#[command(name = "hypha-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Subcommands>,
    /// The binary to measure.
    #[arg(long, env = "HYPHA_BIN", default_value = "target/release/hypha")]
    hypha: PathBuf,
    /// Python interpreter of an environment with the original server (see bench/setup).
    #[arg(long, env = "HYPHA_BENCH_ORIGINAL")]
    original: Option<PathBuf>,
    /// Only scenarios whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Small numbers: shows that everything works; the figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Writes the figures to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Puts the table between the markers of this Markdown file.
    #[arg(long)]
    page: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Runs the bare relay on a loopback port.
    Relay {
        /// The port.
        #[arg(long)]
        port: u16,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // Thousands of connections need as many descriptors; the servers inherit the limit.
    rlimit::increase_nofile_limit(u64::MAX)?;
    match arguments.command {
        Some(Subcommands::Relay { port }) => relay::serve(port),
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(measure(arguments)),
    }
}

async fn measure(arguments: Arguments) -> Result<()> {
    let run = Run {
        programs: Programs {
            ours: std::path::absolute(&arguments.hypha)?,
            original: arguments
                .original
                .clone()
                .filter(|path| !path.as_os_str().is_empty()),
            own: std::env::current_exe()?,
        },
        quick: arguments.quick,
    };
    let mut figures: Vec<Figure> = Vec::new();
    macro_rules! scenarios {
        ($($name:literal => $module:ident),* $(,)?) => {$(
            if $name.contains(&arguments.only) {
                let started = Instant::now();
                eprintln!("{}", $name);
                figures.extend($module::measure(&run).await.context($name)?);
                eprintln!("  done in {:.0} s", started.elapsed().as_secs_f64());
            }
        )*};
    }
    scenarios! {
        "startup" => startup,
        "routing" => routing,
        "cycles" => cycles,
        "idle" => idle,
        "chunks" => chunks,
        "bulk" => bulk,
        "registry" => registry,
        "storm" => storm,
        "http-calls" => http_calls,
        "http-apps" => http_apps,
    }
    let report = Report {
        date: output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        command: match (arguments.quick, arguments.only.as_str()) {
            (true, _) => "make bench BENCH=--quick".to_owned(),
            (false, "") => "make bench".to_owned(),
            (false, only) => format!("make bench BENCH=\"--only {only}\""),
        },
        machine: machine(),
        versions: versions(&run.programs),
        figures,
    };
    println!("{}", report.markdown());
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    if let Some(path) = &arguments.page {
        let page = std::fs::read_to_string(path)?;
        std::fs::write(path, report.inserted(&page)?)?;
    }
    Ok(())
}

/// What a program prints; empty if it cannot be run.
fn output(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{cores} cores ({})", model.map_or("unknown", |(_, model)| model))
}

fn versions(programs: &Programs) -> Vec<String> {
    let mut versions = vec![output(&programs.ours, &["--version"])];
    if let Some(python) = &programs.original {
        let script = "import importlib.metadata as m, platform; \
                      print('hypha', m.version('hypha'), 'on Python', platform.python_version())";
        versions.push(output(python, &["-c", script]));
        let redis = output("redis-server", &["--version"]);
        versions.push(redis.split(' ').take(3).collect::<Vec<_>>().join(" "));
    }
    versions
}
