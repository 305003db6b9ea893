//! A server in this process: how the parts are put together, and taken apart again.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use hypha_gateway::Gateway;
use hypha_hub::auth::{Authenticator, RevokedTokens, TokenOptions};
use hypha_hub::cluster::SingleProcess;
use hypha_hub::durable::DurableStore;
use hypha_hub::{Hub, Options, Parts, ids};
use hypha_startup::Startup;
use hypha_storage::{Storage as FileStorage, WorkspaceFiles};
use hypha_store::{Location, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::artifacts::ArtifactManager;
use crate::config::settings::{Settings, Storage};

/// Under this key the store keeps the secret that signs tokens.
pub(crate) const SECRET_KEY: &str = "jwt_secret";
/// Under this key the store keeps the secret that signs the URLs of files.
const FILES_KEY: &str = "file_url_secret";
/// Under this key the store keeps the server's id.
const SERVER_ID_KEY: &str = "server_id";

/// A running server.
pub(crate) struct Server {
    hub: Hub,
    startup: Startup,
    store: Store,
    storage: FileStorage,
    artifacts: ArtifactManager,
    url: String,
    stop_accepting: CancellationToken,
    accepting: JoinHandle<()>,
    /// Offered for as long as the server runs.
    _login: hypha_login::Offered,
    /// Held for as long as the data folder is in use.
    _lock: Option<File>,
}

impl Server {
    /// Starts a server. When this returns, clients can connect.
    ///
    /// # Errors
    /// The address is taken, the data cannot be used, or a start-up function failed; the error says what to do.
    pub(crate) async fn start(settings: Settings) -> Result<Self> {
        for (name, value) in settings.shown() {
            tracing::info!("{name} = {value}");
        }
        raise_file_limit();
        let metrics = hypha_gateway::install_metrics().context("cannot collect metrics")?;
        let bind = resolve(&settings.host, settings.port).await?;
        // Bound first, so that a second server on the same port leaves the data alone.
        let base_path = settings.gateway.base_path.clone();
        let gateway = Gateway::bind(bind, settings.gateway).await?;
        let url = local_url(gateway.address(), &base_path);

        let (store, lock) = open(&settings.storage).await?;
        let server_id = match settings.server_id {
            Some(id) => id,
            None => store.setting_or_insert(SERVER_ID_KEY, &made_up_id()).await?,
        };
        let secret = match settings.jwt_secret {
            Some(secret) => secret,
            None => signing_secret(&store).await?,
        };
        let files_secret = store.setting_or_insert(FILES_KEY, &made_up_secret()).await?;
        let files = settings.files.config(&settings.storage, &files_secret)?;
        let files_of_anonymous = settings.files.anonymous_may_write;
        let storage = FileStorage::open(files).await?;
        let revoked = RevokedTokens::new(store.revoked_tokens(unix_now()).await?);
        let tokens = TokenOptions {
            secret,
            ..settings.tokens
        };
        let options = Options {
            server_id,
            public_base_url: settings.public_base_url.unwrap_or_else(|| url.clone()),
            local_base_url: url.clone(),
            ..settings.hub
        };
        let hub = Hub::start(Parts {
            options,
            authenticator: Authenticator::new(tokens, settings.root_token, revoked),
            store: Arc::new(store.clone()),
            cluster: Arc::new(SingleProcess::default()),
        })
        .await?;
        // Before start-up functions, which may have a login service of their own that leaves parts to this one.
        let login = hypha_login::offer(&hub, settings.login, Arc::new(store.clone()))
            .context("cannot offer the login service")?;
        let files = WorkspaceFiles::offer(&hub, &storage, files_of_anonymous)
            .context("cannot offer the file service")?;
        let artifacts = ArtifactManager::open(&hub, &settings.storage, storage.clone()).await?;
        // Start-up functions are clients; others wait until they have run.
        hub.hold_back();
        let parts = hypha_gateway::Parts {
            hub: hub.clone(),
            storage: storage.clone(),
            files,
            artifacts: artifacts.handle().clone(),
            metrics: Some(metrics),
        };
        let stop_accepting = CancellationToken::new();
        let accepting = tokio::spawn(gateway.run(parts, stop_accepting.clone()));
        let startup = Startup::run(&hub, settings.startup).await?;
        login.settle()?;
        hub.open_doors();
        Ok(Self {
            hub,
            startup,
            store,
            storage,
            artifacts,
            url,
            stop_accepting,
            accepting,
            _login: login,
            _lock: lock,
        })
    }

    /// The URL under which programs on this machine reach the server.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The URL that the server tells its users.
    pub(crate) fn public_url(&self) -> &str {
        &self.hub.options().public_base_url
    }

    /// Ends politely: no new clients, those that are connected are told to come back, calls in flight get a few
    /// seconds, and what was to be stored is.
    pub(crate) async fn stop(self) {
        self.stop_accepting.cancel();
        if let Err(error) = self.accepting.await {
            tracing::warn!(%error, "the listener did not end properly");
        }
        self.hub.drain().await;
        self.startup.stop().await;
        self.artifacts.close().await;
        self.storage.close().await;
        self.store.close().await;
    }
}

/// The secret that the store keeps for signing tokens; made up when it keeps none.
///
/// # Errors
/// The store does not answer.
pub(crate) async fn signing_secret(store: &Store) -> Result<String> {
    Ok(store.setting_or_insert(SECRET_KEY, &made_up_secret()).await?)
}

fn made_up_secret() -> String {
    let mut rng = rand::rng();
    format!("{}{}", ids::random_id(&mut rng), ids::random_id(&mut rng))
}

/// Seconds since the Unix epoch.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn made_up_id() -> String {
    let random = ids::random_id(&mut rand::rng()).to_lowercase();
    format!("hub-{}", &random[..8])
}

