//! `hypha-server`, with the original's command line.

use crate::world::{World, outcome};

const SECRET: &str = "dCFGbGg3UjJuVXpQeVdrT3FhWnM5MTRlTm1CdlhpSmM";

#[test]
fn flags_without_effect_are_named() {
    let world = World::new();
    let flags = [
        "server",
        "--port=0",
        "--data-dir=data",
        "--enable-server-apps",
        "--minio-port=9000",
    ];
    let server = world.start(&mut world.command("hypha-server", &flags));
    let (code, errors) = server.stop();
    assert_eq!(code, Some(0));
    for part in [
        "--enable-server-apps has no effect: this version does not have server apps yet",
        "--minio-port has no effect: no MinIO is started by this server",
    ] {
        assert!(errors.contains(part), "{errors}");
    }
    let errors = outcome(&mut world.command("hypha-server", &["--enable-mpc"])).failed(2);
    assert!(errors.contains("--enable-mcp"), "{errors}");
}

#[test]
fn without_arguments_the_environment_decides() {
    let world = World::new();
    let mut command = world.command("hypha-server", &[]);
    command.envs([
        ("HYPHA_PORT", "0"),
        ("HYPHA_EPHEMERAL", "yes"),
        ("HYPHA_BASE_PATH", "/env"),
    ]);
    let server = world.start(&mut command);
    assert!(server.url.ends_with("/env"), "{}", server.url);

    // With another argument, it does not, unless it is asked to.
    let mut command = world.command("hypha-server", &["--port=0", "--ephemeral"]);
    let server = world.start(command.env("HYPHA_BASE_PATH", "/env"));
    assert!(!server.url.ends_with("/env"), "{}", server.url);
    let mut command = world.command("hypha-server", &["--port=0", "--ephemeral", "--from-env"]);
    let server = world.start(command.env("HYPHA_BASE_PATH", "/env"));
    assert!(server.url.ends_with("/env"), "{}", server.url);
}

#[test]
fn tokens_without_a_server() {
    let world = World::new();
    let without = outcome(&mut world.command("hypha-server", &["generate-token"])).failed(1);
    assert!(without.contains("HYPHA_JWT_SECRET"), "{without}");

    let args = ["generate-token", "--user-id", "ada", "--role", "member"];
    let shown = outcome(
        world
            .command("hypha-server", &args)
            .env("HYPHA_JWT_SECRET", SECRET),
    )
    .ok();
    assert!(
        shown.contains("Workspace: ws-user-ada") && shown.contains("\nToken:\n"),
        "{shown}"
    );
    let token = shown.lines().last().unwrap();

    let flags = ["--port=0", "--data-dir=data"];
    let server = world.start(
        world
            .command("hypha-server", &flags)
            .env("HYPHA_JWT_SECRET", SECRET),
    );
    let listed = world
        .hypha(&["workspaces", "--server-url", &server.url, "--token", token])
        .ok();
    assert!(listed.contains("ws-user-ada"), "{listed}");
    server.stop();

    // Without a secret of its own, the server keeps one, and tokens can be made with that.
    let server = world.start(&mut world.command("hypha-server", &flags));
    let args = [&args[..], &["--data-dir", "data"]].concat();
    let shown = outcome(&mut world.command("hypha-server", &args)).ok();
    let listed = world.hypha(&[
        "workspaces",
        "--server-url",
        &server.url,
        "--token",
        shown.lines().last().unwrap(),
    ]);
    assert!(listed.ok().contains("ws-user-ada"));
    let refused = world
        .hypha(&["workspaces", "--server-url", &server.url, "--token", token])
        .failed(1);
    assert!(refused.contains("Signature verification failed"), "{refused}");
}
