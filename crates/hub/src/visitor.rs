//! Visitors: callers without a connection, each for as long as one HTTP request lives.
//!
//! A visitor has an address (`workspace/client-<random>`) that answers find and nobody can look up: it is in no member
//! list and registers nothing. All visitors share one hosted peer, so a request costs two entries in a table and no
//! peer of its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hypha_rpc::{
    ActAs, CallOptions, Error, ErrorKind, IntoArgs, Method, RemoteFailure, RemoteGenerator, Value,
};
use hypha_wire::Generator;
use hypha_wire::frame::CallerContext;

use crate::auth::{AuthError, Permission, UserInfo, effective, scope_for_workspace};
use crate::caller::{Caller, denied};
use crate::hub::{Hub, unix_now};
use crate::ids::{WorkspaceId, random_id};
use crate::manager::Manager;
use crate::registry::ServiceRecord;
use crate::workspace::Workspace;
use crate::workspace::lifecycle::LoadError;

/// Who makes an HTTP request.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user that the credential stands for, or the anonymous HTTP user.
    pub user: UserInfo,
    /// Where the request came from.
    pub remote: IpAddr,
}

impl Identity {
    /// Whether the credential leaves open in which workspace its bearer acts.
    pub fn is_generic(&self) -> bool {
        self.user.scope.current_workspace.is_none() && !self.user.is_anonymous
    }
}

/// Why a request is not listened to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There is a credential, and it is not valid (401), or cannot be checked now (503): see its kind.
    #[error("{0}")]
    Credential(#[from] AuthError),
    /// The user or the address is on the block list (403).
    #[error("{0}")]
    Blocked(String),
}

/// What the hub knows about one request.
pub(crate) struct Visit {
    /// `workspace/client-<random>`.
    pub(crate) address: Arc<str>,
    pub(crate) user: UserInfo,
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) remote_ip: IpAddr,
    pub(crate) hosted_calls: Arc<AtomicUsize>,
    /// The identity that its messages are stamped with.
    pub(crate) context: CallerContext,
    over: AtomicBool,
}

impl Visit {
    /// Whether the request has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// One request's caller. Dropping it ends the visit: answers that come later find nobody.
pub struct Visitor {
    hub: Hub,
    visit: Arc<Visit>,
    options: CallOptions,
}

/// A service that a visitor has found.
#[derive(Clone, Debug)]
pub struct Target {
    /// `workspace/client` of the owner.
    pub address: String,
    /// The service's name there.
    pub name: String,
    /// `type` of the service.
    pub kind: String,
    record: Option<Arc<ServiceRecord>>,
}

impl Target {
    /// The function `key` (with dots for nested ones) of the service.
    pub fn method(&self, key: &str) -> Method {
        Method {
            target: self.address.clone(),
            path: format!("services.{}.{key}", self.name),
            ..Method::default()
        }
    }

    /// The schema of the function `key` as the service was registered with it: the map under `function` with `name`,
    /// `description` and `parameters` (a JSON schema). `None` if the service says nothing about such a function.
    pub fn function_schema(&self, key: &str) -> Option<&Value> {
        let schema = self.record.as_ref()?.info_cached().get("service_schema")?;
        schema.get(key)?.get("function")
    }

    /// The whole id of the service.
    pub fn id(&self) -> String {
        format!("{}:{}", self.address, self.name)
    }

    /// Whether it is the workspace manager.
    pub fn is_manager(&self) -> bool {
        self.record.is_none()
    }

    /// A function of the owner's built-in service.
    fn built_in(&self, function: &str) -> Method {
        Method {
            target: self.address.clone(),
            path: format!("services.built-in.{function}"),
            ..Method::default()
        }
    }

    /// A flag or value of the service's config, as it was registered.
    pub fn config(&self, key: &str) -> Option<&Value> {
        self.record.as_ref()?.info_cached().get("config")?.get(key)
    }
}

impl Hub {
    /// Who makes a request with this credential (as it was presented: raw, or with `Bearer`) from `remote`.
    ///
    /// # Errors
    /// [`IdentityError`]; a bad credential never makes its bearer anonymous.
    pub async fn identify(
        &self,
        credential: Option<&str>,
        remote: IpAddr,
    ) -> Result<Identity, IdentityError> {
        let now = unix_now();
        let user = match credential {
            Some(credential) => self.authenticator().authenticate(credential, now).await,
            None => Ok(UserInfo::anonymous_http()),
        };
        if self.is_held_back() && !user.as_ref().is_ok_and(|user| user.attribution() == "root") {
            return Err(AuthError::Unavailable("the server is starting".into()).into());
        }
        let user = user?;
        match self.blocked(&user, remote, now) {
            Some(text) => Err(IdentityError::Blocked(text)),
            None => Ok(Identity { user, remote }),
        }
    }

