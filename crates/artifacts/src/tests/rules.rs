//! Who may do what, collections, and what must not be possible.

use super::*;

cases! {
    other_workspaces_are_closed,
    uploads_are_bound_to_artifact_and_user,
    collections_check_their_children,
    inboxes_show_each_their_own,
    recursive_deletion_sees_all_children,
    secrets_are_not_shown_and_not_lost,
}

fn text<T>(result: Result<T>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

async fn other_workspaces_are_closed(artifacts: Artifacts) {
    let victim = make(&artifacts, &admin(), new("private", false), &[("f", "secret")]).await;
    let id = victim["id"].as_str().unwrap();
    let eve = Actor {
        workspace: "ws-user-eve".into(),
        ..actor("eve", &[("ws-user-eve", Permission::Admin)])
    };
    let overwriting = Create {
        workspace: Some("lab".into()),
        overwrite: true,
        ..new("private", false)
    };
    assert!(text(artifacts.create(&eve, overwriting).await).contains("permission"));
    let by_id = Create {
        alias: None,
        artifact_id: Some("lab/other".into()),
        ..new("x", false)
    };
    assert!(text(artifacts.create(&eve, by_id).await).contains("permission"));
    let copy = Duplicate::default();
    for denied in [
        text(artifacts.read_artifact(&eve, id, &Selector::Latest, true).await),
        text(
            artifacts
                .read_file(&eve, id, "f", &Selector::Latest, (0, 1))
                .await
                .map(|_| ()),
        ),
        text(artifacts.edit(&eve, id, Edit::default()).await),
        text(artifacts.delete(&eve, id, true).await),
        text(artifacts.duplicate(&eve, id, copy).await),
        text(artifacts.set_secret(&eve, id, "a", None).await),
        text(artifacts.reset_stats(&eve, id).await),
        text(artifacts.set_parent(&eve, id, None).await),
    ] {
        assert!(denied.contains("User does not have permission"), "{denied}");
    }
    let search = Search {
        workspace: Some("lab".into()),
        limit: 10,
        stage: StageFilter::All,
        pagination: true,
        ..Search::default()
    };
    let found = artifacts.search(&eve, search.clone()).await.unwrap();
    assert_eq!(found, json!({"items": [], "total": 0, "offset": 0, "limit": 10}));
    // What is public is found, its drafts are not.
    let public = Create {
        config: Some(object(json!({"permissions": {"*": "r"}}))),
        ..new("public", false)
    };
    make(&artifacts, &admin(), public.clone(), &[]).await;
    let draft = Create {
        stage: true,
        alias: Some("draft".into()),
        ..public
    };
    artifacts.create(&admin(), draft).await.unwrap();
    let found = artifacts.search(&eve, search).await.unwrap();
    assert_eq!(
        (&found["total"], &found["items"][0]["alias"]),
        (&json!(1), &json!("public"))
    );
    assert!(
        text(
            artifacts
                .read_artifact(&eve, "lab/draft", &Selector::Latest, true)
                .await
        )
        .contains("permission")
    );
    assert!(
        text(
            artifacts
                .create(
                    &actor("ann", &[("ws-temporary", Permission::Admin)]),
                    Create {
                        workspace: Some("ws-temporary".into()),
                        ..new("x", false)
                    }
                )
                .await
        )
        .contains("non-persistent")
    );
}

async fn uploads_are_bound_to_artifact_and_user(artifacts: Artifacts) {
    let shared = Create {
        config: Some(object(json!({"permissions": {"@": "rw+"}}))),
        ..new("one", true)
    };
    artifacts.create(&admin(), shared.clone()).await.unwrap();
    artifacts
        .create(
            &admin(),
            Create {
                alias: Some("two".into()),
                ..shared
            },
        )
        .await
        .unwrap();
    let base = hypha_storage::Base::Public;
    let started = artifacts
        .start_multipart(&admin(), "one", "f", (2, 0.0), (60, &base))
        .await
        .unwrap();
    let upload = started["upload_id"].as_str().unwrap();
    let other = actor("bob", &[]);
    for (who, id) in [(&other, "one"), (&admin(), "two")] {
        let text = text(artifacts.complete_multipart(who, id, upload, &[]).await);
        assert_eq!(text, "Upload session expired or not found");
    }
    for count in [0, 10_001] {
        assert!(
            artifacts
                .start_multipart(&admin(), "one", "f", (count, 0.0), (60, &base))
                .await
                .is_err()
        );
    }
}

async fn collections_check_their_children(artifacts: Artifacts) {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let collection = Create {
        kind: Some("collection".into()),
        config: Some(object(
            json!({"collection_schema": schema, "id_parts": {"animal": ["cat"]}}),
        )),
        ..new("all", false)
    };
    artifacts.create(&admin(), collection).await.unwrap();
    let child = |manifest: Json, stage: bool| Create {
        alias: Some("{animal}-{timestamp}".into()),
        parent_id: Some("all".into()),
        manifest: Some(object(manifest)),
        stage,
        ..Create::default()
    };
    assert!(
        text(artifacts.create(&admin(), child(json!({"n": "x"}), false)).await).contains("ValidationError")
    );
    let made = artifacts
        .create(&admin(), child(json!({"n": "x"}), true))
        .await
        .unwrap();
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("lab/cat-") && made["parent_id"] == "lab/all");
    assert!(text(artifacts.commit(&admin(), id, None, None).await).contains("ValidationError"));
    let edit = Edit {
        manifest: Some(object(json!({"n": 1}))),
        ..Edit::default()
    };
    artifacts.edit(&admin(), id, edit.clone()).await.unwrap();
    let wrong = Edit {
        manifest: Some(object(json!({}))),
        ..edit
    };
    assert!(
        text(artifacts.edit(&admin(), id, wrong).await).contains("ValidationError"),
        "on every path"
    );
    let read = artifacts
        .read_artifact(&admin(), "all", &Selector::Latest, true)
        .await
        .unwrap();
    assert_eq!(
        (&read["config"]["child_count"], &read["config"]["is_collection"]),
        (&json!(1), &json!(true))
    );
    assert!(text(artifacts.set_parent(&admin(), "all", Some(id)).await).contains("must not be"));
    let overwriting = Create {
        overwrite: true,
        ..new("all", false)
    };
    assert!(text(artifacts.create(&admin(), overwriting).await).contains("collection with children"));
    artifacts.delete(&admin(), "all", false).await.unwrap();
    let orphan = artifacts
        .read_artifact(&admin(), id, &Selector::Latest, true)
        .await
        .unwrap();
    assert_eq!(orphan["parent_id"], Json::Null);
}

