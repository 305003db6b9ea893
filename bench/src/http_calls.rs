//! Scenario: services called over HTTP. Calls per second, CPU per call, the time of one call beside that of one over a
//! WebSocket, and what many calls leave in the server's memory.
//!
//! The service is a raw client: it answers each call with what it got.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::http::{Http, request};
use crate::http_load::{Throughput, exactly, median, throughput};
use crate::line::{End, Line};
use crate::peer::Peer;
use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::{Kind, Server, WORKSPACE};
use crate::template::session;

/// Kept connections of each load.
const CONNECTIONS: [usize; 3] = [1, 16, 256];

/// The client that has the service.
const OWNER: &str = "http-owner";

/// Calls before and after memory is looked at first.
const OURS: [usize; 2] = [1_000, 99_000];
const ORIGINAL: [usize; 2] = [100, 1_000];

/// What was measured of one server.
struct Measured {
    loads: Vec<(String, Throughput)>,
    /// Middle time of a call over HTTP and over a WebSocket, in microseconds.
    times: [f64; 2],
    /// Growth of memory in MiB.
    growth: f64,
}

/// Measures both servers.
///
/// # Errors
/// If a server fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let mut results = Vec::new();
    for (kind, counts) in [(Kind::Ours, OURS), (Kind::Original, ORIGINAL)] {
        let Some(server) = run.start(kind).await? else {
            continue;
        };
        let measured = LocalSet::new().run_until(one(run, &server, counts)).await?;
        results.push(measured);
    }
    Ok(figures(&results))
}

async fn one(run: &Run, server: &Server, counts: [usize; 2]) -> Result<Measured> {
    let kind = server.kind;
    let owner = serve(server).await?;
    let path = format!("/{WORKSPACE}/services/{OWNER}:echo/echo");
    let data = "x".repeat(64);
    let body = format!(r#"{{"data":"{data}"}}"#);
    let post = request(
        "POST",
        &path,
        &server.token,
        Some(("application/json", body.as_bytes())),
    );
    let get = request("GET", &format!("{path}?data={data}"), &server.token, None);

    // First, so that what the loads need is not there yet.
    let [first, more] = counts.map(|count| run.count(count));
    exactly(server.address, &post, 16, first).await?;
    settle().await;
    let before = server.process.memory()?;
    exactly(server.address, &post, 16, more).await?;
    settle().await;
    let growth = (server.process.memory()? as f64 - before as f64) / f64::from(1 << 20);
    run.say(&format!(
        "{kind:?}: memory grew by {growth:.1} MiB in {more} calls"
    ));

    let times = alternate(server, &post, run.seconds()).await?;
    run.say(&format!(
        "{kind:?}: p50 {:.0} us over HTTP, {:.0} us over a WebSocket",
        times[0], times[1]
    ));

    let mut loads = Vec::new();
    let posts = CONNECTIONS.map(|count| (count, &post, "POST"));
    for (connections, request, method) in posts.into_iter().chain([(16, &get, "GET")]) {
        let name = format!("{method}, {connections} connections");
        let load = throughput(server, server.address, request, connections, run.seconds()).await?;
        run.say(&format!(
            "{kind:?}, {name}: {:.0} calls/s, {:.1} us a call, generator {:.2} cores",
            load.calls, load.cpu, load.generator
        ));
        loads.push((name, load));
    }
    owner.abort();
    Ok(Measured { loads, times, growth })
}

/// Connects the client that has the service, and lets it answer.
async fn serve(server: &Server) -> Result<JoinHandle<()>> {
    let mut owner = Peer::join(server, OWNER).await?;
    owner.introduce().await?;
    owner.register("echo", "protected").await?;
    Ok(spawn_local(async move { owner.answer().await }))
}

/// Lets the server finish what the last calls have left.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Calls the service over HTTP and over a WebSocket in turn; the middle times in microseconds.
async fn alternate(server: &Server, post: &[u8], seconds: f64) -> Result<[f64; 2]> {
    let (caller, owner) = (End::new(server, 0, "http-caller"), End::new(server, 1, OWNER));
    let call = caller.call(&owner, "services.echo.echo", vec!["x".repeat(64).into()]);
    let mut line = Line::open(server, &caller, vec![call]).await?;
    let mut http = Http::open(server.address).await?;
    let mut times = [Vec::new(), Vec::new()];
    let started = Instant::now();
    let mut number = 0;
    while started.elapsed().as_secs_f64() < seconds * 1.2 {
        number += 1;
        let over_http = http.ask(post).await?.whole;
        let sent = Instant::now();
        let call = line.templates.first_mut().context("a call")?;
        line.socket.output.binary(call.with(&session(0, number)));
        line.socket.flush().await?;
        while line.answers(|_, _| {}).await? == 0 {}
        let over_socket = sent.elapsed();
        if started.elapsed().as_secs_f64() > seconds * 0.2 {
            times[0].push(over_http);
            times[1].push(over_socket);
        }
    }
    Ok(times.map(median))
}

fn figures(results: &[Measured]) -> Vec<Figure> {
    let (Some(ours), original) = (results.first(), results.get(1)) else {
        return Vec::new();
    };
    let mut figures = Vec::new();
    for (index, (name, load)) in ours.loads.iter().enumerate() {
        let theirs = original.and_then(|original| original.loads.get(index));
        figures.push(Figure {
            name: format!("CPU per HTTP service call, {name}"),
            unit: "us",
            ours: load.cpu,
            against: "original",
            reference: theirs.map(|(_, load)| load.cpu),
            better: Better::Lower,
            goal: Goal::TimesBetter(40.0),
        });
        figures.push(Figure {
            name: format!("HTTP service calls per second, {name}"),
            unit: "/s",
            ours: load.calls,
            against: "original",
            reference: theirs.map(|(_, load)| load.calls),
            better: Better::Higher,
            goal: Goal::Told,
        });
    }
    let p50 = |against, reference, goal| Figure {
        name: "HTTP service call, p50".to_owned(),
        unit: "us",
        ours: ours.times[0],
        against,
        reference,
        better: Better::Lower,
        goal,
    };
    figures.push(p50(
        "ours over a WebSocket",
        Some(ours.times[1]),
        Goal::AtMostTimes(1.5),
    ));
    figures.push(p50(
        "original",
        original.map(|original| original.times[0]),
        Goal::Told,
    ));
    figures.push(Figure {
        name: "growth of memory from the 1,000th to the 100,000th HTTP call".to_owned(),
        unit: "MiB",
        ours: ours.growth,
        against: "original (from the 100th to the 1,100th)",
        reference: original.map(|original| original.growth),
        better: Better::Lower,
        goal: Goal::AtMost(4.0),
    });
    figures
}
