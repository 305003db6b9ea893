//! Scenario: connections that do nothing. Memory of the server for each.

use std::time::Duration;

use anyhow::Result;

use crate::peer::Peer;
use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::{Kind, Server};

/// Connections that are there before the first look at the memory, so that what a server needs once does not count.
const WARM_UP: usize = 100;

/// Measures both servers: connections that shook hands, and such that also registered their built-in service.
///
/// # Errors
/// If a server fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, registered, [ours, original]) in [
        ("after the handshake", false, [8_000, 1_500]),
        ("with the built-in service registered", true, [8_000, 500]),
    ] {
        let mut results = Vec::new();
        for (kind, full) in [(Kind::Ours, ours), (Kind::Original, original)] {
            let Some(server) = run.start(kind).await? else {
                continue;
            };
            let count = run.count(full);
            let bytes = per_connection(&server, count, registered).await?;
            run.say(&format!(
                "{kind:?}, {count} {name}: {:.1} KiB each",
                bytes / 1024.0
            ));
            results.push(bytes / 1024.0);
        }
        for goal in [Goal::TimesBetter(4.0), Goal::AtMost(12.0)] {
            figures.push(Figure {
                name: format!("memory per idle connection {name}"),
                unit: "KiB",
                ours: results[0],
                against: "original",
                reference: results.get(1).copied(),
                better: Better::Lower,
                goal: if registered { Goal::Told } else { goal },
            });
            if registered {
                break;
            }
        }
    }
    Ok(figures)
}

/// Bytes of the server's resident memory for one of `count` connections.
async fn per_connection(server: &Server, count: usize, registered: bool) -> Result<f64> {
    let mut peers = Vec::with_capacity(WARM_UP + count);
    let mut before = 0;
    for index in 0..WARM_UP + count {
        if index == WARM_UP {
            tokio::time::sleep(Duration::from_millis(500)).await;
            before = server.process.memory()?;
        }
        let mut peer = Peer::join(server, &format!("idle-{index}")).await?;
        if registered {
            peer.introduce().await?;
        }
        peer.socket.shrink();
        peers.push(peer);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = server.process.memory()?;
    Ok(after.saturating_sub(before) as f64 / count as f64)
}
