//! A quick run against the binary and the relay completes. Nothing is said about its figures.

use std::path::PathBuf;
use std::process::Command;

#[test]
fn a_quick_run_completes() {
    let Some(hypha) = binary() else {
        eprintln!("skipped: no hypha binary; build it or set HYPHA_BIN");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("figures.json");
    let output = Command::new(env!("CARGO_BIN_EXE_hypha-bench"))
        .env_remove("HYPHA_BENCH_ORIGINAL")
        .arg("--quick")
        .arg("--hypha")
        .arg(hypha)
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    let progress = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{progress}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let figures = report["figures"].as_array().unwrap();
    assert!(figures.len() > 30, "only {} figures:\n{progress}", figures.len());
}

/// The binary under test: `HYPHA_BIN`, or beside the load generator where cargo puts it.
fn binary() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_hypha-bench")).with_file_name("hypha");
    let path = std::env::var_os("HYPHA_BIN").map_or(beside, PathBuf::from);
    path.is_file().then_some(path)
}
