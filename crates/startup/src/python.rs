//! The process in which all Python functions run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitStatus;
use std::sync::Arc;

use hypha_hub::auth::UserInfo;
use hypha_hub::ids::{ClientId, WorkspaceId};
use hypha_hub::{Hub, OwnClient};
use serde_json::json;
use tokio::io::BufReader;
use tokio::process::{ChildStdout, Command};
use tokio::sync::mpsc;

use crate::desk::Desk;
use crate::entry::Entry;
use crate::error::Error;
use crate::lines::next_line;
use crate::link::Link;
use crate::message::{FromPython, ToPython};
use crate::process::{Label, Process};
use crate::provider::Provider;

/// Longest line that the process may say, in bytes.
const LINE: u64 = 1 << 20;

/// Given to the interpreter; reads everything else from its input.
const BOOT: &str = include_str!("../python/boot.py");

/// One of the modules that the process gets with its first line.
struct Module {
    name: &'static str,
    /// Where it is here. The file `__init__.py` makes a package.
    path: &'static str,
    text: &'static str,
}

macro_rules! modules {
    ($($name:literal => $path:literal),* $(,)?) => {
        [$(Module { name: $name, path: $path, text: include_str!($path) }),*]
    };
}

/// What the process can import without having it installed.
const MODULES: [Module; 14] = modules! {
    "_hypha_startup" => "../python/__init__.py",
    "_hypha_startup.main" => "../python/main.py",
    "_hypha_startup.runner" => "../python/runner.py",
    "_hypha_startup.link" => "../python/link.py",
    "_hypha_startup.provider" => "../python/provider.py",
    "_hypha_startup.api" => "../python/api.py",
    "_hypha_startup.login" => "../python/login.py",
    "hypha" => "../../../sdk/python/hypha/__init__.py",
    "hypha._installed" => "../../../sdk/python/hypha/_installed.py",
    "hypha._server" => "../../../sdk/python/hypha/_server.py",
    "hypha.utils" => "../../../sdk/python/hypha/utils/__init__.py",
    "hypha.core" => "../../../sdk/python/hypha/core/__init__.py",
    "hypha.core._model" => "../../../sdk/python/hypha/core/_model.py",
    "hypha.core.auth" => "../../../sdk/python/hypha/core/auth.py",
};

/// What a Python process is started with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) hub: Hub,
    /// The interpreter.
    pub(crate) interpreter: OsString,
    pub(crate) provider: Arc<Provider>,
}

/// A Python process that is connected, or about to be.
pub(crate) struct Python {
    process: Process,
    link: Arc<Link>,
    /// How functions have ended.
    outcomes: mpsc::Receiver<Result<(), (String, Vec<String>)>>,
    label: Label,
    provider: Arc<Provider>,
    _client: OwnClient,
}

