//! Scenario: a cold start. Time from starting the process with an empty store to the first answer of the readiness probe.

use anyhow::Result;

use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::{Kind, Server};

/// Measures both servers; the median of some starts.
///
/// # Errors
/// If a server fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let mut medians = Vec::new();
    for (kind, starts) in [(Kind::Ours, 15), (Kind::Original, 3)] {
        if kind == Kind::Original && run.programs.original.is_none() {
            continue;
        }
        let mut times = Vec::new();
        for _ in 0..run.count(starts) {
            times.push(Server::start_bare(kind, &run.programs).await?.ready_after);
        }
        times.sort_unstable();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        run.say(&format!("{kind:?}: ready after {median:.0} ms"));
        medians.push(median);
    }
    let figure = |goal| Figure {
        name: "cold start to ready, empty store".to_owned(),
        unit: "ms",
        ours: medians[0],
        against: "original",
        reference: medians.get(1).copied(),
        better: Better::Lower,
        goal,
    };
    Ok(vec![figure(Goal::TimesBetter(20.0)), figure(Goal::AtMost(300.0))])
}
