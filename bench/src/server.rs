//! The servers that are measured: ours, the original, the bare relay.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hypha_wire::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::child::{Running, free_address};
use crate::peer::{Hello, Peer};
use crate::values::map;

/// 64 characters, so that the strength rule of the original does not look at its words.
const ROOT_TOKEN: &str = "9f3c5e7a1b2d4f6089e7c6b5a4d3f2e19f3c5e7a1b2d4f6089e7c6b5a4d3f2e1";

/// Signs the tokens; fixed, so that they outlive a restart.
const JWT_SECRET: &str = "a-secret-that-only-the-measurement-knows";

/// The workspace that the clients join.
pub(crate) const WORKSPACE: &str = "bench-main";

/// Limits that would end a measurement, raised.
const LIMITS: [(&str, &str); 11] = [
    ("HYPHA_WS_MSG_RATE_LIMIT", "1000000000"),
    ("HYPHA_WS_MSG_BURST_LIMIT", "1000000000"),
    ("HYPHA_MAX_CONNECTIONS_PER_USER", "1000000"),
    ("HYPHA_MAX_CLIENTS_PER_WORKSPACE", "1000000"),
    ("HYPHA_MAX_SERVICES_PER_CLIENT", "1000000"),
    ("HYPHA_MAX_CONCURRENT_CONNECTIONS", "100"),
    ("HYPHA_REDIS_MAX_CONNECTIONS", "100000"),
    ("HYPHA_HTTP_RATE_LIMIT", "1000000000"),
    ("HYPHA_HTTP_BURST_LIMIT", "1000000000"),
    ("HYPHA_HTTP_AUTHENTICATED_RATE_LIMIT", "1000000000"),
    ("HYPHA_HTTP_AUTHENTICATED_BURST_LIMIT", "1000000000"),
];

/// Time a server may take to get ready.
const START: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The binary of this repository.
    Ours,
    /// The Python server.
    Original,
    /// The relay of this program.
    Relay,
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The `hypha` binary.
    pub(crate) ours: PathBuf,
    /// The interpreter of an environment with the original server; without it, nothing is measured against the original.
    pub(crate) original: Option<PathBuf>,
    /// This program.
    pub(crate) own: PathBuf,
}

/// A server that is up.
#[derive(Debug)]
pub(crate) struct Server {
    /// Which one.
    pub(crate) kind: Kind,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The process.
    pub(crate) process: Running,
    /// A token for [`WORKSPACE`] with all permissions; empty for the relay.
    pub(crate) token: String,
    /// Time from starting the process to the first answer of the readiness probe.
    pub(crate) ready_after: Duration,
    programs: Programs,
    redis: Option<(Running, SocketAddr)>,
    folder: TempDir,
}

impl Server {
    /// Starts a server on a free loopback port and creates [`WORKSPACE`].
    ///
    /// # Errors
    /// If it does not get ready; the message has the end of its log.
    pub(crate) async fn start(kind: Kind, programs: &Programs) -> Result<Server> {
        let mut server = Server::start_bare(kind, programs).await?;
        if kind != Kind::Relay {
            server.token = server.make_workspace().await?;
        }
        Ok(server)
    }

