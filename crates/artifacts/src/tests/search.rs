//! Filters, keywords, order and pages, on every database there is.

use super::*;

cases! {
    filters_keywords_order_and_pages,
}

async fn fill(artifacts: &Artifacts) {
    let who = admin();
    for (alias, kind, manifest) in [
        (
            "a",
            "model",
            json!({"name": "Apple", "size": 10, "tags": ["red", "fruit"], "info": {"year": 2020}, "ok": true}),
        ),
        (
            "b",
            "model",
            json!({"name": "banana 100%", "size": 9, "tags": ["yellow"], "info": {"year": 2021}}),
        ),
        (
            "c",
            "dataset",
            json!({"name": "under_score", "size": "big", "tags": "red", "ok": false}),
        ),
        (
            "d",
            "dataset",
            json!({"name": "'; DROP TABLE artifacts; --", "quote\u{e9}": "x"}),
        ),
    ] {
        let request = Create {
            manifest: Some(object(manifest)),
            kind: Some(kind.into()),
            ..new(alias, false)
        };
        artifacts.create(&who, request).await.unwrap();
    }
}

async fn find(artifacts: &Artifacts, search: Search) -> std::result::Result<String, String> {
    let search = Search { limit: 100, ..search };
    let found = artifacts
        .search(&admin(), search)
        .await
        .map_err(|error| error.to_string())?;
    let aliases = found
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["alias"].as_str().unwrap());
    Ok(aliases.collect::<Vec<_>>().concat())
}

async fn filters(artifacts: &Artifacts, filters: Json) -> std::result::Result<String, String> {
    let search = Search {
        filters: object(filters),
        ..Search::default()
    };
    find(artifacts, search).await
}

async fn filters_keywords_order_and_pages(artifacts: Artifacts) {
    let artifacts = &artifacts;
    fill(artifacts).await;
    for (given, expected) in [
        (json!({}), "abcd"),
        (json!({"type": "model"}), "ab"),
        (json!({"alias": "c"}), "c"),
        (json!({"created_by": "ann", "workspace": "lab"}), "abcd"),
        (json!({"workspace": "other"}), ""),
        (json!({"view_count": 1}), ""),
        (json!({"created_at": [0, null]}), "abcd"),
        (json!({"created_at": [null, 5]}), ""),
        (json!({"version": "stage"}), ""),
        (json!({"parent_id": null}), "abcd"),
        (json!({"config": {"permissions": {"ann": "*"}}}), "abcd"),
        (json!({"config": {"permissions": {"ann@x.org": "*"}}}), ""),
        (json!({"manifest": {"name": "Apple"}}), "a"),
        (json!({"manifest": {"name": "apple"}}), ""),
        (json!({"manifest": {"name": "*PP*"}}), "a"),
        (json!({"manifest": {"name": "*100%"}}), "b"),
        (json!({"manifest": {"name": "under_s*"}}), "c"),
        (json!({"manifest": {"name": "under-s*"}}), ""),
        (json!({"manifest": {"size": 10}}), "a"),
        (json!({"manifest": {"size": "big"}}), "c"),
        (json!({"manifest": {"ok": true}}), "a"),
        (json!({"manifest": {"ok": false}}), "c"),
        (json!({"manifest": {"info.year": 2021}}), "b"),
        (json!({"manifest": {"tags": ["red"]}}), "ac"),
        (json!({"manifest": {"tags": ["red", "fruit"]}}), "a"),
        (json!({"manifest": {"tags": {"$all": []}}}), "abcd"),
        (json!({"manifest": {"tags": {"$in": ["yellow", "fruit"]}}}), "ab"),
        (json!({"manifest": {"tags": {"$in": []}}}), ""),
        (json!({"manifest": {"name": {"$like": "%an%"}}}), "b"),
        (
            json!({"manifest": {"$or": [{"size": 9}, {"size": 10}], "tags": ["red"]}}),
            "a",
        ),
        (json!({"manifest": {"$and": [{"$or": []}]}}), ""),
        (json!({"manifest": {"quote\u{e9}": "x"}}), "d"),
        (json!({"manifest": {"name": "'; DROP TABLE artifacts; --"}}), "d"),
        (json!({"manifest": {"missing') OR 1=1 --": "x"}}), ""),
    ] {
        assert_eq!(
            filters(artifacts, given.clone()).await.as_deref(),
            Ok(expected),
            "{given}"
        );
    }
    let deep = (0..20).fold(json!({"a": 1}), |inner, _| json!({"$and": [inner]}));
    for wrong in [
        json!({"nonsense": 1}),
        json!({"version": "*"}),
        json!({"manifest": {"a\"b": 1}}),
        json!({"manifest": {"a": {"$gt": 1}}}),
        json!({"manifest": {"a": {"$in": vec![0; 500]}}}),
        json!({"manifest": deep}),
        json!({"type": 1}),
        json!({"config": {"other": 1}}),
    ] {
        assert!(filters(artifacts, wrong.clone()).await.is_err(), "{wrong}");
    }
    for (keywords, any, expected) in [
        (vec!["APPLE"], false, "a"),
        (vec!["red", "fruit"], false, "a"),
        (vec!["apple", "banana"], true, "ab"),
        (vec!["100%"], false, "b"),
        (vec!["r_s"], false, "c"),
    ] {
        let search = Search {
            keywords: keywords.iter().map(|word| (*word).to_owned()).collect(),
            any,
            ..Search::default()
        };
        assert_eq!(
            find(artifacts, search).await.as_deref(),
            Ok(expected),
            "{keywords:?}"
        );
    }
    for (by, expected) in [
        ("id", "abcd"),
        ("id>", "dcba"),
        ("manifest.size", "bacd"),
        ("manifest.name<", "dabc"),
        ("view_count>", "abcd"),
        ("nonsense", "abcd"),
        ("manifest.a');--", "abcd"),
    ] {
        let search = Search {
            order_by: Some(by.into()),
            ..Search::default()
        };
        assert_eq!(find(artifacts, search).await.as_deref(), Ok(expected), "{by}");
    }
    let page = Search {
        limit: 2,
        offset: 1,
        pagination: true,
        ..Search::default()
    };
    let page = artifacts.search(&admin(), page).await.unwrap();
    assert_eq!(
        (&page["total"], page["items"].as_array().unwrap().len()),
        (&json!(4), 2)
    );
}
