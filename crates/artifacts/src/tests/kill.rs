//! A process that is killed while it works: every acknowledged commit is whole afterwards, and nothing is left over.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use hypha_storage::{Config, Place, Prefix};
use sqlx::query_scalar;

use super::*;

/// Tells the test binary that it is the process to be killed, and where to work.
const VICTIM: &str = "HYPHA_ARTIFACTS_TEST_VICTIM";

async fn open(folder: &Path) -> Artifacts {
    let database = Database::open_file(&folder.join("artifacts.db")).await.unwrap();
    let config = Config::new(Place::Folder(folder.join("files")), "secret");
    with(database, Storage::open(config).await.unwrap()).await
}

/// Not a test by itself: the process that [`acknowledged_commits_survive_a_kill`] starts. Commits versions with two
/// files each, removes what the one before had, and says the number of each.
#[tokio::test]
async fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else {
        return;
    };
    let (artifacts, who) = (open(Path::new(&folder)).await, admin());
    if artifacts.create(&who, new("x", true)).await.is_err() {
        // The round before may have left a draft.
        _ = artifacts.discard(&who, "x").await;
    }
    loop {
        let read = artifacts
            .read_artifact(&who, "x", &Selector::Latest, true)
            .await
            .unwrap();
        let n = read["versions"].as_array().unwrap().len();
        let edit = Edit {
            version: Some("new".into()),
            stage: true,
            ..Edit::default()
        };
        artifacts.edit(&who, "x", edit).await.unwrap();
        for part in ["a", "b"] {
            let content = format!("{part} {n}").repeat(50);
            artifacts
                .write_file(&who, "x", &format!("{n}/{part}"), content.into())
                .await
                .unwrap();
        }
        if n > 0 {
            artifacts
                .remove_file(&who, "x", &format!("{}/a", n - 1))
                .await
                .unwrap();
        }
        artifacts.commit(&who, "x", None, None).await.unwrap();
        artifacts.collect_garbage().await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {n}")
            .and_then(|()| out.flush())
            .unwrap();
    }
}

#[tokio::test]
async fn acknowledged_commits_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::kill::victim", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(std::result::Result::ok);
        let mut next = || {
            lines
                .by_ref()
                .find_map(|line| line.strip_prefix("acknowledged ")?.parse::<usize>().ok())
        };
        let mut last = 0;
        for _ in 0..5 {
            last = next().expect("the victim works until it is killed");
        }
        child.kill().unwrap();
        // What it said before the signal reached it counts as well.
        while let Some(n) = next() {
            last = n;
        }
        child.wait().unwrap();
        check(folder.path(), last, round).await;
    }
}

async fn check(folder: &Path, last: usize, round: usize) {
    let (artifacts, who) = (open(folder).await, admin());
    let read = artifacts
        .read_artifact(&who, "x", &Selector::Latest, true)
        .await
        .unwrap();
    let count = read["versions"].as_array().unwrap().len();
    assert!(
        (last + 1..=last + 2).contains(&count),
        "round {round}: {last} acknowledged, {count} versions"
    );
    for n in 0..count {
        for (part, is_there) in [
            (format!("{n}/a"), true),
            (format!("{n}/b"), true),
            (format!("{n}/c"), false),
        ] {
            let found = artifacts
                .read_file(&who, "x", &part, &Selector::Index(n), (0, 10_000))
                .await;
            assert_eq!(found.is_ok(), is_there, "round {round}: {part}");
            if let Ok((name, content)) = found {
                assert_eq!(content, format!("{name} {n}").repeat(50), "round {round}: {part}");
            }
        }
    }
    _ = artifacts.discard(&who, "x").await;
    artifacts.collect_garbage().await.unwrap();
    let storage = artifacts.content().storage();
    let stored = storage
        .list(&Prefix::root(), false, None, 10_000)
        .await
        .unwrap()
        .entries
        .len();
    let mut connection = artifacts.read().await.unwrap();
    let known: i64 = query_scalar("SELECT count(DISTINCT object_key) FROM files")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    drop(connection);
    assert_eq!(stored as i64, known, "round {round}: nothing is left over");
    artifacts.close().await;
    storage.close().await;
}
