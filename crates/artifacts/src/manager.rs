//! The artifact manager itself: what its operations share.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use hypha_hub::Hub;
use hypha_hub::auth::UserInfo;
use hypha_rpc::ErrorKind;
use sqlx::AnyConnection;
use sqlx::pool::PoolConnection;
use tokio::sync::Notify;

use crate::content::Content;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::gate::StagedOnly;
use crate::ids::ArtifactRef;
use crate::model::Artifact;
use crate::permissions::{Actor, Operation};
use crate::records;
use crate::secrets::Cipher;
use crate::stats::Counters;

/// What the artifact manager asks about workspaces.
pub trait Workspaces: Send + Sync {
    /// Whether a workspace outlives its last client; `None` when there is none of this name. The user's own is made.
    fn is_persistent<'a>(
        &'a self,
        user: &'a UserInfo,
        workspace: &'a str,
    ) -> BoxFuture<'a, Result<Option<bool>>>;
}

impl Workspaces for Hub {
    fn is_persistent<'a>(
        &'a self,
        user: &'a UserInfo,
        workspace: &'a str,
    ) -> BoxFuture<'a, Result<Option<bool>>> {
        Box::pin(async move {
            match self.access(user, workspace).await {
                Ok(access) => Ok(Some(access.persistent)),
                Err(failure) if failure.kind == ErrorKind::KeyError => Ok(None),
                Err(failure) => Err(Error::Permission(failure.message)),
            }
        })
    }
}

/// The artifact manager. Clones share everything.
#[derive(Clone)]
pub struct Artifacts(Arc<Inner>);

pub(crate) struct Inner {
    database: Database,
    content: Content,
    cipher: Cipher,
    counters: Counters,
    workspaces: Arc<dyn Workspaces>,
    /// Told when there is garbage.
    garbage: Notify,
}

impl Artifacts {
    /// Puts the parts together and finishes what an earlier process has begun.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn new(database: Database, content: Content, workspaces: Arc<dyn Workspaces>) -> Result<Self> {
        let cipher = Cipher::load(&database).await?;
        let artifacts = Self(Arc::new(Inner {
            database,
            content,
            cipher,
            counters: Counters::default(),
            workspaces,
            garbage: Notify::new(),
        }));
        let gate = StagedOnly(Arc::downgrade(&artifacts.0));
        artifacts.content().storage().set_gate(Arc::new(gate));
        artifacts.forget_expired_uploads().await?;
        artifacts.0.garbage.notify_one();
        Ok(artifacts)
    }

    pub(crate) fn from_inner(inner: Arc<Inner>) -> Self {
        Self(inner)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    pub(crate) fn content(&self) -> &Content {
        &self.0.content
    }

    pub(crate) fn cipher(&self) -> &Cipher {
        &self.0.cipher
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(crate) fn garbage(&self) -> &Notify {
        &self.0.garbage
    }

    /// A connection for reading.
    pub(crate) async fn read(&self) -> Result<PoolConnection<sqlx::Any>> {
        Ok(self.database().reader().acquire().await?)
    }

    /// An artifact by any of its names.
    pub(crate) async fn find(
        &self,
        connection: &mut AnyConnection,
        actor: &Actor,
        id: &str,
    ) -> Result<Artifact> {
        let name = ArtifactRef::parse(id, &actor.workspace)?;
        records::find(connection, &name)
            .await?
            .ok_or_else(|| Error::no_artifact(id))
    }

    /// An artifact with which the caller may do this.
    pub(crate) async fn find_for(
        &self,
        connection: &mut AnyConnection,
        actor: &Actor,
        id: &str,
        operation: Operation,
    ) -> Result<Artifact> {
        let artifact = self.find(connection, actor, id).await?;
        require(actor, &artifact, operation)?;
        Ok(artifact)
    }

    /// Refuses a workspace in which nothing can be kept.
    pub(crate) async fn require_persistent(&self, actor: &Actor, workspace: &str) -> Result<()> {
        match self.0.workspaces.is_persistent(&actor.user, workspace).await? {
            Some(true) => Ok(()),
            Some(false) => Err(Error::Permission(format!(
                "Cannot create artifact in a non-persistent workspace '{workspace}'"
            ))),
            None => Err(Error::NotFound(format!(
                "Workspace {workspace} does not exist or is not accessible"
            ))),
        }
    }
}

/// Whether the caller may do this with the artifact.
pub(crate) fn may(actor: &Actor, artifact: &Artifact, operation: Operation) -> bool {
    actor.may_do(
        operation,
        &artifact.workspace,
        &artifact.config,
        artifact.parent_config(),
    )
}

/// Demands an operation.
pub(crate) fn require(actor: &Actor, artifact: &Artifact, operation: Operation) -> Result<()> {
    if may(actor, artifact, operation) {
        return Ok(());
    }
    Err(Error::denied(operation.as_str()))
}

/// Demands an operation on the parent of an artifact.
pub(crate) fn require_of_parent(actor: &Actor, artifact: &Artifact, operation: Operation) -> Result<()> {
    match &artifact.parent {
        Some(parent) if !actor.may_do(operation, &parent.workspace, &parent.config, None) => {
            Err(Error::Permission(format!(
                "User does not have permission '{}' on the parent artifact.",
                operation.as_str()
            )))
        }
        _ => Ok(()),
    }
}

/// Whether the caller may see what is staged for the artifact.
pub(crate) fn may_see_drafts(actor: &Actor, artifact: &Artifact) -> bool {
    actor.may_see_drafts(&artifact.workspace, &artifact.config, artifact.parent_config())
}

/// Seconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
