//! Scenario: an ASGI application behind the hub. Large bodies both ways beside the same application with uvicorn, the
//! hub's memory meanwhile, the time to the first byte, and small pages.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::LocalSet;

use crate::app::{App, Kit};
use crate::http::{Answer, Http};
use crate::http_load::{Throughput, median, serial, throughput};
use crate::report::{Better, Figure, Goal};
use crate::run::Run;
use crate::server::{Kind, Server};

/// Bytes of a large body.
const SIZE: usize = 256 << 20;

/// Bytes of a large body for the original.
const ORIGINAL_SIZE: usize = 32 << 20;

/// Transfers of each kind, of which the middle one counts.
const ROUNDS: usize = 3;

/// Connections that ask for small pages.
const CONNECTIONS: usize = 16;

/// A large body.
#[derive(Clone, Copy, Debug)]
enum Transfer {
    /// The application's file, in parts of 64 KiB as Starlette sends files.
    File,
    /// A stream in parts of so many bytes.
    Stream(usize),
    /// A body for the application.
    Upload,
}

const TRANSFERS: [(Transfer, &str); 4] = [
    (
        Transfer::File,
        "ASGI download of 256 MiB, a file in parts of 64 KiB",
    ),
    (
        Transfer::Stream(64 << 10),
        "ASGI download of 256 MiB, a stream in parts of 64 KiB",
    ),
    (
        Transfer::Stream(252 << 10),
        "ASGI download of 256 MiB, a stream in parts of 252 KiB",
    ),
    (Transfer::Upload, "ASGI upload of 256 MiB"),
];

/// What was measured of one application.
struct Measured {
    /// The page of 1 KB, if it was asked for by many.
    pages: Option<Throughput>,
    /// Microseconds to the first byte: of the page, and of a stream.
    first_bytes: [f64; 2],
}

/// Measures ours and uvicorn in turn, then the original.
///
/// # Errors
/// If a server or the application fails.
pub(crate) async fn measure(run: &Run) -> Result<Vec<Figure>> {
    let Some(python) = run.programs.original.clone() else {
        return Ok(Vec::new());
    };
    LocalSet::new()
        .run_until(async {
            let kit = Kit::new(&python, run.count(SIZE))?;
            let direct = kit.serve().await?;
            let hub = run
                .start(Kind::Ours)
                .await?
                .context("ours is part of every run")?;
            let ours = kit.mount(&hub).await?;
            let small = Kit::new(&python, run.count(ORIGINAL_SIZE))?;
            let original_server = run.start(Kind::Original).await?.context("the original")?;
            let original = small.mount(&original_server).await?;

            let mut figures = Vec::new();
            for (transfer, name) in TRANSFERS {
                let apps = [(&kit, &ours), (&kit, &direct), (&small, &original)];
                figures.extend(large(run, transfer, name, apps, &hub).await?);
            }
            let uvicorn = small_bodies(run, &direct, None).await?;
            let theirs = small_bodies(run, &original, Some(&original_server)).await?;
            let ours = small_bodies(run, &ours, Some(&hub)).await?;
            figures.extend(compare(&ours, &uvicorn, &theirs));
            Ok(figures)
        })
        .await
}

/// One kind of large body: through the hub, directly, and through the original.
async fn large(
    run: &Run,
    transfer: Transfer,
    name: &str,
    apps: [(&Kit, &App); 3],
    hub: &Server,
) -> Result<Vec<Figure>> {
    let mut speeds = [Vec::new(), Vec::new(), Vec::new()];
    let mut growth: f64 = 0.0;
    for _ in 0..ROUNDS {
        for ((kit, app), speeds) in apps.iter().zip(&mut speeds) {
            let before = hub.process.memory()?;
            let highest = Cell::new(before);
            let answer = tokio::select! {
                answer = once(transfer, kit, app) => answer?,
                () = watch(hub, &highest) => continue,
            };
            growth = growth.max((highest.get() - before) as f64 / f64::from(1 << 20));
            speeds.push(kit.file_size()? as f64 / 1e6 / answer.whole.as_secs_f64());
        }
    }
    let [ours, direct, original] = speeds.map(middle);
    run.say(&format!(
        "{name}: {ours:.0} MB/s, directly {direct:.0}, through the original {original:.0}; memory grew by {growth:.1} MiB"
    ));
    let figure = |against, reference, goal| Figure {
        name: name.to_owned(),
        unit: "MB/s",
        ours,
        against,
        reference: Some(reference),
        better: Better::Higher,
        goal,
    };
    Ok(vec![
        figure("uvicorn", direct, Goal::TimesBetter(0.5)),
        figure("original (32 MiB)", original, Goal::Told),
        Figure {
            name: format!("growth of memory, {name}"),
            unit: "MiB",
            ours: growth,
            against: "-",
            reference: None,
            better: Better::Lower,
            goal: Goal::AtMost(32.0),
        },
    ])
}

