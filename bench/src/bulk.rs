//! Scenario: one very large argument from one Rust client to another. Memory of the server meanwhile.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use hypha_rpc::{Client, DynService, Value, connect};

use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::{Kind, Server, WORKSPACE};

/// Bytes of the argument.
const SIZE: usize = 1 << 30;

/// Measures ours.
///
/// # Errors
/// If the server or a client fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let Some(server) = run.start(Kind::Ours).await? else {
        return Ok(Vec::new());
    };
    let size = run.count(SIZE);
    let owner = client(&server, "bulk-owner").await?;
    let service = DynService::new("sink").function("length", |_context, (data,): (Value,)| async move {
        Ok(data.as_bytes().map_or(0, Bytes::len))
    });
    owner.register_service(service).await?;
    let caller = client(&server, "bulk-caller").await?;
    let sink = caller.get_service("bulk-owner:sink").await?;
    let before = server.process.memory()?;
    let highest = Cell::new(before);
    let watch = async {
        loop {
            highest.set(highest.get().max(server.process.memory().unwrap_or_default()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let started = Instant::now();
    let data = Value::Bytes(Bytes::from(vec![0x5a; size]));
    let length: usize = tokio::select! {
        length = sink.call("length", (data,)) => length?,
        () = watch => 0,
    };
    ensure!(length == size, "{length} of {size} bytes came through");
    let speed = size as f64 / 1e6 / started.elapsed().as_secs_f64();
    let growth = (highest.get() - before) as f64 / f64::from(1 << 20);
    run.say(&format!("memory grew by {growth:.1} MiB, {speed:.0} MB/s"));
    let figure = |name: &str, unit, ours, better, goal| Figure {
        name: name.to_owned(),
        unit,
        ours,
        against: "-",
        reference: None,
        better,
        goal,
    };
    Ok(vec![
        figure(
            "growth of memory, 1 GiB between Rust clients",
            "MiB",
            growth,
            Better::Lower,
            Goal::AtMost(64.0),
        ),
        figure(
            "throughput, 1 GiB between Rust clients",
            "MB/s",
            speed,
            Better::Higher,
            Goal::Told,
        ),
    ])
}

async fn client(server: &Server, id: &str) -> Result<Client> {
    let url = format!("http://{}", server.address);
    Ok(connect(url)
        .workspace(WORKSPACE)
        .token(server.token.as_str())
        .client_id(id)
        .await?)
}