    /// Lets a request call services. `asked` is the workspace of its URL; the workspace that it acts in is that of its
    /// credential if that names one, else the asked one if the user may read there, else the user's own.
    ///
    /// # Errors
    /// No such workspace, or a credential that is for one purpose only.
    pub async fn visit(&self, identity: Identity, asked: &str) -> Result<Visitor, RemoteFailure> {
        let Identity { user, remote } = identity;
        user.scope.general_access()?;
        let (workspace, user) = self.workspace_of_visit(user, asked).await?;
        let acting = workspace.id.to_string();
        Ok(Visitor::new(self, user, workspace, remote, &acting))
    }

    async fn workspace_of_visit(
        &self,
        user: UserInfo,
        asked: &str,
    ) -> Result<(Arc<Workspace>, UserInfo), RemoteFailure> {
        let missing = || RemoteFailure::key(format!("Workspace '{asked}' not found"));
        if let Some(pinned) = &user.scope.current_workspace {
            let id = WorkspaceId::parse(pinned).map_err(|error| RemoteFailure::value(error.to_string()))?;
            return self.enter_workspace(&user, &id).await;
        }
        if user.is_anonymous {
            return self.enter_workspace(&user, &WorkspaceId::anonymous()).await;
        }
        let asked_id = WorkspaceId::parse(asked).map_err(|_| missing())?;
        if asked == user.home() {
            return self.enter_workspace(&user, &asked_id).await;
        }
        let info = self.workspace_info(asked).await?.ok_or_else(missing)?;
        let scope = scope_for_workspace(&user, &asked_id, &info.owners, None);
        let reader = UserInfo {
            scope,
            ..user.clone()
        };
        if asked_id == WorkspaceId::public() || effective(&reader, &asked_id) >= Some(Permission::Read) {
            let workspace = self.load_or_create(&user, &asked_id).await?;
            let current_workspace = Some(asked.to_owned());
            let user = UserInfo {
                current_workspace,
                ..reader
            };
            return Ok((workspace, user));
        }
        let home =
            WorkspaceId::parse(&user.home()).map_err(|error| RemoteFailure::value(error.to_string()))?;
        self.enter_workspace(&user, &home).await
    }

    /// A workspace, and the user as it is there.
    async fn enter_workspace(
        &self,
        user: &UserInfo,
        id: &WorkspaceId,
    ) -> Result<(Arc<Workspace>, UserInfo), RemoteFailure> {
        let workspace = self.load_or_create(user, id).await?;
        let owners = workspace.info.read().owners.clone();
        let joined = UserInfo {
            scope: scope_for_workspace(user, id, &owners, None),
            current_workspace: Some(id.to_string()),
            ..user.clone()
        };
        if effective(&joined, id) < Some(Permission::Read) {
            return Err(denied(id.as_str()));
        }
        Ok((workspace, joined))
    }

    /// A user as it is in a workspace that it may at least read: with the permission there, and pinned to it. For
    /// tokens that are to be used in that workspace.
    ///
    /// # Errors
    /// No such workspace, or no permission.
    pub async fn user_in_workspace(
        &self,
        user: &UserInfo,
        id: &WorkspaceId,
    ) -> Result<UserInfo, RemoteFailure> {
        let (_, mut joined) = self.enter_workspace(user, id).await?;
        joined.scope.current_workspace = Some(id.to_string());
        Ok(joined)
    }
}

impl Visitor {
    /// A visitor with an address in the workspace `acting`.
    fn new(hub: &Hub, user: UserInfo, workspace: Arc<Workspace>, remote_ip: IpAddr, acting: &str) -> Self {
        let address: Arc<str> = format!("{acting}/client-{}", random_id(&mut rand::rng())).into();
        let context = CallerContext::new(acting, &address, &user.to_value());
        let options = CallOptions {
            act_as: Some(Arc::new(ActAs {
                workspace: acting.to_owned(),
                // The hub stamps the messages of a visit that goes on, whatever they say.
                user: Value::Nil,
                from: Some(address.to_string()),
            })),
            ..CallOptions::default()
        };
        let visit = Arc::new(Visit {
            address: address.clone(),
            user,
            workspace,
            remote_ip,
            hosted_calls: Arc::default(),
            context,
            over: AtomicBool::new(false),
        });
        hub.visits().insert(address, visit.clone());
        Self {
            hub: hub.clone(),
            visit,
            options,
        }
    }

