//! What every [`DurableStore`] promises, tried on the one in memory, on SQLite in memory and on SQLite in a
//! file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::future::Future;

use hypha_hub::durable::{
    BlockEntry, BlockKind, CreateOutcome, DurableStore, EventQuery, MemoryStore, NewEvent, OwnerQuota,
    WorkspaceQuery, WorkspaceRecord,
};
use hypha_hub::ids::WorkspaceId;
use hypha_store::{Location, Store};
use serde_json::json;

async fn on_all<F: Future<Output = ()>>(test: impl Fn(Box<dyn DurableStore>) -> F) {
    test(Box::new(MemoryStore::new())).await;
    test(Box::new(Store::ephemeral().await.unwrap())).await;
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("new/hub.db"));
    test(Box::new(Store::open(&location).await.unwrap())).await;
}

fn workspace(id: &str, owners: &[&str]) -> WorkspaceRecord {
    WorkspaceRecord {
        id: WorkspaceId::parse(id).unwrap(),
        owners: owners.iter().map(|owner| (*owner).to_owned()).collect(),
        info: json!({"id": id, "config": {"environs": {"KEY": "sëcret\0"}}, "persistent": true}),
    }
}

async fn ids(store: &dyn DurableStore, owner: Option<&str>, after: Option<&str>, limit: u32) -> Vec<String> {
    let page = store
        .workspaces(WorkspaceQuery { owner, after, limit })
        .await
        .unwrap();
    page.into_iter().map(|record| record.id.to_string()).collect()
}

