//! Calls between raw clients: as many as go through, or one after the other.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hypha_wire::Value;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::child::own_cpu;
use crate::line::{End, Line};
use crate::server::Server;
use crate::socket::Output;
use crate::template::{Template, session};

/// Bytes of the argument, and of the result.
const DATA: usize = 64;

/// Who calls whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Number of callers.
    pub(crate) callers: usize,
    /// Number of services; caller `i` calls service `i % services`.
    pub(crate) services: usize,
    /// Calls that each caller has under way.
    pub(crate) depth: usize,
    /// Each caller calls all services in turn instead.
    pub(crate) spread: bool,
}

/// What was measured while calls went through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throughput {
    /// Calls answered in a second.
    pub(crate) calls: f64,
    /// CPU of the server for one routed message (a call is two), in microseconds.
    pub(crate) cpu: f64,
    /// Cores that the load generator itself was using.
    pub(crate) generator: f64,
}

/// Connects callers and services, in this order.
async fn connect(server: &Server, shape: Shape) -> Result<(Vec<Line>, Vec<Line>)> {
    let names = |kind: &str, count: usize| {
        (0..count)
            .map(move |i| format!("{kind}-{i:03}"))
            .collect::<Vec<_>>()
    };
    let names = [names("caller", shape.callers), names("service", shape.services)].concat();
    let ends = names
        .iter()
        .enumerate()
        .map(|(index, name)| End::new(server, index, name));
    let ends: Vec<End> = ends.collect();
    let (callers, services) = ends.split_at(shape.callers);
    let data = || Value::Bytes(Bytes::from(vec![0x5a; DATA]));
    let mut lines = (Vec::new(), Vec::new());
    for caller in callers {
        let calls = services
            .iter()
            .map(|service| caller.call(service, "services.echo.echo", vec![data()]));
        lines.0.push(Line::open(server, caller, calls.collect()).await?);
    }
    for service in services {
        let answers = callers.iter().map(|caller| service.resolve(caller, data()));
        lines
            .1
            .push(Line::open(server, service, answers.collect()).await?);
    }
    Ok(lines)
}

/// Calls for `seconds`, after a warm-up of a fifth of that.
///
/// # Errors
/// If a connection fails or a call is answered with an error.
pub(crate) async fn throughput(server: &Server, shape: Shape, seconds: f64) -> Result<Throughput> {
    let (callers, services) = connect(server, shape).await?;
    LocalSet::new()
        .run_until(async move {
            let answered = Rc::new(Cell::new(0));
            let mut tasks: Vec<JoinHandle<Result<()>>> = services
                .into_iter()
                .map(|line| spawn_local(line.serve()))
                .collect();
            for (index, line) in callers.into_iter().enumerate() {
                tasks.push(spawn_local(call(line, index, shape, answered.clone())));
            }
            tokio::time::sleep(Duration::from_secs_f64(seconds / 5.0)).await;
            let (from, cpu, own, calls) = (Instant::now(), server.process.cpu()?, own_cpu()?, answered.get());
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            let (elapsed, cpu, own) = (from.elapsed(), server.process.cpu()? - cpu, own_cpu()? - own);
            let calls = (answered.get() - calls) as f64;
            for task in tasks {
                if task.is_finished() {
                    task.await??;
                }
                // A task that runs ends with the set it belongs to.
            }
            if calls == 0.0 {
                bail!("no call was answered in {seconds} s");
            }
            Ok(Throughput {
                calls: calls / elapsed.as_secs_f64(),
                cpu: cpu.as_secs_f64() * 1e6 / (2.0 * calls),
                generator: own.as_secs_f64() / elapsed.as_secs_f64(),
            })
        })
        .await
}

/// Makes calls one after the other for `seconds`; the sorted times from sending a call to having read its answer.
///
/// # Errors
/// If a connection fails or a call is answered with an error.
pub(crate) async fn round_trips(server: &Server, seconds: f64) -> Result<Vec<Duration>> {
    let shape = Shape {
        callers: 1,
        services: 1,
        depth: 1,
        spread: false,
    };
    let (mut callers, mut services) = connect(server, shape).await?;
    let (mut line, service) = (callers.remove(0), services.remove(0));
    LocalSet::new()
        .run_until(async move {
            let service = spawn_local(service.serve());
            let mut times = Vec::new();
            let started = Instant::now();
            let mut number = 0;
            while started.elapsed().as_secs_f64() < seconds * 1.2 {
                number += 1;
                let sent = Instant::now();
                line.socket
                    .output
                    .binary(line.templates[0].with(&session(0, number)));
                line.socket.flush().await?;
                while line.answers(|_, _| {}).await? == 0 {}
                if started.elapsed().as_secs_f64() > seconds * 0.2 {
                    times.push(sent.elapsed());
                }
            }
            service.abort();
            times.sort_unstable();
            Ok(times)
        })
        .await
}

/// A caller: replaces each answered call by a new one.
async fn call(mut line: Line, index: usize, shape: Shape, answered: Rc<Cell<u64>>) -> Result<()> {
    let id = u16::try_from(index).context("too many callers")?;
    let mut number: u64 = 0;
    let mut send = |templates: &mut [Template], output: &mut Output| {
        number += 1;
        let turn = if shape.spread { number as usize } else { 0 };
        let target = (index + turn) % templates.len();
        output.binary(templates[target].with(&session(id, number)));
    };
    for _ in 0..shape.depth {
        send(&mut line.templates, &mut line.socket.output);
    }
    loop {
        line.socket.flush().await?;
        let count = line.answers(&mut send).await?;
        answered.set(answered.get() + count as u64);
    }
}