    /// The same visitor beside a service that it has found: apps see their callers in their own workspace, whoever
    /// they are.
    pub fn beside(&self, target: &Target) -> Self {
        let acting = target.address.split('/').next().unwrap_or_default();
        let Visit {
            user,
            workspace,
            remote_ip,
            ..
        } = &*self.visit;
        Self::new(&self.hub, user.clone(), workspace.clone(), *remote_ip, acting)
    }

    /// Who it is, as it is in its workspace.
    pub fn user(&self) -> &UserInfo {
        &self.visit.user
    }

    /// The workspace it acts in.
    pub fn workspace(&self) -> &str {
        self.visit.workspace.id.as_str()
    }

    /// `workspace/client-<random>`.
    pub fn address(&self) -> &str {
        &self.visit.address
    }

    /// Finds a service: `workspace/service`, with the forms that `get_service` takes; `workspace/ws` is the workspace
    /// manager. `mode` is how to choose among several.
    ///
    /// # Errors
    /// Nothing found, not permitted, or several found and no mode given.
    pub async fn find(
        &self,
        workspace: &str,
        service: &str,
        mode: Option<&str>,
    ) -> Result<Target, RemoteFailure> {
        if service == "ws" || service == "~" {
            return Ok(self.manager());
        }
        let mut config = Value::empty_map();
        if let Some(mode) = mode {
            config.insert("mode", mode);
        }
        let caller = Caller::visiting(self.visit.clone());
        let manager = Manager::new(self.hub.clone());
        let record = manager
            .find(&caller, &format!("{workspace}/{service}"), Some(&config))
            .await?;
        Ok(Target {
            address: format!("{}/{}", record.workspace, record.client),
            name: record.name.to_string(),
            kind: record.kind.to_string(),
            record: Some(record),
        })
    }

    /// The workspace manager.
    pub fn manager(&self) -> Target {
        Target {
            address: format!("*/{}", self.hub.options().manager_id()),
            name: "default".into(),
            kind: "generic".into(),
            record: None,
        }
    }

    /// A service as a value, fetched from its owner: its functions and values by their names. `None` when the owner has it
    /// no more.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn service(&self, target: &Target) -> Result<Option<Value>, Error> {
        if target.is_manager() {
            return self.manager_service().map(Some);
        }
        let fetch = target.built_in("get_service");
        match self.call(&fetch, (target.name.as_str(),), None).await {
            Ok(service) => Ok(Some(service)),
            Err(Error::Remote {
                kind: ErrorKind::KeyError,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn manager_service(&self) -> Result<Value, Error> {
        let manager = self
            .hub
            .manager()
            .and_then(|manager| manager.peer().service_value("default"));
        manager.ok_or_else(|| Error::Closed {
            reason: "Server is shutting down".into(),
        })
    }

    /// Calls a function in the visitor's name. `timeout` is how long there may be neither an answer nor a heartbeat;
    /// the hub's default when `None`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn call<A: IntoArgs>(
        &self,
        method: &Method,
        args: A,
        timeout: Option<Duration>,
    ) -> Result<Value, Error> {
        let options = CallOptions {
            timeout,
            ..self.options.clone()
        };
        let peer = self.hub.visitors_peer().ok_or_else(|| Error::Closed {
            reason: "Server is shutting down".into(),
        })?;
        peer.call(method, args, &options).await
    }

    /// Reads a generator that a call has returned.
    ///
    /// # Errors
    /// The hub is shutting down.
    pub fn read(&self, generator: Generator) -> Result<RemoteGenerator, Error> {
        let peer = self.hub.visitors_peer().ok_or_else(|| Error::Closed {
            reason: "Server is shutting down".into(),
        })?;
        // The message that closes it may be sent when the visit is over, and then has to say who sends it.
        let act_as = self.options.act_as.as_deref().map(|act_as| {
            Arc::new(ActAs {
                user: self.visit.user.to_value(),
                ..act_as.clone()
            })
        });
        let options = CallOptions {
            act_as,
            ..self.options.clone()
        };
        Ok(RemoteGenerator::with_options(peer.clone(), generator, options))
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.visit.over.store(true, Ordering::Relaxed);
        self.hub.visits().remove(&*self.visit.address);
        self.hub.unload_if_empty(&self.visit.workspace);
    }
}

impl From<LoadError> for RemoteFailure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::NotFound(id) => {
                Self::key(format!("Workspace {id} does not exist or is not accessible"))
            }
            LoadError::Store(error) => error.into(),
        }
    }
}
