//! The files of workspaces: what members put there, beside artifacts.
//!
//! The file `path` of workspace `ws` is the object `ws/path`. What lies in `ws/artifacts/` belongs to the artifact manager,
//! which has permissions of its own, and cannot be reached from here.

mod area;
mod service;
mod urls;

use std::sync::Arc;

use hypha_hub::Hub;
use hypha_hub::auth::{Permission, UserInfo};
use hypha_rpc::RemoteFailure;

use crate::error::Error;
use crate::key::Prefix;
use crate::storage::Storage;

pub use area::{FileArea, FolderEntry, Started};
pub use urls::Base;

/// The files of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct WorkspaceFiles {
    hub: Hub,
    storage: Storage,
    anonymous_may_write: bool,
}

impl WorkspaceFiles {
    /// Offers the service `public/s3-storage`, and lets the files of workspaces go when the workspaces do.
    ///
    /// `anonymous_may_write`: workspaces of anonymous users are no longer read-only for their own users.
    ///
    /// # Errors
    /// The hub does not take the service.
    pub fn offer(hub: &Hub, storage: &Storage, anonymous_may_write: bool) -> Result<Self, hypha_hub::Error> {
        let files = Self {
            hub: hub.clone(),
            storage: storage.clone(),
            anonymous_may_write,
        };
        hub.offer(Arc::new(service::FileService::new(files.clone())))?;
        let (storage, tasks) = (storage.clone(), hub.tasks().clone());
        hub.on_workspace_gone(Box::new(move |id| {
            let Ok(prefix) = Prefix::parse(id.as_str()) else {
                return;
            };
            let storage = storage.clone();
            // Nobody waits for it: a workspace goes even if its files cannot.
            tasks.spawn(async move {
                match storage.delete_prefix(&prefix).await {
                    Ok(0) => {}
                    Ok(files) => {
                        tracing::info!(workspace = %prefix, files, "deleted the files of a workspace")
                    }
                    Err(error) => {
                        tracing::warn!(workspace = %prefix, %error, "cannot delete files of a workspace")
                    }
                }
            });
        }));
        Ok(files)
    }

    /// The files of a workspace, for a user who may read them.
    ///
    /// # Errors
    /// No such workspace, or no permission.
    pub async fn to_read(&self, user: &UserInfo, workspace: &str) -> Result<FileArea, Error> {
        let access = self.hub.access(user, workspace).await?;
        access.require(Permission::Read)?;
        Ok(self.area(user, workspace))
    }

    /// The files of a workspace, for a user who may write them.
    ///
    /// # Errors
    /// No such workspace, no permission, or the workspace is read-only.
    pub async fn to_write(&self, user: &UserInfo, workspace: &str) -> Result<FileArea, Error> {
        let access = self.hub.access(user, workspace).await?;
        access.require(Permission::ReadWrite)?;
        if access.read_only && !(user.is_anonymous && self.anonymous_may_write) {
            return Err(RemoteFailure::permission("Permission denied: workspace is read-only").into());
        }
        Ok(self.area(user, workspace))
    }

    fn area(&self, user: &UserInfo, workspace: &str) -> FileArea {
        let options = self.hub.options();
        FileArea {
            storage: self.storage.clone(),
            workspace: workspace.to_owned(),
            owner: format!("files:{workspace}:{}", user.id),
            public_url: options.public_base_url.clone(),
            local_url: options.local_base_url.clone(),
        }
    }
}
