//! The hub's own services: RPC peers in this process that clients reach like any other client.
//!
//! A hosted peer gets frames with the sender's stamped header and, beside them, the connection they came over: that is
//! where its functions take the caller's identity from. What it sends is stamped as coming from the root user.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::task::noop_waker_ref;
use hypha_rpc::{
    ActAs, CallOptions, Extension, Link, LinkError, Peer as RpcPeer, PeerConfig, PeerLimits, Service,
    ServiceSpec, TrySend, Value,
};
use hypha_wire::frame::{self, CallerContext};
use hypha_wire::transfer::ReassemblyLimits;

use crate::admin::AdminService;
use crate::auth::UserInfo;
use crate::caller::Origin;
use crate::connection::Connection;
use crate::error::Error;
use crate::hub::Hub;
use crate::ids::{ClientId, WorkspaceId};
use crate::manager::Manager;
use crate::queue::QueueService;
use crate::registry::ServiceRecord;
use crate::router::not_connected;
use crate::visitor::Visit;
use crate::workspace::Peer;

/// What clients can make a hosted peer hold. Its functions take small arguments; visitors get results of any kind.
fn limits(is_for_visitors: bool) -> PeerLimits {
    PeerLimits {
        running_calls: 65_536,
        transfers: ReassemblyLimits {
            sender_bytes: if is_for_visitors { 128 << 20 } else { 16 << 20 },
            sender_transfers: 32,
            total_bytes: 512 << 20,
            idle: Duration::from_secs(300),
        },
        ..PeerLimits::default()
    }
}

/// One hosted peer.
pub(crate) struct Hosted {
    hub: Hub,
    peer: RpcPeer,
    /// Whether this is the peer that visitors share.
    is_for_visitors: bool,
}

impl Hosted {
    /// Creates the manager, and the clients of the system workspaces that offer the hub's other services.
    pub(crate) fn install(hub: &Hub) -> Result<Vec<Arc<Self>>, Error> {
        let server = &hub.options().server_id;
        let manager = Self::start(hub, WorkspaceId::manager(), &hub.options().manager_id())?;
        manager.offer(Arc::new(Manager::new(hub.clone())))?;
        let public = Self::start(hub, WorkspaceId::public(), server)?;
        public.offer(Arc::new(QueueService::new(hub.clone())))?;
        let root = Self::start(hub, WorkspaceId::root(), server)?;
        root.offer(Arc::new(AdminService::new(hub.clone())))?;
        let visitors = Self::start(hub, WorkspaceId::manager(), &hub.options().visitors_id())?;
        Ok(vec![manager, public, visitors, root])
    }

    fn start(hub: &Hub, workspace: WorkspaceId, client: &str) -> Result<Arc<Self>, Error> {
        let service = |error: &dyn std::fmt::Display| Error::Service(error.to_string());
        let client = ClientId::parse(client).map_err(|error| service(&error))?;
        let user = UserInfo::root();
        let is_for_visitors = client.as_str() == hub.options().visitors_id();
        let link = HostedLink {
            hub: hub.clone(),
            address: format!("{workspace}/{client}"),
            workspace: workspace.to_string(),
            user: user.to_value(),
            is_for_visitors,
        };
        let config = PeerConfig {
            server_base_url: hub.options().public_base_url.clone(),
            manager: Some(format!("*/{}", hub.options().manager_id())),
            limits: limits(is_for_visitors),
            ..PeerConfig::new(workspace.as_str(), client.as_str())
        };
        let hosted = Arc::new(Self {
            hub: hub.clone(),
            peer: RpcPeer::new(config, Arc::new(link)),
            is_for_visitors,
        });
        let workspace = hub
            .workspace(workspace.as_str())
            .ok_or_else(|| Error::Service(format!("workspace {workspace} is not loaded")))?;
        workspace
            .members
            .write()
            .peers
            .insert(client.clone(), Peer::Hosted(hosted.clone()));
        if workspace.id != WorkspaceId::manager() {
            for spec in hosted.peer.services() {
                hosted.list(&workspace, &client, &user, &spec)?;
            }
        }
        Ok(hosted)
    }

    /// Adds a service and, unless it is the manager, lists it in the workspace's registry.
    fn offer(&self, service: Arc<dyn Service>) -> Result<(), Error> {
        let spec = self
            .peer
            .add_service(service, true)
            .map_err(|error| Error::Service(error.to_string()))?;
        let config = self.peer.config();
        if config.workspace == WorkspaceId::manager().as_str() {
            return Ok(());
        }
        let workspace = self.hub.workspace(&config.workspace);
        let client = ClientId::parse(&config.client_id).map_err(|error| Error::Service(error.to_string()))?;
        workspace.map_or(Ok(()), |workspace| {
            self.list(&workspace, &client, &UserInfo::root(), &spec)
        })
    }

