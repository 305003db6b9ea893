//! `hypha serve`, and the commands that talk to a server.

use serde_json::Value;

use crate::world::{World, outcome};

const ROOT: &str = "q7Zk0vXn4wRb2yLm9sPf6uJd8eGhTaVi";

#[test]
fn a_token_survives_a_restart() {
    let world = World::new();
    let serve = || {
        world.command(
            "hypha",
            &["serve", "--port", "0", "--data-dir", "data", "--root-token", ROOT],
        )
    };

    let server = world.start(&mut serve());
    let made = [
        "token",
        "--server-url",
        &server.url,
        "--token",
        ROOT,
        "--permission",
        "read",
    ];
    let token = world.hypha(&made).ok();
    assert_eq!(token.lines().count(), 1, "{token}");
    let second = outcome(&mut serve()).failed(1);
    assert!(second.contains("another server uses the data folder"), "{second}");
    let (code, errors) = server.stop();
    assert_eq!(code, Some(0));
    assert!(errors.contains("Stopping") && !errors.contains(ROOT), "{errors}");

    let server = world.start(&mut serve());
    let listed = [
        "workspaces",
        "--json",
        "--server-url",
        &server.url,
        "--token",
        token.trim(),
    ];
    let listed: Value = serde_json::from_str(&world.hypha(&listed).ok()).unwrap();
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["id"] == "ws-user-root"),
        "{listed}"
    );
}

#[test]
fn commands_of_clients() {
    let world = World::new();
    let server = world.start(&mut world.command(
        "hypha",
        &["serve", "--port", "0", "--ephemeral", "--base-path", "/my/hub/"],
    ));
    assert!(server.url.ends_with("/my/hub"), "{}", server.url);
    let run = |args: &[&str]| outcome(world.command("hypha", args).env("HYPHA_SERVER_URL", &server.url));
    let json = |args: &[&str]| serde_json::from_str::<Value>(&run(args).ok()).unwrap();

    assert_eq!(
        json(&["ping", "--json"])["round_trips_ms"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    assert!(run(&["ping"]).ok().contains("pong from server: "));
    let errors = run(&["ping", "nobody"]).failed(1);
    assert!(errors.contains("is not connected"), "{errors}");

    let services = json(&["services", "public", "--json"]);
    let queue = services
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "Queue service")
        .unwrap();
    let queue = queue["id"].as_str().unwrap();
    assert!(run(&["services", "public"]).ok().contains(queue));
    assert!(run(&["services"]).ok().contains("No services found"));

    let size = json(&["call", &format!("{queue}.push"), "jobs", r#"{"n": 1}"#, "--json"]);
    assert!(!size.is_object(), "{size}");
    let wrong = run(&["call", &format!("{queue}.psh"), "jobs"]).failed(1);
    assert!(
        wrong.contains("the functions of") && wrong.contains("push"),
        "{wrong}"
    );
    let missing = run(&["call", "nothing.there", "1"]).failed(1);
    assert!(
        missing.contains("Service not found") && missing.contains("hypha services"),
        "{missing}"
    );
    let bad = run(&["workspaces", "--token", "garbage"]).failed(1);
    assert!(bad.contains("hint: `hypha login`"), "{bad}");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn the_environment_is_read_and_the_command_line_wins() {
    let world = World::new();
    std::fs::write(
        world.folder().join(".env"),
        "HYPHA_EPHEMERAL=true\nHYPHA_BASE_PATH=/from/file\n",
    )
    .unwrap();
    let mut command = world.command("hypha", &["serve", "--port", "0"]);
    command.envs([
        ("HYPHA_PORT", "1"),
        ("HYPHA_BASE_PATH", "/from/env"),
        ("HYPHA_ROOT_TOKNE", ROOT),
    ]);
    command.envs([("HYPHA_WS_IDLE_TIMEOUT", "soon"), ("HYPHA_ENABLE_MCP", "1")]);
    let server = world.start(&mut command);
    assert!(server.url.ends_with("/from/env"), "{}", server.url);
    let (_, errors) = server.stop();
    for part in [
        "HYPHA_PORT=1 is ignored: the command line says --port 0",
        "unknown environment variable HYPHA_ROOT_TOKNE; did you mean HYPHA_ROOT_TOKEN?",
        "HYPHA_WS_IDLE_TIMEOUT=soon is ignored: expected a number above 0; it stays 600",
        "HYPHA_ENABLE_MCP has no effect: this version does not have the MCP gateway yet",
    ] {
        assert!(errors.contains(part), "{errors}");
    }
    assert!(!errors.contains(ROOT), "{errors}");
}

#[test]
fn what_cannot_be_used_stops_the_start() {
    let world = World::new();
    for (args, part) in [
        (
            ["--root-token", "letmein"],
            "Root token must be at least 32 characters long for security.",
        ),
        (
            ["--redis-uri", "redis://:hunter2@127.0.0.1:6379"],
            "does not use Redis yet",
        ),
        (["--redis-uri", "reddis://u:hunter2@h"], "expected redis://"),
        (
            ["--database-uri", "postgresql://u:hunter2@h/db"],
            "PostgreSQL is not supported",
        ),
        (["--base-path", "/a b"], "--base-path"),
        (["--host", "256.0.0.1"], "--host"),
    ] {
        let errors = world
            .hypha(&[&["serve", "--port", "0"][..], &args].concat())
            .failed(1);
        assert!(
            errors.contains(part) && !errors.contains("hunter2") && !errors.contains("letmein"),
            "{errors}"
        );
    }
}
