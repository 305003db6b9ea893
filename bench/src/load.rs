//! Calls between raw clients: as many as go through, or one after the other.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hypha_wire::Value;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::child::own_cpu;
use crate::peer::Peer;
use crate::server::{Kind, Server, WORKSPACE};
use crate::socket::{Frame, Socket};
use crate::template::{Session, Template, caller, resolved, session, session_of};

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

/// One client with what it may send.
struct Line {
    socket: Socket,
    /// A caller's call of each service, or a service's answer to each caller.
    templates: Vec<Template>,
}

/// Connects callers and services.
async fn connect(server: &Server, shape: Shape) -> Result<(Vec<Line>, Vec<Line>)> {
    let names = |kind: &str, count: usize| (0..count).map(|i| format!("{kind}-{i:03}")).collect::<Vec<_>>();
    let (callers, services) = (names("caller", shape.callers), names("service", shape.services));
    let data = || Value::Bytes(Bytes::from(vec![0x5a; DATA]));
    let address = |client: &str| format!("{WORKSPACE}/{client}");
    let prefix = |index: usize| match server.kind {
        // The relay wants to know the receiver's index; there are fewer than 65,536.
        Kind::Relay => (index as u16).to_be_bytes().to_vec(),
        Kind::Ours | Kind::Original => Vec::new(),
    };
    let mut lines = Vec::new();
    for (index, name) in callers.iter().chain(&services).enumerate() {
        let socket = match server.kind {
            Kind::Relay => Socket::open(server.address, &format!("/{index}")).await?,
            Kind::Ours | Kind::Original => {
                let peer = Peer::connect(server.address, name, Some(WORKSPACE), Some(&server.token));
                peer.await?.socket
            }
        };
        let from = address(name);
        let templates = if index < shape.callers {
            let call = |(service, name): (usize, &String)| {
                let prefix = prefix(shape.callers + service);
                Template::call(&prefix, &from, &address(name), "services.echo.echo", vec![data()])
            };
            services.iter().enumerate().map(call).collect()
        } else {
            let answer = |(caller, name): (usize, &String)| {
                Template::resolve(&prefix(caller), &from, &address(name), data())
            };
            callers.iter().enumerate().map(answer).collect()
        };
        lines.push(Line { socket, templates });
    }
    let services = lines.split_off(shape.callers);
    Ok((lines, services))
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
            let mut tasks: Vec<JoinHandle<Result<()>>> =
                services.into_iter().map(|line| spawn_local(serve(line))).collect();
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
            let service = spawn_local(serve(service));
            let mut times = Vec::new();
            let started = Instant::now();
            let mut number = 0;
            while started.elapsed().as_secs_f64() < seconds * 1.2 {
                number += 1;
                let sent = Instant::now();
                line.socket.output.binary(line.templates[0].with(&session(0, number)));
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

impl Line {
    /// Waits for bytes; the number of answers that came with them. `each` gets the templates and the buffer to send from.
    async fn answers(&mut self, mut each: impl FnMut(&mut [Template], &mut crate::socket::Output)) -> Result<usize> {
        self.socket.fill().await?;
        let Socket { input, output, .. } = &mut self.socket;
        let mut count = 0;
        while let Some(frame) = input.next(output)? {
            let Frame::Binary(message) = frame else { continue };
            if resolved(message).is_none() {
                // A heartbeat of the original's kind would be no error, but the services here send none.
                bail!("not an answer: {}", String::from_utf8_lossy(message));
            }
            count += 1;
            each(&mut self.templates, output);
        }
        Ok(count)
    }
}

/// A caller: replaces each answered call by a new one.
async fn call(mut line: Line, index: usize, shape: Shape, answered: Rc<Cell<u64>>) -> Result<()> {
    let id = u16::try_from(index).context("too many callers")?;
    let mut number: u64 = 0;
    let mut send = |templates: &mut [Template], output: &mut crate::socket::Output| {
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

/// A service: answers each call.
async fn serve(mut line: Line) -> Result<()> {
    loop {
        line.socket.fill().await?;
        let Socket { input, output, .. } = &mut line.socket;
        while let Some(frame) = input.next(output)? {
            let Frame::Binary(message) = frame else { continue };
            let id: Session = session_of(message).context("a call with a session")?;
            let template = caller(&id).and_then(|caller| line.templates.get_mut(caller));
            output.binary(template.context("a caller")?.with(&id));
        }
        line.socket.flush().await?;
    }
}