    fn list(
        &self,
        workspace: &crate::workspace::Workspace,
        client: &ClientId,
        user: &UserInfo,
        spec: &ServiceSpec,
    ) -> Result<(), Error> {
        let info = spec.to_info(workspace.id.as_str(), client.as_str());
        let record = ServiceRecord::from_info(&info, &workspace.id, client, user, &user.to_value())
            .map_err(|error| Error::Service(error.to_string()))?;
        workspace.services.write().insert(Arc::new(record));
        Ok(())
    }

    /// `workspace/client`.
    pub(crate) fn address(&self) -> &str {
        self.peer.address()
    }

    /// Whether this is the peer that visitors share.
    pub(crate) fn is_for_visitors(&self) -> bool {
        self.is_for_visitors
    }

    pub(crate) fn peer(&self) -> &RpcPeer {
        &self.peer
    }

    /// Takes in a stamped frame that came over `from`.
    pub(crate) fn receive(&self, frame: Bytes, from: &Arc<Connection>) {
        let origin = Origin::Connection(from.clone(), self.hub.options().limits.hosted_calls);
        let peer = self.peer.clone();
        self.run(async move { peer.receive_from(frame, Some(Arc::new(origin))).await });
    }

    /// Takes in a frame of the hub itself or of another hosted peer.
    fn receive_internal(&self, frame: Bytes, from: Option<Origin>) {
        let peer = self.peer.clone();
        // Never polled here: the sender may be in the middle of something of the same peer.
        let from = from.map(|from| Arc::new(from) as Extension);
        self.hub
            .tasks()
            .spawn(async move { peer.receive_from(frame, from).await });
    }

    /// Most messages are handled at once; the others go on as tasks.
    fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut work: BoxFuture<'static, ()> = Box::pin(work);
        if work
            .as_mut()
            .poll(&mut Context::from_waker(noop_waker_ref()))
            .is_pending()
        {
            self.hub.tasks().spawn(work);
        }
    }
}

/// The way out of a hosted peer.
struct HostedLink {
    hub: Hub,
    address: String,
    workspace: String,
    user: Value,
    is_for_visitors: bool,
}

impl HostedLink {
    fn deliver(&self, sent: &Bytes) -> Result<(), LinkError> {
        let header = frame::scan_header(sent).map_err(|error| LinkError::new(error.to_string()))?;
        let (workspace, client) = header.to.split_once('/').unwrap_or((&self.workspace, header.to));
        // A peer that lives in no workspace acts in that of whom it talks to.
        let acting = if self.workspace == "*" {
            workspace
        } else {
            &self.workspace
        };
        let visit = self.visit_of(&sent[..header.len]);
        let context = match &visit {
            Some(visit) => Cow::Borrowed(&visit.context),
            None => Cow::Owned(self.context_of(&sent[..header.len], acting)),
        };
        let context = context.as_ref();
        let to = format!("{workspace}/{client}");
        let payload = sent.slice(header.len..);
        let head_len = header.rewritten_len(context, &to);
        let peer = self
            .hub
            .workspace(workspace)
            .and_then(|workspace| workspace.peer(client))
            .or_else(|| self.hub.visitors_at(&to));
        let delivered = match peer {
            Some(Peer::Connection(target)) => target
                .outbox
                .push_message(
                    head_len,
                    |out| header.write_rewritten(sent, context, &to, out),
                    &payload,
                )
                .is_ok(),
            Some(Peer::Hosted(target)) => {
                let mut stamped = BytesMut::with_capacity(head_len + payload.len());
                header.write_rewritten(sent, context, &to, &mut stamped);
                stamped.extend_from_slice(&payload);
                target.receive_internal(stamped.freeze(), visit.map(Origin::Visit));
                true
            }
            None => false,
        };
        if !delivered && let Some(session) = header.session {
            let reject = frame::reject_frame(&to, &self.address, session, &not_connected(&to));
            let me = self.address.split_once('/').and_then(|(workspace, client)| {
                self.hub
                    .workspace(workspace)
                    .and_then(|workspace| workspace.peer(client))
            });
            if let Some(Peer::Hosted(me)) = me {
                me.receive_internal(reject.into(), None);
            }
        }
        Ok(())
    }

    /// The visit in whose name the visitors' peer sends.
    fn visit_of(&self, header: &[u8]) -> Option<Arc<Visit>> {
        if !self.is_for_visitors {
            return None;
        }
        let visit = self.hub.visits().get(frame::claimed_sender(header)?)?;
        Some(visit.clone())
    }