async fn once(transfer: Transfer, kit: &Kit, app: &App) -> Result<Answer> {
    let size = kit.file_size()?;
    let mut http = Http::open(app.address).await?;
    let answer = match transfer {
        Transfer::File => http.ask(&app.get("/file")).await?,
        Transfer::Stream(part) => {
            http.ask(&app.get(&format!("/stream?size={size}&part={part}")))
                .await?
        }
        Transfer::Upload => {
            // It is as long as memory allows.
            return http.put(&app.path("/upload"), "", usize::try_from(size)?).await;
        }
    };
    ensure!(answer.body == size, "{} of {size} bytes came", answer.body);
    Ok(answer)
}

/// Keeps the highest memory of a server.
async fn watch(server: &Server, highest: &Cell<u64>) {
    loop {
        highest.set(highest.get().max(server.process.memory().unwrap_or_default()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn middle(mut speeds: Vec<f64>) -> f64 {
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).copied().unwrap_or_default()
}

/// Pages and the time to the first byte; `server` is the one in front of the application.
async fn small_bodies(run: &Run, app: &App, server: Option<&Server>) -> Result<Measured> {
    let (page, stream) = (app.get("/page"), app.get("/stream?size=1048576&part=65536"));
    let count = run.count(200);
    let mut first_bytes = [0.0; 2];
    for (request, time) in [&page, &stream].into_iter().zip(&mut first_bytes) {
        let answers = serial(app.address, request, count).await?;
        *time = median(answers.iter().map(|answer| answer.first_byte));
    }
    let pages = match server {
        Some(server) => Some(throughput(server, app.address, &page, CONNECTIONS, run.seconds()).await?),
        None => None,
    };
    run.say(&format!(
        "{}: first byte after {:.0} us (page), {:.0} us (stream); pages {}",
        server.map_or("uvicorn".to_owned(), |server| format!("{:?}", server.kind)),
        first_bytes[0],
        first_bytes[1],
        pages.map_or("-".to_owned(), |load| format!("{:.0}/s", load.calls)),
    ));
    Ok(Measured { pages, first_bytes })
}

fn compare(ours: &Measured, uvicorn: &Measured, original: &Measured) -> Vec<Figure> {
    let pages = |measured: &Measured, pick: fn(Throughput) -> f64| measured.pages.map(pick);
    let mut figures = Vec::new();
    for (name, unit, better, goal, pick) in [
        (
            "a page of 1 KB from an ASGI app, per second, 16 connections",
            "/s",
            Better::Higher,
            Goal::TimesBetter(10.0),
            (|load: Throughput| load.calls) as fn(Throughput) -> f64,
        ),
        (
            "CPU per page of 1 KB from an ASGI app",
            "us",
            Better::Lower,
            Goal::Told,
            |load: Throughput| load.cpu,
        ),
    ] {
        figures.push(Figure {
            name: name.to_owned(),
            unit,
            ours: pages(ours, pick).unwrap_or_default(),
            against: "original",
            reference: pages(original, pick),
            better,
            goal,
        });
    }
    for (index, name) in ["a page of 1 KB", "a stream of 1 MiB"].into_iter().enumerate() {
        for (against, reference) in [("uvicorn", uvicorn), ("original", original)] {
            figures.push(Figure {
                name: format!("time to first byte of {name} from an ASGI app, p50"),
                unit: "us",
                ours: ours.first_bytes[index],
                against,
                reference: Some(reference.first_bytes[index]),
                better: Better::Lower,
                goal: Goal::Told,
            });
        }
    }
    figures
}
