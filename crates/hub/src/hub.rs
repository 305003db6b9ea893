//! The hub itself: what all connections share, and how it starts and stops.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::GoneHook;
use crate::auth::{Authenticator, UserInfo};
use crate::blocklist::Blocklist;
use crate::cluster::{Channel, Cluster};
use crate::connection::Connection;
use crate::durable::DurableStore;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::ids::WorkspaceId;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::outbox::CloseReason;
use crate::queue::Queues;
use crate::router::reject_pending;
use crate::visitor::Visit;
use crate::workspace::{Peer, Status, Workspace, WorkspaceInfo};

/// How long calls in flight may take to end when the hub shuts down.
const DRAIN_CALLS: Duration = Duration::from_secs(3);
/// How long connections may take to write what is left after that.
const DRAIN_WRITES: Duration = Duration::from_secs(2);
/// How often idle connections, expired tokens and expired blocks are looked for, at most.
const SWEEP: Duration = Duration::from_secs(60);

/// A cheap handle to a running hub.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    options: Options,
    authenticator: Authenticator,
    store: Arc<dyn DurableStore>,
    cluster: Arc<dyn Cluster>,
    blocklist: Blocklist,
    queues: Queues,
    gone_hooks: RwLock<Vec<GoneHook>>,
    workspaces: DashMap<WorkspaceId, Arc<Workspace>, foldhash::fast::RandomState>,
    /// The HTTP requests that call services at the moment, by their addresses.
    visits: DashMap<Arc<str>, Arc<Visit>, foldhash::fast::RandomState>,
    /// One reference-counted slot per connected user: the count of its connections is the count of references.
    users: Mutex<HashMap<Box<str>, Weak<()>>>,
    handshakes: Semaphore,
    generations: AtomicU64,
    metrics: Metrics,
    draining: AtomicBool,
    /// Whether only the server's own programs are let in yet.
    held_back: AtomicBool,
    /// The addresses of clients that the server runs itself.
    own: Mutex<HashSet<Box<str>>>,
    started: Instant,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    /// The hub's own peers, the manager first.
    hosted: OnceLock<Vec<Arc<Hosted>>>,
    /// Held here so that siblings reach the hub for as long as it lives.
    channel: Arc<dyn Channel>,
}

/// What a hub is made of.
pub struct Parts {
    /// What an operator can set.
    pub options: Options,
    /// Who is let in; holds the revoked tokens already.
    pub authenticator: Authenticator,
    /// Durable state.
    pub store: Arc<dyn DurableStore>,
    /// The sibling hubs.
    pub cluster: Arc<dyn Cluster>,
}

/// What a hub holds at the moment, counted from its registries.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Time since the start.
    pub uptime: Duration,
    /// Open connections.
    pub connections: usize,
    /// Loaded workspaces.
    pub workspaces: usize,
    /// Registered services.
    pub services: usize,
}

/// Takes frames from sibling hubs. Does not keep the hub alive.
struct HubChannel(Weak<Shared>);

impl Channel for HubChannel {
    fn deliver(&self, address: &str, frame: Bytes) -> bool {
        let Some(hub) = self.0.upgrade().map(Hub) else {
            return false;
        };
        let Some((workspace, client)) = address.split_once('/') else {
            return false;
        };
        let connection = hub
            .workspace(workspace)
            .and_then(|workspace| workspace.connection(client));
        connection.is_some_and(|connection| connection.send(&frame).is_ok())
    }
}