    /// The identity to stamp a message with: of whom it says that it is sent for, else this peer's own in the
    /// workspace `acting`.
    fn context_of(&self, header: &[u8], acting: &str) -> CallerContext {
        const USER: &[u8] = b"\xa4user";
        let own = || CallerContext::new(acting, &self.address, &self.user);
        if !self.is_for_visitors && !header.windows(USER.len()).any(|window| window == USER) {
            return own();
        }
        let Ok(header) = hypha_wire::decode(header) else {
            return own();
        };
        let text = |key: &str| header.get(key).and_then(Value::as_str);
        let from = text("from").filter(|_| self.is_for_visitors);
        match (text("ws"), header.get("user")) {
            (Some(workspace), Some(user @ Value::Map(_))) => {
                CallerContext::new(workspace, from.unwrap_or(&self.address), user)
            }
            _ => own(),
        }
    }
}

impl Link for HostedLink {
    fn try_send(&self, frame: Bytes) -> Result<(), TrySend> {
        self.deliver(&frame).map_err(TrySend::Failed)
    }

    fn send(&self, frame: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        Box::pin(async move { self.deliver(&frame) })
    }
}

impl Hub {
    /// Offers a service of a part of the server, as `public/<server id>:<service id>`. One with the same id is replaced.
    ///
    /// # Errors
    /// The service's description is not valid.
    pub fn offer(&self, service: Arc<dyn Service>) -> Result<(), Error> {
        let public = self
            .hosted()
            .get(1)
            .ok_or_else(|| Error::Service("the hub is not running".into()))?;
        public.offer(service)
    }

    /// Takes back what was [offered](Self::offer). False when there is no such service.
    pub fn withdraw(&self, service_id: &str) -> bool {
        let Some(public) = self.hosted().get(1) else {
            return false;
        };
        let removed = public.peer.remove_service(service_id);
        if let Some(workspace) = self.workspace(WorkspaceId::public().as_str()) {
            workspace
                .services
                .write()
                .remove(&self.options().server_id, service_id);
        }
        removed
    }

    /// Whether a client, and not the hub itself, has registered a service with this id in the workspace `public`.
    pub fn is_offered_by_client(&self, service_id: &str) -> bool {
        let Some(public) = self.workspace(WorkspaceId::public().as_str()) else {
            return false;
        };
        let services = public.services.read();
        services
            .named(service_id)
            .any(|record| *record.client != *self.options().server_id)
    }

    /// The peer through which visitors call.
    pub(crate) fn visitors_peer(&self) -> Option<&RpcPeer> {
        self.hosted().get(2).map(|hosted| &hosted.peer)
    }

    /// That peer, if `address` is a visitor's.
    pub(crate) fn visitors_at(&self, address: &str) -> Option<Peer> {
        if !self.visits().contains_key(address) {
            return None;
        }
        self.hosted().get(2).map(|hosted| Peer::Hosted(hosted.clone()))
    }

    /// Asks a client whether it is there.
    ///
    /// # Errors
    /// Why it did not answer `pong` in time.
    pub async fn probe(&self, address: &str, timeout: Duration) -> Result<(), String> {
        match self
            .call_client(address, "built-in", "ping", vec!["ping".into()], timeout)
            .await?
        {
            Value::Str(answer) if answer == "pong" => Ok(()),
            other => Err(format!("unexpected answer {other:?}")),
        }
    }

    /// Calls a function of a client's service in the manager's name; the whole call takes at most `timeout`.
    ///
    /// # Errors
    /// The remote error, or that there was no answer.
    pub(crate) async fn call_client(
        &self,
        address: &str,
        service: &str,
        function: &str,
        args: Vec<Value>,
        timeout: Duration,
    ) -> Result<Value, String> {
        self.call_client_as(None, address, service, function, args, timeout)
            .await
    }

    /// [`call_client`](Self::call_client) in the name of whoever asked for it.
    pub(crate) async fn call_client_as(
        &self,
        asker: Option<ActAs>,
        address: &str,
        service: &str,
        function: &str,
        args: Vec<Value>,
        timeout: Duration,
    ) -> Result<Value, String> {
        let manager = self.manager().ok_or("the server is shutting down")?;
        let options = CallOptions {
            act_as: asker.map(Arc::new),
            ..CallOptions::default()
        };
        let call = manager
            .peer()
            .call_service(address, service, function, args, &options);
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "Method call timed out: {address}:services.{service}.{function}"
            )),
        }
    }
}
