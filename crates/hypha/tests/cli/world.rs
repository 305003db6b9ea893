//! A world of its own for each test: an empty folder, and an environment that says nothing about Hypha.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to start or to stop.
const LIMIT: Duration = Duration::from_secs(30);

/// See the module documentation.
pub(crate) struct World(TempDir);

/// What a command has left.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running server, ended when it is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) url: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The command of a binary of this package, with its arguments.
    pub(crate) fn command(&self, binary: &str, args: &[&str]) -> Command {
        let path = match binary {
            "hypha" => env!("CARGO_BIN_EXE_hypha"),
            _ => env!("CARGO_BIN_EXE_hypha-server"),
        };
        let mut command = Command::new(path);
        command
            .args(args)
            .current_dir(self.folder())
            .env("HOME", self.folder());
        for (name, _) in std::env::vars_os() {
            let of_hypha = ["HYPHA_", "AUTH0_", "JWT_", "XDG_"]
                .iter()
                .any(|start| name.to_string_lossy().starts_with(start));
            if of_hypha {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs `hypha` to its end.
    pub(crate) fn hypha(&self, args: &[&str]) -> Outcome {
        outcome(&mut self.command("hypha", args))
    }

    /// Starts a server and waits until it says that it is ready.
    pub(crate) fn start(&self, command: &mut Command) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        let Some((_, url)) = first.trim_end().split_once(" is ready at ") else {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("the server is not ready: {first}{errors}");
        };
        Running {
            url: url.to_owned(),
            child,
        }
    }
}

/// Runs a command to its end.
pub(crate) fn outcome(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

impl Outcome {
    /// Standard output of a command that succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Standard error of a command that failed with `code`.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self.stderr
    }
}

impl Running {
    /// Asks the server to stop; its exit code and what it wrote to standard error.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        let killed = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the server does not stop");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (status.code(), errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
