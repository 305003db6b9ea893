//! The application of the measurements in a process of its own: with uvicorn, or mounted at a server by the official
//! Python client.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::child::{Running, free_address};
use crate::http::{Http, request};
use crate::server::{Server, WORKSPACE};

/// Time the application may take to get ready.
const START: Duration = Duration::from_secs(60);

/// The program, the file that it sends, and an interpreter.
#[derive(Debug)]
pub(crate) struct Kit {
    python: PathBuf,
    folder: TempDir,
}

/// The application, ready.
#[derive(Debug)]
pub(crate) struct App {
    /// Where it is asked.
    pub(crate) address: SocketAddr,
    /// What goes before its paths.
    pub(crate) prefix: String,
    /// Its process, as a child of the load generator.
    pub(crate) process: Running,
}

impl Kit {
    /// Puts the program and a file of `size` bytes into a folder.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn new(python: &Path, size: usize) -> Result<Kit> {
        let folder = tempfile::Builder::new().prefix("hypha-bench-").tempdir()?;
        std::fs::write(folder.path().join("app.py"), include_str!("../app.py"))?;
        File::create(folder.path().join("file"))?.set_len(size as u64)?;
        let python = python.to_owned();
        Ok(Kit { python, folder })
    }

    /// Starts the application with uvicorn.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn serve(&self) -> Result<App> {
        let address = free_address()?;
        let mut command = Command::new(&self.python);
        command.args(["app.py", "serve", &address.port().to_string(), "file"]);
        self.start(command, address, String::new(), "direct").await
    }

    /// Starts the application as a service of `server`.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn mount(&self, server: &Server) -> Result<App> {
        let mut command = Command::new(&self.python);
        let url = format!("http://{}", server.address);
        command.args(["app.py", "mount", &url, WORKSPACE, "file"]);
        command.env("BENCH_TOKEN", &server.token);
        let prefix = format!("/{WORKSPACE}/apps/app:web");
        let name = format!("{:?}", server.kind);
        self.start(command, server.address, prefix, &name).await
    }

    async fn start(
        &self,
        mut command: Command,
        address: SocketAddr,
        prefix: String,
        name: &str,
    ) -> Result<App> {
        let log = self.folder.path().join(format!("app-{name}.log"));
        command.current_dir(&self.folder);
        let mut app = App {
            address,
            prefix,
            process: Running::start(command, &log)?,
        };
        let page = app.get("/page");
        let started = Instant::now();
        while let Err(error) = App::try_once(address, &page).await {
            let waits = app.process.alive() && started.elapsed() < START;
            ensure!(
                waits,
                "the application did not get ready: {error}\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(app)
    }

    /// Bytes of the file.
    ///
    /// # Errors
    /// If it is gone.
    pub(crate) fn file_size(&self) -> Result<u64> {
        let file = self.folder.path().join("file");
        Ok(file.metadata().context("the file")?.len())
    }
}

impl App {
    async fn try_once(address: SocketAddr, page: &[u8]) -> Result<()> {
        Http::open(address).await?.ask(page).await.map(|_| ())
    }

    /// A request for `path` of the application.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        request("GET", &self.path(path), "", None)
    }

    /// `path` of the application as the server that is asked knows it.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}