async fn resolve(host: &str, port: u16) -> Result<SocketAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = tokio::net::lookup_host((host, port))
        .await
        .with_context(|| format!("--host {host}"))?;
    found
        .next()
        .ok_or_else(|| anyhow!("--host {host}: no address has this name"))
}

fn local_url(address: SocketAddr, base_path: &str) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}{base_path}", SocketAddr::new(ip, address.port()))
}

async fn open(storage: &Storage) -> Result<(Store, Option<File>)> {
    Ok(match storage {
        Storage::Ephemeral => (Store::open(&Location::Memory).await?, None),
        Storage::Database(uri) => {
            let location = Location::parse(uri).context("--database-uri")?;
            (Store::open(&location).await?, None)
        }
        Storage::Folder(folder) => {
            let lock = lock(folder)?;
            (
                Store::open(&Location::File(folder.join(Storage::DATABASE))).await?,
                Some(lock),
            )
        }
    })
}

/// Makes the data folder and takes it for this process: two servers in one folder would be one server twice. The system
/// gives it back when the process ends, however that happens.
fn lock(folder: &Path) -> Result<File> {
    let cannot = || format!("cannot use the data folder {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let file = File::create(folder.join("lock")).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(anyhow!(
            "another server uses the data folder {}; stop it, or name another folder with --data-dir",
            folder.display()
        )),
        Err(std::fs::TryLockError::Error(error)) => {
            // Some network file systems have no locks; a server there is better than none.
            tracing::warn!(%error, "cannot lock the data folder; make sure that only one server uses it");
            Ok(file)
        }
    }
}

/// Every connection is an open file; the usual limit is for programs that have few.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::info!("up to {limit} open files"),
        Err(error) => tracing::info!(%error, "the limit on open files stays as it is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_this_machine() {
        for (address, expected) in [
            ("0.0.0.0:9527", "http://127.0.0.1:9527/x"),
            ("[::]:80", "http://[::1]:80/x"),
            ("192.0.2.7:1", "http://192.0.2.7:1/x"),
        ] {
            assert_eq!(local_url(address.parse().unwrap(), "/x"), expected);
        }
    }

    #[test]
    fn a_folder_is_for_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let error = lock(folder.path()).unwrap_err().to_string();
        assert!(error.contains("another server uses the data folder"), "{error}");
        drop(held);
        assert!(lock(folder.path()).is_ok());
    }

    #[tokio::test]
    async fn the_secret_is_kept() {
        let store = Store::ephemeral().await.unwrap();
        let secret = signing_secret(&store).await.unwrap();
        assert_eq!(secret.len(), 44);
        assert_eq!(signing_secret(&store).await.unwrap(), secret);
    }

    #[test]
    fn made_up_ids_can_be_part_of_an_address() {
        assert!(ids::ClientId::parse(&format!("manager-{}", made_up_id())).is_ok());
    }
}