#[tokio::test]
async fn workspaces() {
    on_all(|store| async move {
        let mut lab = workspace("lab-1", &["zoe", "ada", "ada@example.org"]);
        assert_eq!(store.workspace("lab-1").await.unwrap(), None);
        assert_eq!(
            store.create_workspace(&lab, None).await.unwrap(),
            CreateOutcome::Created
        );
        assert_eq!(
            store.workspace("lab-1").await.unwrap().as_ref(),
            Some(&lab),
            "owners keep their order"
        );

        let other = workspace("lab-1", &["eve"]);
        assert_eq!(
            store.create_workspace(&other, None).await.unwrap(),
            CreateOutcome::Exists
        );
        assert_eq!(
            store.workspace("lab-1").await.unwrap().as_ref(),
            Some(&lab),
            "not touched"
        );

        lab.owners = vec!["bob".into(), "bob".into()];
        lab.info = json!(null);
        store.put_workspace(&lab).await.unwrap();
        assert_eq!(store.workspace("lab-1").await.unwrap().as_ref(), Some(&lab));
        assert_eq!(store.count_workspaces("ada").await.unwrap(), 0);
        assert_eq!(store.count_workspaces("bob").await.unwrap(), 1);

        assert!(store.delete_workspace("lab-1").await.unwrap());
        assert!(!store.delete_workspace("lab-1").await.unwrap());
        assert_eq!(store.count_workspaces("bob").await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn quotas() {
    on_all(|store| async move {
        let quota = Some(OwnerQuota { owner: "ada", max: 2 });
        for id in ["a-1", "a-2"] {
            let outcome = store
                .create_workspace(&workspace(id, &["ada", "root"]), quota)
                .await
                .unwrap();
            assert_eq!(outcome, CreateOutcome::Created);
        }
        let third = store
            .create_workspace(&workspace("a-3", &["ada"]), quota)
            .await
            .unwrap();
        assert_eq!(third, CreateOutcome::QuotaExceeded { owned: 2 });
        assert_eq!(store.workspace("a-3").await.unwrap(), None);
        let taken = store
            .create_workspace(&workspace("a-1", &["ada"]), quota)
            .await
            .unwrap();
        assert_eq!(
            taken,
            CreateOutcome::Exists,
            "a taken id says so before the quota does"
        );
    })
    .await;
}

#[tokio::test]
async fn of_many_creators_one_wins() {
    on_all(|store| async move {
        let creators = (0..8).map(|i| {
            let record = workspace("lab-1", &[&format!("user-{i}")]);
            let store = &store;
            async move { store.create_workspace(&record, None).await.unwrap() }
        });
        let outcomes = futures_util::future::join_all(creators).await;
        assert_eq!(
            outcomes.iter().filter(|o| **o == CreateOutcome::Created).count(),
            1
        );
    })
    .await;
}

#[tokio::test]
async fn pages_of_workspaces() {
    on_all(|store| async move {
        for id in ["c-1", "a-1", "b-1", "ws-user-github|1"] {
            store
                .put_workspace(&workspace(id, &[if id == "b-1" { "bob" } else { "ada" }]))
                .await
                .unwrap();
        }
        let store = store.as_ref();
        assert_eq!(ids(store, None, None, 2).await, ["a-1", "b-1"]);
        assert_eq!(
            ids(store, None, Some("b-1"), 9).await,
            ["c-1", "ws-user-github|1"]
        );
        assert_eq!(
            ids(store, Some("ada"), None, 9).await,
            ["a-1", "c-1", "ws-user-github|1"]
        );
        assert_eq!(ids(store, Some("ada"), Some("a-1"), 1).await, ["c-1"]);
        assert!(
            ids(store, Some("a%"), None, 9).await.is_empty(),
            "owners are compared exactly"
        );
    })
    .await;
}

#[tokio::test]
async fn event_log() {
    on_all(|store| async move {
        let event = |kind: &str, user: &str, time: i64| NewEvent {
            event_type: kind.into(),
            workspace: WorkspaceId::parse(if user == "eve" { "other" } else { "lab" }).unwrap(),
            user_id: user.into(),
            timestamp_us: time,
            data: json!({"n": time, "list": [1.5, null]}),
        };
        let mut last = 0;
        for (kind, user, time) in [
            ("b", "ada", 1),
            ("a", "ada", 2),
            ("b", "bob", 3),
            ("b", "ada", 4),
            ("b", "eve", 5),
        ] {
            let id = store.append_event(&event(kind, user, time)).await.unwrap();
            assert!(id > last);
            last = id;
        }
        let all = EventQuery {
            workspace: "lab",
            user_id: None,
            event_type: None,
            start_us: None,
            end_us: None,
        };
        let times = |query, limit, offset| {
            let store = &store;
            async move {
                let page = store.events(query, limit, offset).await.unwrap();
                page.into_iter()
                    .map(|record| record.event.timestamp_us)
                    .collect::<Vec<_>>()
            }
        };
        assert_eq!(
            store.events(all, 1, 1).await.unwrap()[0].event,
            event("a", "ada", 2)
        );
        assert_eq!(times(all, 10, 0).await, [1, 2, 3, 4]);
        assert_eq!(times(all, 2, 1).await, [2, 3]);
        let adas = EventQuery {
            user_id: Some("ada"),
            ..all
        };
        assert_eq!(
            times(
                EventQuery {
                    event_type: Some("b"),
                    ..adas
                },
                10,
                0
            )
            .await,
            [1, 4]
        );
        let bounded = EventQuery {
            start_us: Some(2),
            end_us: Some(4),
            ..adas
        };
        assert_eq!(times(bounded, 10, 0).await, [2, 4], "bounds are part of it");
        let stats = store.event_stats(adas).await.unwrap();
        assert_eq!(stats, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(
            store
                .event_stats(EventQuery {
                    workspace: "none",
                    ..all
                })
                .await
                .unwrap(),
            []
        );
    })
    .await;
}

#[tokio::test]
async fn revoked_tokens_and_blocks() {
    on_all(|store| async move {
        store.revoke_token(&[1; 32], 100).await.unwrap();
        store.revoke_token(&[2; 32], u64::MAX >> 1).await.unwrap();
        store.revoke_token(&[1; 32], 200).await.unwrap();
        let mut tokens = store.revoked_tokens(200).await.unwrap();
        tokens.sort_unstable();
        assert_eq!(tokens, [([1; 32], 200), ([2; 32], u64::MAX >> 1)]);
        assert_eq!(store.revoked_tokens(201).await.unwrap().len(), 1);

        let mut block = BlockEntry {
            kind: BlockKind::User,
            key: "eve".into(),
            reason: "spam".into(),
            expires_at: 100,
            created_at: 1,
        };
        let ip = BlockEntry {
            kind: BlockKind::Ip,
            key: "::1".into(),
            ..block.clone()
        };
        store.block(&block).await.unwrap();
        store.block(&ip).await.unwrap();
        block.reason = "more spam".into();
        block.expires_at = 300;
        store.block(&block).await.unwrap();
        assert_eq!(store.blocks(101).await.unwrap(), std::slice::from_ref(&block));
        assert_eq!(store.blocks(0).await.unwrap().len(), 2);
        assert_eq!(store.purge_expired(250).await.unwrap(), 2, "one token, one block");
        assert!(!store.unblock(BlockKind::Ip, "eve").await.unwrap());
        assert!(store.unblock(BlockKind::User, "eve").await.unwrap());
        assert!(store.blocks(0).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn settings() {
    on_all(|store| async move {
        assert_eq!(store.setting("k").await.unwrap(), None);
        assert_eq!(store.setting_or_insert("k", "first").await.unwrap(), "first");
        assert_eq!(store.setting_or_insert("k", "second").await.unwrap(), "first");
        store.put_setting("k", "third").await.unwrap();
        assert_eq!(store.setting("k").await.unwrap().as_deref(), Some("third"));
    })
    .await;
}