impl Hub {
    /// Starts a hub: joins the cluster, creates the system workspaces and the services that the hub itself offers.
    ///
    /// # Errors
    /// Storage that does not answer, or a live hub with the same id.
    pub async fn start(parts: Parts) -> Result<Self, Error> {
        let Parts {
            options,
            authenticator,
            store,
            cluster,
        } = parts;
        let blocklist = Blocklist::load(&*store, unix_now()).await?;
        let hub = Self(Arc::new_cyclic(|shared| Shared {
            handshakes: Semaphore::new(options.limits.concurrent_handshakes.max(1)),
            options,
            authenticator,
            store,
            cluster,
            blocklist,
            queues: Queues::default(),
            gone_hooks: RwLock::default(),
            workspaces: DashMap::default(),
            visits: DashMap::default(),
            users: Mutex::default(),
            generations: AtomicU64::new(1),
            metrics: Metrics::new(),
            draining: AtomicBool::new(false),
            held_back: AtomicBool::new(false),
            own: Mutex::default(),
            started: Instant::now(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            hosted: OnceLock::new(),
            channel: Arc::new(HubChannel(shared.clone())),
        }));
        hub.cluster()
            .join(&hub.options().server_id, Arc::downgrade(&hub.0.channel))?;
        hub.create_system_workspaces().await?;
        let hosted = Hosted::install(&hub)?;
        // Set once, here.
        let _ = hub.0.hosted.set(hosted);
        let sweeper = hub.clone();
        hub.0.tasks.spawn(async move { sweeper.sweep().await });
        Ok(hub)
    }

    /// What an operator has set.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Counters of what happens.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The tasks that end before the process does.
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Cancelled when the hub stops and all its connections have been closed.
    pub fn closing(&self) -> CancellationToken {
        self.0.shutdown.clone()
    }

    /// Tokens and who they stand for.
    pub fn authenticator(&self) -> &Authenticator {
        &self.0.authenticator
    }

    pub(crate) fn store(&self) -> &dyn DurableStore {
        &*self.0.store
    }

    pub(crate) fn cluster(&self) -> &dyn Cluster {
        &*self.0.cluster
    }

    pub(crate) fn blocklist(&self) -> &Blocklist {
        &self.0.blocklist
    }

    pub(crate) fn gone_hooks(&self) -> &RwLock<Vec<GoneHook>> {
        &self.0.gone_hooks
    }

    pub(crate) fn queues(&self) -> &Queues {
        &self.0.queues
    }

    pub(crate) fn workspaces(&self) -> &DashMap<WorkspaceId, Arc<Workspace>, foldhash::fast::RandomState> {
        &self.0.workspaces
    }

    pub(crate) fn visits(&self) -> &DashMap<Arc<str>, Arc<Visit>, foldhash::fast::RandomState> {
        &self.0.visits
    }

    pub(crate) fn handshakes(&self) -> &Semaphore {
        &self.0.handshakes
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn held_back(&self) -> &AtomicBool {
        &self.0.held_back
    }

    pub(crate) fn own(&self) -> &Mutex<HashSet<Box<str>>> {
        &self.0.own
    }

    pub(crate) fn next_generation(&self) -> u64 {
        self.0.generations.fetch_add(1, Ordering::Relaxed)
    }

    /// The hub's own peers: the manager, that of `public`, that of visitors, that of the root user.
    pub(crate) fn hosted(&self) -> &[Arc<Hosted>] {
        self.0.hosted.get().map_or(&[], Vec::as_slice)
    }

    /// The peer of the workspace manager.
    pub(crate) fn manager(&self) -> Option<&Arc<Hosted>> {
        self.hosted().first()
    }

    /// A reference to the slot of a user; `Err` with the count when the user has as many connections as allowed.
    pub(crate) fn user_slot(&self, user: &UserInfo) -> Result<Arc<()>, usize> {
        let mut users = self.0.users.lock();
        if let Some(slot) = users.get(user.id.as_str()).and_then(Weak::upgrade) {
            // The reference just made is not a connection yet.
            let open = Arc::strong_count(&slot) - 1;
            return if open < self.options().limits.connections_per_user {
                Ok(slot)
            } else {
                Err(open)
            };
        }
        let slot = Arc::new(());
        users.insert(user.id.as_str().into(), Arc::downgrade(&slot));
        Ok(slot)
    }

    /// Whether clients can be served: storage answers and the hub is not shutting down.
    ///
    /// # Errors
    /// A text for the operator.
    pub async fn check(&self) -> Result<(), String> {
        if self.is_draining() {
            return Err("Server is shutting down".into());
        }
        if self.is_held_back() {
            return Err("Server is starting: start-up functions are running".into());
        }
        match self.store().setting("server_id").await {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("Store is not ready: {error}")),
        }
    }

    /// What the hub holds at the moment.
    pub fn usage(&self) -> Usage {
        let workspaces: Vec<_> = self.loaded();
        Usage {
            uptime: self.0.started.elapsed(),
            connections: workspaces
                .iter()
                .map(|workspace| workspace.connection_count())
                .sum(),
            workspaces: workspaces.len(),
            services: workspaces
                .iter()
                .map(|workspace| workspace.services.read().all().count())
                .sum(),
        }
    }

    /// A loaded workspace.
    pub(crate) fn workspace(&self, id: &str) -> Option<Arc<Workspace>> {
        self.0.workspaces.get(id).map(|entry| entry.value().clone())
    }

    /// All loaded workspaces.
    pub(crate) fn loaded(&self) -> Vec<Arc<Workspace>> {
        self.0
            .workspaces
            .iter()
            .map(|entry| entry.value().clone())
            .collect()
    }

    /// Tells clients to come back, lets calls in flight end, and closes all connections.
    pub async fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
        let connections: Vec<_> = self
            .loaded()
            .iter()
            .flat_map(|workspace| workspace.connections())
            .collect();
        let busy = || {
            let waits = |one: &Arc<Connection>| one.outstanding.load(Ordering::Relaxed) > 0;
            !self.visits().is_empty() || connections.iter().any(waits)
        };
        let deadline = tokio::time::Instant::now() + DRAIN_CALLS;
        while busy() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for workspace in self.loaded() {
            for connection in workspace.connections() {
                connection.close(&CloseReason::new(1001, "Server is shutting down"));
            }
        }
        self.0.shutdown.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(DRAIN_WRITES, self.0.tasks.wait())
            .await
            .is_err()
        {
            tracing::info!("some connections did not close in time");
        }
        self.cluster().leave(&self.options().server_id);
        for hosted in self.hosted() {
            hosted.peer().close("Server is shutting down");
        }
        self.0.workspaces.clear();
    }

