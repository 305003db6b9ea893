//! Tests of the whole crate, without a hub.

/// Makes a test on SQLite of each function, and `on` that runs them all on other databases.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::in_memory().await).await;
            })*
        }

        pub(super) async fn on(server: &super::postgres::Server) {
            $($name(server.artifacts(stringify!($name)).await).await;)*
        }
    };
}

mod kill;
mod postgres;
mod random;
mod rules;
mod search;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hypha_hub::auth::{Permission, UserInfo};
use hypha_storage::Storage;
use serde_json::{Value as Json, json};

use crate::model::Object;
use crate::*;

/// Every workspace but `ws-temporary` is one that lasts.
struct Lasting;

impl Workspaces for Lasting {
    fn is_persistent<'a>(
        &'a self,
        _: &'a UserInfo,
        workspace: &'a str,
    ) -> BoxFuture<'a, Result<Option<bool>>> {
        Box::pin(async move { Ok(Some(workspace != "ws-temporary")) })
    }
}

async fn with(database: Database, storage: Storage) -> Artifacts {
    let urls = BaseUrls {
        public: "http://hub".into(),
        local: "http://127.0.0.1".into(),
    };
    Artifacts::new(database, Content::new(storage, urls), Arc::new(Lasting))
        .await
        .unwrap()
}

async fn in_memory() -> Artifacts {
    with(
        Database::in_memory().await.unwrap(),
        Storage::memory().await.unwrap(),
    )
    .await
}

fn actor(id: &str, grants: &[(&str, Permission)]) -> Actor {
    let mut user = UserInfo {
        email: Some(format!("{id}@example.org")),
        ..UserInfo::new(id)
    };
    user.scope.workspaces = grants
        .iter()
        .map(|(workspace, level)| ((*workspace).to_owned(), *level))
        .collect();
    Actor {
        user,
        workspace: "lab".into(),
    }
}

/// May do everything in the workspace `lab`.
fn admin() -> Actor {
    actor("ann", &[("lab", Permission::Admin)])
}

fn object(json: Json) -> Object {
    json.as_object().unwrap().clone()
}

fn new(alias: &str, stage: bool) -> Create {
    Create {
        alias: Some(alias.into()),
        manifest: Some(object(json!({"name": alias}))),
        stage,
        ..Create::default()
    }
}

/// A committed artifact with these files.
async fn make(artifacts: &Artifacts, who: &Actor, request: Create, files: &[(&str, &str)]) -> Json {
    let staged = Create {
        stage: true,
        ..request
    };
    let made = artifacts.create(who, staged).await.unwrap();
    let id = made["id"].as_str().unwrap();
    for (path, content) in files {
        artifacts
            .write_file(who, id, path, Bytes::from((*content).to_owned()))
            .await
            .unwrap();
    }
    artifacts.commit(who, id, None, None).await.unwrap()
}
