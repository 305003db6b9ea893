//! Programs that parts of the system, or of a user's own programs, use.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use directories::UserDirs;
use tokio::process::Command;

use super::finding::Finding;
use crate::config::env::Env;

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest version that is shown, in characters.
const MAX_VERSION: usize = 100;
/// What Python is asked to do: its version, then that of the client, if that can be imported. Nothing of the current
/// folder, which Python would look at first, is imported.
const PYTHON: &str = "import sys; sys.path = [folder for folder in sys.path if folder]; \
                      import platform; print(platform.python_version(), flush=True); \
                      import hypha_rpc, importlib.metadata as m; print(m.version('hypha-rpc'))";

/// A program, by any of its names.
struct Program {
    name: &'static str,
    commands: &'static [&'static str],
    args: &'static [&'static str],
    advice: &'static str,
}

const PROGRAMS: [Program; 4] = [
    Program {
        name: "node",
        commands: &["node"],
        args: &["--version"],
        advice: "for services in JavaScript: install Node 20 or later (Debian: apt install nodejs)",
    },
    Program {
        name: "chromium",
        commands: &[
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
        ],
        args: &["--version"],
        advice: "for apps in a browser: install Chromium or Chrome (Debian: apt install chromium)",
    },
    Program {
        name: "git",
        commands: &["git"],
        args: &["--version"],
        advice: "to work with versions of files: install it (Debian: apt install git)",
    },
    Program {
        name: "kubectl",
        commands: &["kubectl"],
        args: &["version", "--client"],
        advice: "to look after servers and workers on Kubernetes: https://kubernetes.io/docs/tasks/tools/",
    },
];

/// Looks at all programs at the same time.
pub(super) async fn look(env: &Env) -> Vec<Finding> {
    let others = futures_util::future::join_all(PROGRAMS.iter().map(look_at));
    let (python, others, conda) = tokio::join!(python(env), others, conda(env));
    let mut findings = python;
    findings.extend(others);
    findings.push(conda);
    findings
}

async fn look_at(program: &Program) -> Finding {
    for command in program.commands {
        match first_line(command, program.args).await {
            Run::Done(version) => return Finding::ok(program.name, version),
            Run::Failed(text) => {
                let advice = format!(
                    "`{command} {}` does not work; install it again",
                    program.args.join(" ")
                );
                return Finding::problem(program.name, text, advice);
            }
            Run::NotFound => {}
        }
    }
    Finding::missing(program.name, "not found", program.advice)
}

/// Python, and in it the client.
async fn python(env: &Env) -> Vec<Finding> {
    let command = env.get("HYPHA_PYTHON").unwrap_or("python3");
    let made = Command::new(command).args(["-c", PYTHON]).quietly().await;
    let output = match made {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let advice = "for services and startup functions in Python: install Python 3.11 or later, or set HYPHA_PYTHON";
            return vec![Finding::missing("python", format!("{command} not found"), advice)];
        }
        Err(error) => {
            return vec![Finding::problem(
                "python",
                format!("{command}: {error}"),
                "set HYPHA_PYTHON to a working one",
            )];
        }
        Ok(output) => output,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let Some(version) = lines.next() else {
        let advice = "set HYPHA_PYTHON to a working one";
        return vec![Finding::problem(
            "python",
            format!("{command} does not work"),
            advice,
        )];
    };
    let client = match lines.next().filter(|_| output.status.success()) {
        Some(version) => Finding::ok("python client", format!("hypha-rpc {}", shortened(version))),
        None => {
            let advice =
                format!("for services and startup functions in Python: {command} -m pip install hypha-rpc");
            Finding::missing(
                "python client",
                format!("{command} cannot import hypha_rpc"),
                advice,
            )
        }
    };
    vec![
        Finding::ok("python", format!("{command} {}", shortened(version))),
        client,
    ]
}

/// A program that makes conda environments, or a folder of one.
async fn conda(env: &Env) -> Finding {
    for command in ["conda", "mamba", "micromamba"] {
        if let Run::Done(version) = first_line(command, &["--version"]).await {
            let version = version.trim_start_matches(command).trim_start();
            return Finding::ok("conda", format!("{command} {version}"));
        }
    }
    let home = UserDirs::new().map(|folders| folders.home_dir().to_owned());
    let usual = ["miniforge3", "miniconda3", "anaconda3", "micromamba"];
    let of_variables = ["MAMBA_ROOT_PREFIX", "CONDA_PREFIX"];
    let folder = of_variables
        .iter()
        .filter_map(|name| env.get(name).map(PathBuf::from))
        .chain(home.iter().flat_map(|home| usual.map(|name| home.join(name))))
        .chain([PathBuf::from("/opt/conda")])
        .find(|folder| folder.is_dir());
    match folder {
        Some(folder) => {
            let text = format!("no command, but a folder: {}", folder.display());
            Finding::missing("conda", text, "put its bin folder into PATH")
        }
        None => {
            let advice = "for apps in conda environments: https://conda-forge.org/download/";
            Finding::missing("conda", "not found", advice)
        }
    }
}

/// What became of a program.
enum Run {
    /// It worked; the first line that it printed.
    Done(String),
    /// It did not.
    Failed(String),
    /// There is none.
    NotFound,
}

async fn first_line(command: &str, args: &[&str]) -> Run {
    match Command::new(command).args(args).quietly().await {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            Run::Done(shortened(text.lines().next().unwrap_or_default()))
        }
        Ok(output) => Run::Failed(format!("{command} ends with {}", output.status)),
        Err(error) if error.kind() == ErrorKind::NotFound => Run::NotFound,
        Err(error) => Run::Failed(format!("{command}: {error}")),
    }
}

fn shortened(text: &str) -> String {
    text.trim().chars().take(MAX_VERSION).collect()
}

/// Runs a command without a terminal, for a while at most.
trait Quietly {
    /// Runs it and collects what it prints.
    async fn quietly(&mut self) -> std::io::Result<std::process::Output>;
}

impl Quietly for Command {
    async fn quietly(&mut self) -> std::io::Result<std::process::Output> {
        self.stdin(Stdio::null()).kill_on_drop(true);
        match tokio::time::timeout(PATIENCE, self.output()).await {
            Ok(output) => output,
            Err(_) => Err(ErrorKind::TimedOut.into()),
        }
    }
}
