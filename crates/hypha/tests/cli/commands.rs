//! What needs no server, or brings its own.

use crate::world::World;

#[test]
fn version_and_help() {
    let world = World::new();
    assert_eq!(
        world.hypha(&["--version"]).ok(),
        format!("hypha {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = world.hypha(&["--help"]).ok();
    for part in ["serve", "call", "Examples:", "hypha call my-service.add 1 2"] {
        assert!(help.contains(part), "{help}");
    }
    let help = world.hypha(&["serve", "--help"]).ok();
    assert!(
        help.contains("--root-token") && !help.contains("--enable-server-apps"),
        "{help}"
    );
}

#[test]
fn mistakes_are_answered_with_what_was_meant() {
    let world = World::new();
    for (args, meant) in [
        (["serve", "--prot=1"], "--port"),
        (["serve", "--ephemral"], "--ephemeral"),
        (["workspaces", "--tokn=x"], "--token"),
    ] {
        let errors = world.hypha(&args).failed(2);
        assert!(errors.contains(meant), "{errors}");
    }
    assert!(world.hypha(&["servces"]).failed(2).contains("services"));
    assert!(
        world
            .hypha(&["serve", "--port", "many"])
            .failed(2)
            .contains("--port")
    );
    assert!(
        world
            .hypha(&["call", "nodot"])
            .failed(1)
            .contains("SERVICE.FUNCTION")
    );
}

#[test]
fn no_server() {
    let errors = World::new()
        .hypha(&["ping", "--server-url", "http://127.0.0.1:1"])
        .failed(1);
    assert!(
        errors.contains("Failed to connect") && errors.contains("hint: ") && errors.contains("hypha serve"),
        "{errors}"
    );
}

#[test]
fn the_demonstration_shows_an_answer() {
    let world = World::new();
    let shown = world.hypha(&["demo", "--once"]).ok();
    for part in [
        "demo-worker",
        "mean 3.0000, median 3.0000",
        "100 % done",
        "100000 in all",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    assert_eq!(
        std::fs::read_dir(world.folder()).unwrap().count(),
        0,
        "nothing is kept"
    );
}
