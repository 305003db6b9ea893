//! The same cases on PostgreSQL: Debian's, started here on a free port with a folder of its own.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, query};

use super::*;

/// How long the server may take to start.
const START: Duration = Duration::from_secs(60);

/// A running server, ended when it is dropped.
pub(super) struct Server {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Where Debian puts the programs of PostgreSQL.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let programs = versions
        .map(|version| version.path().join("bin"))
        .find(|bin| bin.join("initdb").exists());
    programs.expect("this test needs PostgreSQL (Debian: postgresql)")
}

/// A program of PostgreSQL, which does not want to be root.
fn program(name: &str) -> Command {
    let path = programs().join(name);
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if !is_root {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(path);
    command
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server's user has to get in.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let data = folder.path().join("data");
        let mut made = program("initdb");
        made.args(["-A", "trust", "-U", "hypha", "-E", "UTF8", "--no-sync", "-D"])
            .arg(&data);
        assert!(
            made.stdout(Stdio::null()).status().unwrap().success(),
            "initdb failed"
        );
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = serve(&data, folder.path(), port);
        let server = Self {
            process,
            port,
            _folder: folder,
        };
        install();
        let started = Instant::now();
        while sqlx::AnyConnection::connect(&server.url("postgres"))
            .await
            .is_err()
        {
            assert!(started.elapsed() < START, "PostgreSQL does not start");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://hypha@127.0.0.1:{}/{database}", self.port)
    }

    /// Artifacts in a new database.
    pub(super) async fn artifacts(&self, name: &str) -> Artifacts {
        let mut connection = sqlx::AnyConnection::connect(&self.url("postgres")).await.unwrap();
        query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
        let database = Database::open_postgres(&self.url(name)).await.unwrap();
        with(database, Storage::memory().await.unwrap()).await
    }
}

fn install() {
    sqlx::any::install_default_drivers();
}

fn serve(data: &Path, sockets: &Path, port: u16) -> Child {
    let mut command = program("postgres");
    command.arg("-D").arg(data).arg("-k").arg(sockets).args([
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-F",
    ]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn all_cases_on_postgres() {
    let server = Server::start().await;
    super::rules::on(&server).await;
    super::search::on(&server).await;
    for run in 0..2 {
        let artifacts = server.artifacts(&format!("random_{run}")).await;
        super::random::follow(artifacts, rand::random()).await;
    }
    // A second server process on the same database finds the schema there.
    let again = Database::open_postgres(&server.url("random_0")).await.unwrap();
    again.close().await;
}
