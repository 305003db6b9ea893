//! Scenario: looking services up. CPU of `get_service` and `list_services`, and whether the rest of the hub matters to them.

use anyhow::Result;

use crate::peer::{Hello, Peer};
use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::{Kind, Server};

/// Services in the workspace for the first part.
const SERVICES: usize = 1_000;

/// Services in a workspace that counts as small.
const SMALL: usize = 10;

/// Clients elsewhere in the hub, each in a workspace of its own with [`SERVICES`] services.
const ELSEWHERE: usize = 100;

/// Calls under way at a time.
const DEPTH: usize = 16;

/// Milliseconds of CPU for `get_service` and for `list_services`.
type Cost = [f64; 2];

/// Measures both servers, then ours with many services elsewhere.
///
/// # Errors
/// If a server fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let mut costs: Vec<Cost> = Vec::new();
    for (kind, gets, lists) in [(Kind::Ours, 20_000, 400), (Kind::Original, 400, 20)] {
        let Some(server) = run.start(kind).await? else {
            continue;
        };
        let owner = owner(&server, None, run.count(SERVICES)).await?;
        let cost = lookups(&server, owner, [run.count(gets), run.count(lists)]).await?;
        run.say(&format!(
            "{kind:?}: get_service {:.3} ms, list_services {:.3} ms",
            cost[0], cost[1]
        ));
        costs.push(cost);
    }
    let mut figures = Vec::new();
    for (index, (function, goal)) in [("get_service", 40.0), ("list_services", 20.0)]
        .into_iter()
        .enumerate()
    {
        figures.push(Figure {
            name: format!("CPU of {function} with 1,000 services"),
            unit: "ms",
            ours: costs[0][index],
            against: "original",
            reference: costs.get(1).map(|cost| cost[index]),
            better: Better::Lower,
            goal: Goal::TimesBetter(goal),
        });
    }
    figures.extend(elsewhere(run).await?);
    Ok(figures)
}

async fn elsewhere(run: &Run) -> Result<Vec<Figure>> {
    let Some(server) = run.start(Kind::Ours).await? else {
        return Ok(Vec::new());
    };
    let counts = [run.count(20_000), run.count(10_000)];
    let mut others = vec![owner(&server, Some(0), 100).await?];
    let small = owner(&server, None, SMALL).await?;
    let before = lookups(&server, small, counts).await?;
    for index in 1..=run.count(ELSEWHERE) {
        others.push(owner(&server, Some(index), SERVICES).await?);
    }
    let small = owner(&server, None, SMALL).await?;
    let after = lookups(&server, small, counts).await?;
    run.say(&format!(
        "with 100 elsewhere {before:.4?} ms, with 100,000 {after:.4?} ms"
    ));
    let names = ["get_service", "list_services"].into_iter().enumerate();
    let figure = |(index, function): (usize, &str)| Figure {
        name: format!("CPU of {function} in a small workspace, 100,000 services elsewhere"),
        unit: "ms",
        ours: after[index],
        against: "ours with 100",
        reference: Some(before[index]),
        better: Better::Lower,
        goal: Goal::AtMostTimes(1.3),
    };
    Ok(names.map(figure).collect())
}

/// A client with `count` services: in the workspace of the measurements, or anonymous with a number in a workspace of its own.
async fn owner(server: &Server, number: Option<usize>, count: usize) -> Result<Peer> {
    let (mut peer, visibility) = match number {
        None => (Peer::join(server, "owner").await?, "protected"),
        Some(number) => {
            let client_id = format!("other-{number}");
            let hello = Hello {
                client_id: &client_id,
                ..Hello::default()
            };
            (Peer::connect(server.address, hello).await?, "public")
        }
    };
    peer.introduce().await?;
    peer.register_many(count, visibility).await?;
    Ok(peer)
}

/// Looks the owner's services up; the owner answers what it is asked meanwhile, and leaves afterwards.
async fn lookups(server: &Server, mut owner: Peer, [gets, lists]: [usize; 2]) -> Result<Cost> {
    let address = owner.address();
    let owner = tokio::spawn(async move { owner.answer().await });
    let mut caller = Peer::join(server, "looker").await?;
    caller.introduce().await?;
    let id = |index: usize| vec![format!("{address}:s{}", index % SMALL).into()];
    caller
        .manager_each("get_service", gets / 10 + 1, DEPTH, id)
        .await?;
    let cpu = server.process.cpu()?;
    caller.manager_each("get_service", gets, DEPTH, id).await?;
    let get = (server.process.cpu()? - cpu).as_secs_f64() * 1e3 / gets as f64;
    caller
        .manager_each("list_services", lists / 10 + 1, DEPTH, |_| Vec::new())
        .await?;
    let cpu = server.process.cpu()?;
    caller
        .manager_each("list_services", lists, DEPTH, |_| Vec::new())
        .await?;
    let list = (server.process.cpu()? - cpu).as_secs_f64() * 1e3 / lists as f64;
    owner.abort();
    // The socket closes with the task.
    let _ = owner.await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    Ok([get, list])
}
