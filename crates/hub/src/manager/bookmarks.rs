//! Bookmarks: workspaces and services that a user wants to find again, kept in the personal workspace.

use hypha_rpc::{RemoteFailure, Value};
use serde_json::{Value as Json, json};

use super::{Manager, Result};
use crate::auth::{Permission, UserInfo};
use crate::caller::Caller;
use crate::hub::Hub;
use crate::ids::WorkspaceId;
use crate::workspace::WorkspaceInfo;

/// Bookmarks that a user may have.
const MAX_BOOKMARKS: usize = 1000;

impl Manager {
    pub(super) async fn add_bookmark(&self, caller: &Caller, item: &Value) -> Result<()> {
        caller.require_own_hand()?;
        let (kind, id) = parse(item)?;
        let bookmark = if kind == "workspace" {
            let info = self.hub.workspace_info(id).await?;
            let visible =
                |info: &WorkspaceInfo| caller.may(id, Permission::Read) || info.owned_by(caller.user());
            match info.filter(visible) {
                Some(info) => of_workspace(&info),
                None => return Err(super::denied(id)),
            }
        } else {
            let record = self
                .find(
                    caller,
                    id,
                    Some(&Value::Map(vec![("mode".into(), "first".into())])),
                )
                .await?;
            let info = record.info_tree();
            let text = |field: &str| info.get(field).and_then(Value::as_str).map(str::to_owned);
            json!({
                "bookmark_type": "service",
                "id": record.id(),
                "name": text("name"),
                "description": text("description"),
            })
        };
        self.hub.save_bookmark(caller.user(), bookmark).await
    }

    pub(super) async fn remove_bookmark(&self, caller: &Caller, item: &Value) -> Result<()> {
        caller.require_own_hand()?;
        let (kind, id) = parse(item)?;
        self.hub.drop_bookmark(caller.user(), kind, id).await
    }
}

fn parse(item: &Value) -> Result<(&str, &str)> {
    let field = |name: &str| item.get(name).and_then(Value::as_str);
    let kind = field("bookmark_type").ok_or_else(|| RemoteFailure::key("bookmark_type"))?;
    if !matches!(kind, "workspace" | "service") {
        return Err(RemoteFailure::value(format!("Invalid bookmark type: {kind}")));
    }
    Ok((kind, field("id").ok_or_else(|| RemoteFailure::key("id"))?))
}

/// The bookmark of a workspace.
pub(super) fn of_workspace(info: &WorkspaceInfo) -> Json {
    json!({
        "bookmark_type": "workspace",
        "id": info.id,
        "name": info.name,
        "description": info.description,
    })
}

fn is(entry: &Json, kind: &str, id: &str) -> bool {
    entry.get("bookmark_type").is_some_and(|one| one == kind) && entry.get("id").is_some_and(|one| one == id)
}

impl Hub {
    /// Adds a bookmark to the user's personal workspace; one of the same kind and id is replaced.
    pub(crate) async fn save_bookmark(&self, user: &UserInfo, bookmark: Json) -> Result<()> {
        let text = |field: &str| {
            bookmark
                .get(field)
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (kind, id) = (text("bookmark_type"), text("id"));
        self.change_bookmarks(user, move |all| {
            all.retain(|one| !is(one, &kind, &id));
            if all.len() >= MAX_BOOKMARKS {
                return Err(RemoteFailure::runtime(format!(
                    "A user may have {MAX_BOOKMARKS} bookmarks"
                )));
            }
            all.push(bookmark);
            Ok(())
        })
        .await
    }

    /// Removes a bookmark from the user's personal workspace, if it is there.
    pub(crate) async fn drop_bookmark(&self, user: &UserInfo, kind: &str, id: &str) -> Result<()> {
        self.change_bookmarks(user, |all| {
            all.retain(|one| !is(one, kind, id));
            Ok(())
        })
        .await
    }

    async fn change_bookmarks(
        &self,
        user: &UserInfo,
        change: impl FnOnce(&mut Vec<Json>) -> Result<()>,
    ) -> Result<()> {
        // A child token's bookmarks are its parent's: its own home is a name, not a place.
        let owner = UserInfo {
            id: user.attribution().to_owned(),
            ..user.clone()
        };
        let home = WorkspaceId::parse(&owner.home()).map_err(RemoteFailure::from)?;
        let workspace = self
            .load_or_create(&owner, &home)
            .await
            .map_err(|error| RemoteFailure::runtime(error.to_string()))?;
        let result = self
            .update_workspace(&workspace, |info| {
                let entry = info
                    .config
                    .entry("bookmarks")
                    .or_insert_with(|| Json::Array(Vec::new()));
                let Json::Array(all) = entry else {
                    return Err(RemoteFailure::runtime(
                        "config.bookmarks of the personal workspace is not a list",
                    ));
                };
                change(all)
            })
            .await;
        self.unload_if_empty(&workspace);
        result
    }
}