impl Python {
    /// Starts the interpreter, for `entry`.
    ///
    /// # Errors
    /// There is no interpreter, or no token could be made.
    pub(crate) fn start(setup: &Setup, entry: &Entry) -> Result<Self, Error> {
        let options = setup.hub.options();
        let client = ClientId::parse(&format!("startup-{}", options.server_id))?;
        let own = setup
            .hub
            .own_client(&WorkspaceId::public(), &client, &UserInfo::root())?;
        let modules: BTreeMap<_, _> = MODULES.iter().map(|one| (one.name, one.text)).collect();
        let packages = MODULES.iter().filter(|one| one.path.ends_with("/__init__.py"));
        let packages: Vec<_> = packages.map(|one| one.name).collect();
        let start = json!({
            "modules": modules,
            "packages": packages,
            "server_id": options.server_id,
            "connection": {
                "server_url": options.local_base_url,
                "workspace": WorkspaceId::public().as_str(),
                "client_id": client.as_str(),
                "token": own.token(),
            },
        });
        let label = Label::default();
        let mut command = Command::new(&setup.interpreter);
        command.args(["-u", "-c", BOOT]);
        let (process, stdin, stdout) = Process::start(&mut command, &label, own.token())
            .map_err(|error| missing(setup, entry, error))?;
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(missing(setup, entry, std::io::ErrorKind::BrokenPipe.into()));
        };
        let link = Arc::new(Link::new(stdin, start.to_string().into_bytes()));
        let desk = Desk::new(setup.hub.clone(), setup.provider.clone(), link.clone());
        let (outcome, outcomes) = mpsc::channel(1);
        tokio::spawn(listen(stdout, link.clone(), desk, outcome));
        Ok(Self {
            process,
            link,
            outcomes,
            label,
            provider: setup.provider.clone(),
            _client: own,
        })
    }

    /// Runs one function to its end.
    ///
    /// # Errors
    /// The function fails, or the process ends.
    pub(crate) async fn run(&mut self, entry: &Entry) -> Result<(), Error> {
        let Entry::Python { module, function } = entry else {
            return Ok(());
        };
        *self.label.lock() = entry.to_string();
        self.link.send(&ToPython::Run { module, function }).await;
        match self.outcomes.recv().await {
            Some(Ok(())) => Ok(()),
            Some(Err((error, trace))) => Err(Error::Failed {
                entry: entry.to_string(),
                error,
                trace,
            }),
            None => Err(Error::Died {
                entry: entry.to_string(),
                status: self.process.wait().await.map_err(|source| Error::Spawn {
                    what: entry.to_string(),
                    source,
                })?,
            }),
        }
    }

    /// All functions have run: from now on what is printed cannot be told apart.
    pub(crate) fn settle(&self, entries: usize) {
        if entries > 1 {
            *self.label.lock() = "python".to_owned();
        }
        self.provider.settle();
    }

    /// Waits until the process has ended.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.process.wait().await;
        self.provider.detach();
        status
    }

    /// Ends the process.
    pub(crate) async fn end(self) {
        self.provider.detach();
        self.process.end().await;
    }
}

fn missing(setup: &Setup, entry: &Entry, source: std::io::Error) -> Error {
    let python = setup.interpreter.display().to_string();
    let entry = entry.to_string();
    match source.kind() {
        std::io::ErrorKind::NotFound => Error::NoPython { entry, python },
        _ => Error::Spawn { what: python, source },
    }
}

/// Takes in what the process says until it ends.
async fn listen(
    stdout: ChildStdout,
    link: Arc<Link>,
    desk: Desk,
    outcome: mpsc::Sender<Result<(), (String, Vec<String>)>>,
) {
    let mut reader = BufReader::new(stdout);
    while let Ok(Some(line)) = next_line(&mut reader, LINE).await {
        match serde_json::from_slice(&line) {
            Ok(FromPython::Done) => drop(outcome.send(Ok(())).await),
            Ok(FromPython::Failed { error, trace }) => drop(outcome.send(Err((error, trace))).await),
            Ok(FromPython::Reply { id, value, error }) => {
                link.answered(id, error.map_or(Ok(value), Err));
            }
            Ok(FromPython::Ask { id, question }) => {
                let (value, error) = match desk.answer(question) {
                    Ok(value) => (Some(value), None),
                    Err(error) => (None, Some(error)),
                };
                link.send(&ToPython::Reply { id, value, error }).await;
            }
            Err(error) => tracing::warn!(%error, "a start-up function has said something unknown"),
        }
    }
    link.close();
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The dotted names of all modules in a folder.
    fn names(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && stem != "__pycache__" {
                names(&path, &format!("{prefix}.{stem}"), found);
            } else if stem == "__init__" {
                found.push(prefix.to_owned());
            } else if path.extension().is_some_and(|extension| extension == "py") {
                found.push(format!("{prefix}.{stem}"));
            }
        }
    }

    #[test]
    fn every_module_is_carried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Vec::new();
        names(&root.join("../../sdk/python/hypha"), "hypha", &mut found);
        names(&root.join("python"), "_hypha_startup", &mut found);
        found.retain(|name| name != "_hypha_startup.boot");
        found.sort();
        let mut carried: Vec<_> = MODULES.iter().map(|one| one.name.to_owned()).collect();
        carried.sort();
        assert_eq!(carried, found);
    }
}