    /// Runs until the hub stops: closes idle connections and forgets what has expired.
    async fn sweep(&self) {
        let idle = self.options().limits.idle_timeout;
        let period = SWEEP.min(Duration::from_secs_f64((idle / 4.0).clamp(0.05, 3600.0)));
        loop {
            tokio::select! {
                () = self.0.shutdown.cancelled() => return,
                () = tokio::time::sleep(period) => {}
            }
            for connection in self.loaded().iter().flat_map(|workspace| workspace.connections()) {
                if connection.idle_seconds() > idle {
                    connection.close(&CloseReason::new(1001, format!("Idle timeout ({idle}s)")));
                }
            }
            self.0.users.lock().retain(|_, slot| slot.strong_count() > 0);
            let now = unix_now();
            self.authenticator().revoked().purge(now);
            self.blocklist().purge(now);
            if let Err(error) = self.store().purge_expired(now).await {
                tracing::warn!(%error, "cannot purge expired entries");
            }
        }
    }

    /// The one clean-up of a connection, however it ended. Whoever comes second finds nothing to do.
    pub(crate) fn disconnected(&self, connection: &Arc<Connection>) {
        connection.outbox.finish();
        let workspace = &connection.workspace;
        let removed = {
            // Both under one turn, so that a successor registers nothing in between.
            let mut services = workspace.services.write();
            let mut members = workspace.members.write();
            match members.peers.get(connection.client.as_str()) {
                Some(Peer::Connection(current)) if current.generation == connection.generation => {
                    members.peers.remove(connection.client.as_str());
                    Some(services.remove_client(connection.client.as_str()))
                }
                _ => None,
            }
        };
        if let Some(removed) = removed {
            self.metrics().closed.increment(1);
            self.announce_removal(workspace, connection.client.as_str(), &removed);
            reject_pending(connection);
            for hosted in self.hosted() {
                hosted.peer().client_gone(connection.address());
            }
            self.cluster()
                .withdraw(&self.options().server_id, connection.address());
            self.unload_if_empty(workspace);
        }
    }

    /// Stores the system workspaces that every hub has.
    async fn create_system_workspaces(&self) -> Result<(), Error> {
        let manager = WorkspaceId::manager();
        let info = WorkspaceInfo {
            id: manager.to_string(),
            name: manager.to_string(),
            ..Default::default()
        };
        self.0
            .workspaces
            .insert(manager.clone(), Workspace::new(info, manager));
        let system = [
            (WorkspaceId::root(), "The workspace of the root user", false),
            (WorkspaceId::public(), "Services for everybody", true),
            (
                WorkspaceId::anonymous(),
                "The workspace of anonymous HTTP callers",
                true,
            ),
        ];
        for (id, description, read_only) in system {
            let stored = self.stored_workspace(id.as_str()).await?;
            let info = match stored {
                Some(info) => info,
                None => {
                    let info = WorkspaceInfo {
                        id: id.to_string(),
                        name: id.to_string(),
                        description: Some(description.into()),
                        persistent: true,
                        owners: vec!["root".into()],
                        read_only,
                        status: Some(Status::READY),
                        ..Default::default()
                    };
                    self.save_workspace(&info).await?;
                    info
                }
            };
            let info = WorkspaceInfo {
                status: Some(Status::READY),
                ..info
            };
            self.0.workspaces.insert(id.clone(), Workspace::new(info, id));
        }
        Ok(())
    }
}

/// Seconds since the Unix epoch.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
