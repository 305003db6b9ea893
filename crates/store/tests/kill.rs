//! A process that is killed while it writes: what it had acknowledged is there afterwards.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use hypha_hub::durable::{DurableStore, EventQuery, NewEvent};
use hypha_hub::ids::WorkspaceId;
use hypha_store::{Location, Store};
use serde_json::json;

/// Tells the test binary that it is the process to be killed, and where to write.
const VICTIM: &str = "HYPHA_STORE_TEST_VICTIM";

async fn open(path: &Path) -> Store {
    Store::open(&Location::File(path.to_owned())).await.unwrap()
}

/// Not a test by itself: the process that [`acknowledged_writes_survive_a_kill`] starts. Writes events, and
/// says the id of each.
#[tokio::test]
async fn victim() {
    let Some(path) = std::env::var_os(VICTIM) else {
        return;
    };
    let store = open(Path::new(&path)).await;
    for n in 0i64.. {
        let event = NewEvent {
            event_type: "tick".into(),
            workspace: WorkspaceId::public(),
            user_id: "ada".into(),
            timestamp_us: n,
            data: json!({"padding": "x".repeat(2000)}),
        };
        let id = store.append_event(&event).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {id}")
            .and_then(|()| out.flush())
            .unwrap();
    }
}

#[tokio::test]
async fn acknowledged_writes_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let mut acknowledged = 0;
    // The second round opens what the first one left behind.
    for round in 1..=2 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut next_id = || {
            lines
                .by_ref()
                .find_map(|line| line.strip_prefix("acknowledged ")?.parse::<i64>().ok())
        };
        for _ in 0..50 {
            acknowledged = next_id().expect("the victim writes until it is killed");
        }
        child.kill().unwrap();
        // What it said before the signal reached it counts as well.
        while let Some(id) = next_id() {
            acknowledged = id;
        }
        child.wait().unwrap();

        let store = open(&path).await;
        let all = EventQuery {
            workspace: "public",
            user_id: None,
            event_type: None,
            start_us: None,
            end_us: None,
        };
        let ids: Vec<i64> = store
            .events(all, u32::MAX, 0)
            .await
            .unwrap()
            .iter()
            .map(|record| record.id)
            .collect();
        let whole: Vec<i64> = (1..=acknowledged).collect();
        assert!(
            ids.starts_with(&whole),
            "round {round}: {acknowledged} acknowledged, found {}",
            ids.len()
        );
        assert!(ids.len() as i64 <= acknowledged + 1, "at most one was under way");
        store.close().await;
    }
}
