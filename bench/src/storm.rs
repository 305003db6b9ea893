//! Scenario: the hub is killed and started again, and all its clients come back at once.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::task::{LocalSet, spawn_local};

use crate::peer::{Hello, Peer};
use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::{Kind, Server, WORKSPACE, probe};

/// Services of each client.
const SERVICES: usize = 3;

/// Longest wait for all clients to be there.
const LIMIT: Duration = Duration::from_secs(200);

/// Clients that connect at the same time before the storm.
const AT_ONCE: usize = 20;

struct Storm {
    /// From the kill to the last service.
    all_back: Duration,
    /// The slowest answer of the readiness probe after the first.
    slowest_probe: Duration,
    /// Probes without the answer 200, after the first.
    failed_probes: usize,
}

/// Measures both servers; the original with a tenth of the clients.
///
/// # Errors
/// If a server fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let mut storms = Vec::new();
    for (kind, full) in [(Kind::Ours, 3_000), (Kind::Original, 300)] {
        let Some(server) = run.start(kind).await? else {
            continue;
        };
        let count = run.count(full);
        let storm = storm(server, count).await?;
        run.say(&format!(
            "{kind:?}, {count} clients: all back after {:.2} s, slowest probe {:.0} ms, {} probes failed",
            storm.all_back.as_secs_f64(),
            storm.slowest_probe.as_secs_f64() * 1e3,
            storm.failed_probes
        ));
        storms.push(storm);
    }
    let figure = |name: &str, unit, pick: fn(&Storm) -> f64, goal| Figure {
        name: name.to_owned(),
        unit,
        ours: pick(&storms[0]),
        against: "original (300 clients)",
        reference: storms.get(1).map(pick),
        better: Better::Lower,
        goal,
    };
    let back = "all services of 3,000 clients back after a restart";
    let failed = "readiness probes that failed meanwhile";
    let slowest = "slowest readiness probe meanwhile";
    Ok(vec![
        figure(
            back,
            "s",
            |storm| storm.all_back.as_secs_f64(),
            Goal::TimesBetter(10.0),
        ),
        figure(
            failed,
            "probes",
            |storm| storm.failed_probes as f64,
            Goal::AtMost(0.0),
        ),
        figure(
            slowest,
            "ms",
            |storm| storm.slowest_probe.as_secs_f64() * 1e3,
            Goal::Told,
        ),
    ])
}

async fn storm(mut server: Server, count: usize) -> Result<Storm> {
    LocalSet::new()
        .run_until(async move {
            let ready = Rc::new(Cell::new(0));
            for index in 0..count {
                while index - ready.get() >= AT_ONCE {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                spawn_local(client(server.address, server.token.clone(), index, ready.clone()));
            }
            if !wait_for(&ready, count).await {
                bail!("only {} of {count} clients could connect", ready.get());
            }
            ready.set(0);
            server.process.kill();
            let killed = Instant::now();
            server.restart()?;
            server.wait_until_ready().await?;
            let probes = Rc::new(Cell::new((Duration::ZERO, 0)));
            let watch = spawn_local(watch(server.address, probes.clone()));
            // Those that are not back in time count as if they had come then.
            let _ = wait_for(&ready, count).await;
            let all_back = killed.elapsed();
            watch.abort();
            let (slowest_probe, failed_probes) = probes.get();
            Ok(Storm {
                all_back,
                slowest_probe,
                failed_probes,
            })
        })
        .await
}

/// Waits until `count` clients are there; false if they are not in time.
async fn wait_for(ready: &Cell<usize>, count: usize) -> bool {
    let started = Instant::now();
    while ready.get() < count {
        if started.elapsed() > LIMIT {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    true
}

/// A client that comes back as the official ones do: at once, then after 1, 2, 4, ... seconds, up to 10 % more or less.
async fn client(address: SocketAddr, token: String, index: usize, ready: Rc<Cell<usize>>) {
    let client_id = format!("storm-{index}");
    let mut reconnection: Option<String> = None;
    let mut tries = 0;
    loop {
        let hello = Hello {
            client_id: &client_id,
            workspace: Some(WORKSPACE),
            token: Some(&token),
            reconnection_token: reconnection.as_deref(),
        };
        match join(address, hello).await {
            Ok(mut peer) => {
                tries = 0;
                reconnection = Some(peer.info.reconnection_token.clone());
                ready.set(ready.get() + 1);
                peer.socket.shrink();
                peer.answer().await;
            }
            Err(_) => {
                // Spread evenly over the clients in place of a random number.
                let jitter = 0.9 + 0.2 * (index % 101) as f64 / 100.0;
                tokio::time::sleep(Duration::from_secs_f64(f64::from(1 << tries) * jitter)).await;
                tries = (tries + 1).min(5);
            }
        }
    }
}

async fn join(address: SocketAddr, hello: Hello<'_>) -> Result<Peer> {
    let mut peer = Peer::connect(address, hello).await?;
    peer.introduce().await?;
    for index in 0..SERVICES {
        peer.register(&format!("s{index}"), "protected").await?;
    }
    Ok(peer)
}

/// Asks the readiness probe ten times a second; keeps the slowest answer and the number of failures.
async fn watch(address: SocketAddr, seen: Rc<Cell<(Duration, usize)>>) {
    loop {
        let asked = Instant::now();
        let answered = probe(address).await.is_ok_and(|status| status == 200);
        let (slowest, failed) = seen.get();
        seen.set((slowest.max(asked.elapsed()), failed + usize::from(!answered)));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
