//! HTTP requests over kept connections: as many as go through, a fixed number of them, or one after the other.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::task::{JoinHandle, spawn_local};

use crate::child::own_cpu;
use crate::http::{Answer, Http};
use crate::server::Server;

/// Longest measurement of a server that is too slow for the time it was given.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was measured while requests went through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throughput {
    /// Requests answered in a second.
    pub(crate) calls: f64,
    /// CPU of the server for one request, in microseconds.
    pub(crate) cpu: f64,
    /// Cores that the load generator itself was using.
    pub(crate) generator: f64,
}

/// Sends `request` over each of `connections` as soon as the one before is answered, for `seconds` after a warm-up of a
/// fifth of that, or until there are as many answers as connections. To be run in a `LocalSet`.
///
/// # Errors
/// If a connection fails, or an answer is not 200.
pub(crate) async fn throughput(
    server: &Server,
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    seconds: f64,
) -> Result<Throughput> {
    let answered = Rc::new(Cell::new(0_u64));
    let mut tasks: Vec<JoinHandle<Result<()>>> = Vec::new();
    for _ in 0..connections {
        let (mut http, request, answered) = (Http::open(address).await?, request.to_vec(), answered.clone());
        tasks.push(spawn_local(async move {
            loop {
                http.ask(&request).await?;
                answered.set(answered.get() + 1);
            }
        }));
    }
    tokio::time::sleep(Duration::from_secs_f64(seconds / 5.0)).await;
    let (from, cpu, own, calls) = (Instant::now(), server.process.cpu()?, own_cpu()?, answered.get());
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    // A slow server answers all connections about once before it says anything.
    while answered.get() - calls < connections as u64 && from.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (elapsed, cpu, own) = (from.elapsed(), server.process.cpu()? - cpu, own_cpu()? - own);
    let calls = (answered.get() - calls) as f64;
    for task in tasks {
        if task.is_finished() {
            task.await??;
        } else {
            task.abort();
        }
    }
    if calls == 0.0 {
        bail!("no request was answered in {seconds} s");
    }
    Ok(Throughput {
        calls: calls / elapsed.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / calls,
        generator: own.as_secs_f64() / elapsed.as_secs_f64(),
    })
}

/// Sends `request` `count` times over `connections`. To be run in a `LocalSet`.
///
/// # Errors
/// If a connection fails, or an answer is not 200.
pub(crate) async fn exactly(
    address: SocketAddr,
    request: &[u8],
    connections: usize,
    count: usize,
) -> Result<()> {
    let left = Rc::new(Cell::new(count));
    let mut tasks: Vec<JoinHandle<Result<()>>> = Vec::new();
    for _ in 0..connections {
        let (mut http, request, left) = (Http::open(address).await?, request.to_vec(), left.clone());
        tasks.push(spawn_local(async move {
            while left.get() > 0 {
                left.set(left.get() - 1);
                http.ask(&request).await?;
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Sends `request` `count` times, one after the other, after a tenth as many that do not count.
///
/// # Errors
/// If the connection fails, or an answer is not 200.
pub(crate) async fn serial(address: SocketAddr, request: &[u8], count: usize) -> Result<Vec<Answer>> {
    let mut http = Http::open(address).await?;
    for _ in 0..count / 10 {
        http.ask(request).await?;
    }
    let mut answers = Vec::with_capacity(count);
    for _ in 0..count {
        answers.push(http.ask(request).await?);
    }
    Ok(answers)
}

/// The middle one of some times, in microseconds; 0 of none.
pub(crate) fn median(times: impl IntoIterator<Item = Duration>) -> f64 {
    let mut times: Vec<Duration> = times.into_iter().collect();
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(0.0, |time| time.as_secs_f64() * 1e6)
}
