//! The artifact manager: opened with the server's data, closed with it.

use std::sync::Arc;

use anyhow::{Context, Result};
use hypha_artifacts::{ArtifactService, Artifacts, BaseUrls, Content, Database};
use hypha_hub::Hub;
use hypha_storage::Storage as FileStorage;
use hypha_store::Location;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::settings::Storage;

/// Name of the database of artifacts in a data folder.
const DATABASE: &str = "artifacts.db";

/// The artifact manager, and its work in the background.
pub(crate) struct ArtifactManager {
    artifacts: Artifacts,
    upkeep: JoinHandle<()>,
    stop: CancellationToken,
}

impl ArtifactManager {
    /// Opens the artifacts, whose bytes are in `files`, and offers their service.
    ///
    /// # Errors
    /// The data cannot be used.
    pub(crate) async fn open(hub: &Hub, storage: &Storage, files: FileStorage) -> Result<Self> {
        let database = database(storage)
            .await
            .context("cannot open the database of artifacts")?;
        let urls = BaseUrls {
            public: hub.options().public_base_url.clone(),
            local: hub.options().local_base_url.clone(),
        };
        let artifacts = Artifacts::new(database, Content::new(files, urls), Arc::new(hub.clone())).await?;
        hub.offer(Arc::new(ArtifactService::new(hub.clone(), artifacts.clone())))?;
        forget_with_workspaces(hub, &artifacts);
        let stop = CancellationToken::new();
        let upkeep = tokio::spawn(artifacts.clone().run(stop.clone()));
        Ok(Self {
            artifacts,
            upkeep,
            stop,
        })
    }

    /// What others call.
    pub(crate) fn handle(&self) -> &Artifacts {
        &self.artifacts
    }

    /// Ends the work in the background and closes the database.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.upkeep.await {
            tracing::warn!(%error, "the upkeep of artifacts did not end properly");
        }
        self.artifacts.close().await;
    }
}

async fn database(storage: &Storage) -> Result<Database> {
    Ok(match storage {
        Storage::Ephemeral => Database::in_memory().await?,
        Storage::Folder(folder) => Database::open_file(&folder.join(DATABASE)).await?,
        Storage::Database(uri) => match Location::parse(uri).context("--database-uri")? {
            Location::Memory => Database::in_memory().await?,
            Location::File(path) => Database::open_file(&path).await?,
        },
    })
}

/// The artifacts of a workspace go when it does.
fn forget_with_workspaces(hub: &Hub, artifacts: &Artifacts) {
    let (artifacts, tasks) = (artifacts.clone(), hub.tasks().clone());
    hub.on_workspace_gone(Box::new(move |id| {
        let (artifacts, id) = (artifacts.clone(), id.clone());
        tasks.spawn(async move {
            if let Err(error) = artifacts.delete_workspace(id.as_str()).await {
                tracing::warn!(workspace = %id, %error, "cannot delete the artifacts of a workspace");
            }
        });
    }));
}
