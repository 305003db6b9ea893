//! Scenario: routed calls. CPU per message, calls per second, and the time of one round trip.

use std::time::Duration;

use anyhow::Result;

use crate::load::{Shape, Throughput, round_trips, throughput};
use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::Kind;

/// Callers of each load; there are up to eight services, one for each caller.
const CALLERS: [usize; 3] = [1, 8, 64];

/// Measures all servers under the same loads.
///
/// # Errors
/// If a server fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let mut shapes: Vec<(String, Shape)> = CALLERS
        .iter()
        .map(|callers| {
            let shape = Shape {
                callers: *callers,
                services: (*callers).min(8),
                depth: 16,
                spread: false,
            };
            (format!("{callers} callers"), shape)
        })
        .collect();
    let spread = Shape {
        spread: true,
        ..shapes[1].1
    };
    shapes.push(("8 callers, each calling all services in turn".to_owned(), spread));

    let mut figures = Vec::new();
    let mut loads: Vec<Vec<Option<Throughput>>> = Vec::new();
    let mut times: Vec<Option<Vec<Duration>>> = Vec::new();
    for kind in [Kind::Ours, Kind::Original, Kind::Relay] {
        let Some(server) = run.start(kind).await? else {
            loads.push(vec![None; shapes.len()]);
            times.push(None);
            continue;
        };
        times.push(Some(round_trips(&server, run.seconds()).await?));
        let mut row = Vec::new();
        for (name, shape) in &shapes {
            let load = throughput(&server, *shape, run.seconds()).await?;
            run.say(&format!(
                "{kind:?}, {name}: {:.0} calls/s, {:.2} us a message, generator {:.2} cores",
                load.calls, load.cpu, load.generator
            ));
            row.push(Some(load));
        }
        loads.push(row);
    }
    for (index, (name, _)) in shapes.iter().enumerate() {
        let [Some(ours), original, relay] = [loads[0][index], loads[1][index], loads[2][index]] else {
            continue;
        };
        let named = index == 1;
        let mut add = |what: &str,
                       unit,
                       against,
                       better,
                       goal,
                       pick: fn(Throughput) -> f64,
                       other: Option<Throughput>| {
            figures.push(Figure {
                name: format!("{what}, {name}"),
                unit,
                ours: pick(ours),
                against,
                reference: other.map(pick),
                better,
                goal,
            });
        };
        let goal = |goal| if named { goal } else { Goal::Told };
        let cpu = "CPU per routed message";
        add(
            cpu,
            "us",
            "original",
            Better::Lower,
            goal(Goal::TimesBetter(30.0)),
            |l| l.cpu,
            original,
        );
        add(
            cpu,
            "us",
            "relay",
            Better::Lower,
            goal(Goal::AtMostTimes(4.0)),
            |l| l.cpu,
            relay,
        );
        let calls = "routed calls per second";
        add(
            calls,
            "/s",
            "original",
            Better::Higher,
            Goal::TimesBetter(30.0),
            |l| l.calls,
            original,
        );
        add(
            calls,
            "/s",
            "relay",
            Better::Higher,
            Goal::Told,
            |l| l.calls,
            relay,
        );
    }
    for (percent, goal) in [(50, Goal::AtMostTimes(1.4)), (99, Goal::Told)] {
        let at = |times: &Option<Vec<Duration>>| {
            let times = times.as_ref()?;
            Some(times.get(times.len() * percent / 100)?.as_secs_f64() * 1e6)
        };
        for (against, reference, goal) in [("relay", &times[2], goal), ("original", &times[1], Goal::Told)] {
            figures.push(Figure {
                name: format!("serial round trip, p{percent}"),
                unit: "us",
                ours: at(&times[0]).unwrap_or_default(),
                against,
                reference: at(reference),
                better: Better::Lower,
                goal,
            });
        }
    }
    Ok(figures)
}
