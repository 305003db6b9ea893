//! Scenario: large messages. CPU of the server for each megabyte that passes.
//!
//! A message of 256 KiB goes as one frame; larger ones through the chunk protocol, 30 chunks at a time, as clients do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use hypha_wire::Value;
use hypha_wire::message::{Message, Payload};
use hypha_wire::transfer::{CHUNK_SIZE, chunks, is_direct};
use tokio::task::{LocalSet, spawn_local};

use crate::line::{End, Line};
use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::{Kind, Server};
use crate::template::session;

/// Chunks that a sender has under way.
const WINDOW: usize = 30;

/// Bytes sent for one figure.
const VOLUME: usize = 512 << 20;

/// The messages: name and bytes of their argument.
const MESSAGES: [(&str, usize); 3] = [
    ("256 KiB in one frame", CHUNK_SIZE),
    ("16 MiB in chunks", 16 << 20),
    ("64 MiB in chunks", 64 << 20),
];

/// Measures all servers.
///
/// # Errors
/// If a server fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let mut results = Vec::new();
    for kind in [Kind::Ours, Kind::Original, Kind::Relay] {
        let mut row = Vec::new();
        if let Some(server) = run.start(kind).await? {
            for (number, (name, size)) in MESSAGES.iter().enumerate() {
                let count = run.count(VOLUME / size);
                let (cpu, elapsed) = transfer(&server, number, *size, count).await?;
                let megabytes = (size * count) as f64 / 1e6;
                let cost = cpu.as_secs_f64() * 1e3 / megabytes;
                let speed = megabytes / elapsed.as_secs_f64();
                run.say(&format!("{kind:?}, {name}: {cost:.3} ms CPU/MB, {speed:.0} MB/s"));
                row.push((cost, speed));
            }
        }
        results.push(row);
    }
    let mut figures = Vec::new();
    for (index, (name, _)) in MESSAGES.iter().enumerate() {
        let of = |server: usize| results[server].get(index);
        let (cost, speed) = of(0).copied().context("our figures")?;
        for (against, server, goal) in [("relay", 2, Goal::AtMostTimes(2.0)), ("original", 1, Goal::Told)] {
            figures.push(Figure {
                name: format!("CPU per megabyte, {name}"),
                unit: "ms",
                ours: cost,
                against,
                reference: of(server).map(|(cost, _)| *cost),
                better: Better::Lower,
                goal,
            });
        }
        figures.push(Figure {
            name: format!("throughput, {name}"),
            unit: "MB/s",
            ours: speed,
            against: "original",
            reference: of(1).map(|(_, speed)| *speed),
            better: Better::Higher,
            goal: Goal::Told,
        });
    }
    Ok(figures)
}

/// Sends `count` messages with `size` bytes of data; CPU of the server and time it took. One more goes before, unmeasured.
async fn transfer(server: &Server, number: usize, size: usize, count: usize) -> Result<(Duration, Duration)> {
    let sender = End::new(server, 2 * number, &format!("sender-{number}"));
    let receiver = End::new(server, 2 * number + 1, &format!("receiver-{number}"));
    let data = Value::Bytes(Bytes::from(vec![0x5a; size]));
    let message = Message::call(
        "receiver",
        "services.echo.echo",
        Payload::args(vec![data.clone()]),
    )
    .encode();
    // The frames of one message, and how many of those so far may be unanswered when one is sent.
    let mut frames = Vec::new();
    if is_direct(message.len()) {
        frames.push((sender.call(&receiver, "services.echo.echo", vec![data]), WINDOW));
    } else {
        let key = || Value::from("a-transfer");
        let cache = |function, args| {
            sender.call(
                &receiver,
                &format!("services.built-in.message_cache.{function}"),
                args,
            )
        };
        frames.push((cache("create", vec![key(), false.into()]), 0));
        for (index, range) in chunks(message.len(), CHUNK_SIZE).enumerate() {
            let chunk = Value::Bytes(Bytes::copy_from_slice(&message[range]));
            let index = Value::Int(i64::try_from(index)?);
            let window = if frames.len() == 1 { 0 } else { WINDOW };
            frames.push((cache("set", vec![key(), index, chunk, false.into()]), window));
        }
        frames.push((cache("process", vec![key(), false.into()]), 0));
    }
    let answer = receiver.resolve(&sender, Value::Nil);
    let receiver = Line::open(server, &receiver, vec![answer]).await?;
    let mut sender = Line::open(server, &sender, Vec::new()).await?;
    LocalSet::new()
        .run_until(async move {
            let receiver = spawn_local(receiver.serve());
            let (mut sent, mut answered) = (0, 0);
            let mut start = (Duration::ZERO, Instant::now());
            for turn in 0..=count {
                if turn == 1 {
                    start = (server.process.cpu()?, Instant::now());
                }
                for (frame, window) in &mut frames {
                    while sent - answered > *window {
                        answered += sender.answers(|_, _| {}).await?;
                    }
                    sender.socket.output.binary(frame.with(&session(0, sent as u64)));
                    sender.socket.flush().await?;
                    sent += 1;
                }
            }
            while sent > answered {
                answered += sender.answers(|_, _| {}).await?;
            }
            receiver.abort();
            Ok((server.process.cpu()? - start.0, start.1.elapsed()))
        })
        .await
}