async fn inboxes_show_each_their_own(artifacts: Artifacts) {
    let inbox = Create {
        config: Some(object(json!({
            "private_children": true, "recipient_field": "to", "recipient_can_delete": true,
            "permissions": {"@": "r"},
        }))),
        ..new("inbox", false)
    };
    artifacts.create(&admin(), inbox).await.unwrap();
    for (alias, to) in [("for-bob", "Bob@example.org"), ("for-eve", "eve@example.org")] {
        let letter = Create {
            parent_id: Some("inbox".into()),
            manifest: Some(object(json!({"to": to}))),
            ..new(alias, false)
        };
        artifacts.create(&admin(), letter).await.unwrap();
    }
    let bob = actor("bob", &[]);
    let search = Search {
        parent_id: Some("lab/inbox".into()),
        filters: object(json!({"manifest": {"to": "eve@example.org"}})),
        limit: 10,
        ..Search::default()
    };
    let found = artifacts.search(&bob, search.clone()).await.unwrap();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["alias"], "for-bob");
    let mut nobody = bob.clone();
    nobody.user.email = Some(String::new());
    assert_eq!(artifacts.search(&nobody, search).await.unwrap(), json!([]));
    assert!(artifacts.delete(&bob, "lab/for-eve", false).await.is_err());
    artifacts.delete(&bob, "lab/for-bob", false).await.unwrap();
}

async fn recursive_deletion_sees_all_children(artifacts: Artifacts) {
    artifacts.create(&admin(), new("top", false)).await.unwrap();
    for n in 0..120 {
        let child = Create {
            parent_id: Some("top".into()),
            ..new(&format!("c{n}"), false)
        };
        artifacts.create(&admin(), child).await.unwrap();
    }
    artifacts.delete(&admin(), "top", true).await.unwrap();
    let all = Search {
        limit: 10,
        stage: StageFilter::All,
        ..Search::default()
    };
    assert_eq!(artifacts.search(&admin(), all).await.unwrap(), json!([]));
}

async fn secrets_are_not_shown_and_not_lost(artifacts: Artifacts) {
    let request = Create {
        secrets: Some(object(json!({"key": "hunter2"}))),
        ..new("s", false)
    };
    let made = make(&artifacts, &admin(), request, &[("f", "x")]).await;
    let listed = artifacts
        .search(
            &admin(),
            Search {
                limit: 9,
                ..Search::default()
            },
        )
        .await
        .unwrap();
    for shown in [&made, &listed] {
        assert!(!shown.to_string().contains("hunter2") && !shown.to_string().contains("secrets"));
    }
    assert_eq!(
        artifacts.get_secret(&admin(), "s", Some("key")).await.unwrap(),
        "hunter2"
    );
    artifacts
        .set_secret(&admin(), "s", "other", Some(json!(1)))
        .await
        .unwrap();
    artifacts.set_secret(&admin(), "s", "key", None).await.unwrap();
    assert_eq!(
        artifacts.get_secret(&admin(), "s", None).await.unwrap(),
        json!({"other": 1})
    );
    let reader = actor("bob", &[("lab", Permission::ReadWrite)]);
    assert!(artifacts.get_secret(&reader, "s", None).await.is_err());
}
