//! Scenario: clients that come and go. CPU of connecting, registering and disconnecting, in an empty and in a full workspace.
//!
//! A cycle is what every client does: connect, shake hands, fetch the manager's object, register the built-in service and one
//! service of its own, disconnect.

use std::time::Duration;

use anyhow::Result;

use crate::peer::Peer;
use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::{Kind, Server};

/// Clients that are in the workspace for the second part.
const CROWD: usize = 1_000;

/// Measures both servers.
///
/// # Errors
/// If a server fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let mut results = Vec::new();
    for (kind, cycles, joins) in [(Kind::Ours, 3_000, 1_000), (Kind::Original, 300, 30)] {
        let Some(server) = run.start(kind).await? else {
            continue;
        };
        let alone = alone(&server, run.count(cycles)).await?;
        run.say(&format!("{kind:?}: {:.3} ms CPU a cycle", alone * 1e3));
        let crowded = crowded(&server, run.count(CROWD), run.count(joins)).await?;
        run.say(&format!(
            "{kind:?}: {:.3} ms CPU to join a full workspace",
            crowded * 1e3
        ));
        results.push([alone, crowded]);
    }
    let names = [
        ("CPU per cycle of connect, register, disconnect", 20.0),
        (
            "CPU of connect and first registration, 1,000 clients in the workspace",
            100.0,
        ),
    ];
    let figure = |(index, (name, goal)): (usize, &(&str, f64))| Figure {
        name: (*name).to_owned(),
        unit: "ms",
        ours: results[0][index] * 1e3,
        against: "original",
        reference: results.get(1).map(|result| result[index] * 1e3),
        better: Better::Lower,
        goal: Goal::TimesBetter(*goal),
    };
    Ok(names.iter().enumerate().map(figure).collect())
}

async fn join(server: &Server, client_id: &str) -> Result<Peer> {
    let mut peer = Peer::join(server, client_id).await?;
    peer.introduce().await?;
    peer.register("echo", "protected").await?;
    Ok(peer)
}

/// Seconds of CPU for one cycle.
async fn alone(server: &Server, cycles: usize) -> Result<f64> {
    // The workspace stays when the others leave.
    let _resident = join(server, "resident").await?;
    for index in 0..10 {
        join(server, &format!("warm-up-{index}")).await?;
    }
    settle().await;
    let cpu = server.process.cpu()?;
    for index in 0..cycles {
        join(server, &format!("cycle-{index}")).await?;
    }
    settle().await;
    Ok((server.process.cpu()? - cpu).as_secs_f64() / cycles as f64)
}

/// Seconds of CPU for one client to join when `crowd` clients are there.
async fn crowded(server: &Server, crowd: usize, joins: usize) -> Result<f64> {
    let mut peers = Vec::with_capacity(crowd + joins);
    for index in 0..crowd {
        let mut peer = Peer::join(server, &format!("crowd-{index}")).await?;
        peer.register("built-in", "public").await?;
        peers.push(peer);
    }
    settle().await;
    let cpu = server.process.cpu()?;
    for index in 0..joins {
        peers.push(join(server, &format!("late-{index}")).await?);
    }
    Ok((server.process.cpu()? - cpu).as_secs_f64() / joins as f64)
}

/// Lets the server finish what a disconnect started.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}