    /// Starts a server with an empty store and waits until it is ready, no more.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn start_bare(kind: Kind, programs: &Programs) -> Result<Server> {
        let folder = tempfile::Builder::new().prefix("hypha-bench-").tempdir()?;
        let redis = match kind {
            Kind::Original => Some(start_redis(folder.path()).await?),
            Kind::Ours | Kind::Relay => None,
        };
        let address = free_address()?;
        let command = command(
            kind,
            programs,
            address,
            folder.path(),
            redis.as_ref().map(|(_, address)| *address),
        );
        let started = Instant::now();
        let process = Running::start(command, &folder.path().join("server.log"))?;
        let mut server = Server {
            kind,
            address,
            process,
            token: String::new(),
            ready_after: Duration::ZERO,
            programs: programs.clone(),
            redis,
            folder,
        };
        server.wait_until_ready().await?;
        server.ready_after = started.elapsed();
        Ok(server)
    }

    /// Starts the process again after [`Running::kill`], on the same port and with the same store; does not wait.
    ///
    /// # Errors
    /// If the program is gone.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let redis = self.redis.as_ref().map(|(_, address)| *address);
        let command = command(self.kind, &self.programs, self.address, self.folder.path(), redis);
        self.process = Running::start(command, &self.folder.path().join("server.log"))?;
        Ok(())
    }

    /// Waits until the readiness probe answers 200 (for the relay: until it accepts connections).
    ///
    /// # Errors
    /// If the process ends or the time for a start is over.
    pub(crate) async fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            let ready = match self.kind {
                Kind::Relay => TcpStream::connect(self.address).await.is_ok(),
                _ => probe(self.address).await.is_ok_and(|status| status == 200),
            };
            if ready {
                return Ok(());
            }
            if !self.process.alive() || started.elapsed() > START {
                let log = std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
                let end = log.len().saturating_sub(2_000);
                bail!(
                    "{:?} did not get ready:\n{}",
                    self.kind,
                    log.get(end..).unwrap_or(&log)
                );
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn make_workspace(&self) -> Result<String> {
        let mut root = Peer::connect(
            self.address,
            Hello {
                client_id: "bench-root",
                token: Some(ROOT_TOKEN),
                ..Hello::default()
            },
        )
        .await?;
        let config = map([
            ("id", WORKSPACE.into()),
            ("name", WORKSPACE.into()),
            ("persistent", true.into()),
        ]);
        root.manager("create_workspace", vec![config]).await?;
        let config = map([
            ("workspace", WORKSPACE.into()),
            ("permission", "admin".into()),
            ("expires_in", Value::Int(86_400)),
        ]);
        let token = root.manager("generate_token", vec![config]).await?;
        Ok(token.as_str().context("the token is text")?.to_owned())
    }
}

fn command(
    kind: Kind,
    programs: &Programs,
    address: SocketAddr,
    folder: &Path,
    redis: Option<SocketAddr>,
) -> Command {
    let mut command = match kind {
        Kind::Ours => {
            let mut command = Command::new(&programs.ours);
            command.arg("serve").arg("--data-dir").arg(folder.join("data"));
            command
        }
        Kind::Original => {
            let mut command = Command::new(programs.original.as_deref().unwrap_or(Path::new("python3")));
            command.args(["-m", "hypha.server"]);
            command
        }
        Kind::Relay => {
            let mut command = Command::new(&programs.own);
            command.args(["relay", "--port", &address.port().to_string()]);
            return command;
        }
    };
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
    command.args(["--root-token", ROOT_TOKEN]);
    if let Some(redis) = redis {
        command.arg("--redis-uri").arg(format!("redis://{redis}"));
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HYPHA_") {
            command.env_remove(name);
        }
    }
    command
        .env("HYPHA_JWT_SECRET", JWT_SECRET)
        .envs(LIMITS)
        .current_dir(folder);
    command
}

/// Starts Redis without persistence.
async fn start_redis(folder: &Path) -> Result<(Running, SocketAddr)> {
    let address = free_address()?;
    let mut command = Command::new("redis-server");
    let port = address.port().to_string();
    command.args([
        "--bind",
        "127.0.0.1",
        "--port",
        &port,
        "--save",
        "",
        "--appendonly",
        "no",
        "--maxclients",
        "15000",
    ]);
    let redis = Running::start(command, &folder.join("redis.log"))?;
    for _ in 0..500 {
        if TcpStream::connect(address).await.is_ok() {
            return Ok((redis, address));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("redis-server did not get ready");
}

/// The status of `GET /health/readiness`; a try takes at most two seconds.
///
/// # Errors
/// If there is no answer.
pub(crate) async fn probe(address: SocketAddr) -> Result<u16> {
    let request = format!("GET /health/readiness HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(2), exchange).await??;
    let status = answer.get(9..12).context("a status line")?;
    Ok(std::str::from_utf8(status)?.parse()?)
}
