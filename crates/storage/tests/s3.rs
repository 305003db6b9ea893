//! A bucket of a real S3 server, on loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::path::Path;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use hypha_storage::{
    Config, Entry, Error, Key, PartRef, Place, Prefix, PutOptions, S3Config, SizeRule, Storage, UploadOptions,
};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

/// Starts the server; its URL.
async fn serve(folder: &Path) -> String {
    let files = s3s_fs::FileSystem::new(folder).unwrap();
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single("id", "secret"));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service.clone();
            tokio::spawn(async move {
                let socket = hyper_util::rt::TokioIo::new(socket);
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(socket, service)
                    .await;
            });
        }
    });
    url
}

async fn open(endpoint: String, secret: &str) -> Result<Storage, hypha_storage::OpenError> {
    let s3 = S3Config {
        endpoint,
        access_key_id: "id".into(),
        secret_access_key: secret.into(),
        region: "us-east-1".into(),
        bucket: "hypha-workspaces".into(),
    };
    Storage::open(Config::new(Place::S3(s3, None), "secret")).await
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn body(text: &str) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
    stream::iter([Ok(Bytes::from(text.to_owned()))])
}

fn pieces(count: usize) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
    let piece = Bytes::from(vec![7; 1 << 20]);
    stream::iter((0..count).map(move |_| Ok(piece.clone())))
}

fn broken(count: usize) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
    pieces(count).chain(stream::iter([Err(io::ErrorKind::ConnectionReset.into())]))
}

async fn text(storage: &Storage, name: &str) -> Result<String, Error> {
    let object = storage.get(&key(name)).await?;
    let bytes = object
        .read(0..object.meta().size)
        .await?
        .try_collect::<Vec<_>>()
        .await
        .unwrap();
    Ok(String::from_utf8(bytes.concat()).unwrap())
}

async fn names(storage: &Storage, folder: &str, folded: bool) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let prefix = Prefix::parse(folder).unwrap();
        let page = storage.list(&prefix, folded, after.as_deref(), 2).await.unwrap();
        names.extend(page.entries.iter().map(|entry| match entry {
            Entry::File { key, .. } => key.clone(),
            Entry::Folder(prefix) => prefix.clone(),
        }));
        match page.next {
            Some(next) => after = Some(next),
            None => return names,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_in_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let url = serve(folder.path()).await;
    // The bucket is made at the first start, and found at the second.
    drop(open(url.clone(), "secret").await.unwrap());
    let storage = open(url, "secret").await.unwrap();
    for name in ["w/a", "w/b/1", "w/b/2 +%ä", "w/c/x", "w/d"] {
        let meta = storage
            .put(&key(name), body(name), PutOptions::default())
            .await
            .unwrap();
        assert_eq!(meta.size, name.len() as u64);
        assert_eq!(storage.head(&key(name)).await.unwrap().etag, meta.etag);
        assert_eq!(text(&storage, name).await.unwrap(), name);
    }
    let empty = storage
        .put(&key("w/empty"), body(""), PutOptions::default())
        .await
        .unwrap();
    assert_eq!(
        (empty.size, text(&storage, "w/empty").await.unwrap().as_str()),
        (0, "")
    );
    assert_eq!(
        names(&storage, "w", true).await,
        ["w/a", "w/b/", "w/c/", "w/d", "w/empty"]
    );
    assert_eq!(names(&storage, "w/b", false).await, ["w/b/1", "w/b/2 +%ä"]);
    let object = storage.get(&key("w/b/2 +%ä")).await.unwrap();
    let part = object
        .read(2..5)
        .await
        .unwrap()
        .try_collect::<Vec<_>>()
        .await
        .unwrap()
        .concat();
    assert_eq!(part, b"b/2");
    storage.copy(&key("w/a"), &key("w/copy")).await.unwrap();
    assert_eq!(text(&storage, "w/copy").await.unwrap(), "w/a");
    assert!(storage.delete(&key("w/copy")).await.unwrap());
    assert!(!storage.delete(&key("w/copy")).await.unwrap());
    assert!(matches!(text(&storage, "w/copy").await, Err(Error::NotFound(_))));
    assert_eq!(
        storage
            .delete_prefix(&Prefix::parse("w/b").unwrap())
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        names(&storage, "w", true).await,
        ["w/a", "w/c/", "w/d", "w/empty"]
    );
    let until = PutOptions {
        delete_at: Some(100),
        ..PutOptions::default()
    };
    storage.put(&key("w/a"), body("x"), until).await.unwrap();
    storage.sweep(100).await.unwrap();
    assert_eq!(names(&storage, "w", true).await, ["w/c/", "w/d", "w/empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_and_parts() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(serve(folder.path()).await, "secret").await.unwrap();
    let meta = storage
        .put(&key("big/put"), pieces(21), PutOptions::default())
        .await
        .unwrap();
    assert_eq!(
        (meta.size, storage.head(&key("big/put")).await.unwrap().size),
        (21 << 20, 21 << 20)
    );
    for count in [1, 12] {
        let failed = storage
            .put(&key("big/put"), broken(count), PutOptions::default())
            .await;
        assert!(matches!(failed, Err(Error::Body(_))));
    }
    assert_eq!(storage.head(&key("big/put")).await.unwrap().size, 21 << 20);
    // What is staged and not published was never there.
    drop(
        storage
            .stage(&key("big/staged"), pieces(9), PutOptions::default())
            .await
            .unwrap(),
    );
    assert!(matches!(
        storage.head(&key("big/staged")).await,
        Err(Error::NotFound(_))
    ));

    let options = UploadOptions {
        owner: "me".into(),
        part_count: 3,
        expires_in: 60,
        content_type: Some("text/csv".into()),
        ttl: None,
    };
    let upload = storage
        .create_upload(&key("big/parts"), options.clone())
        .await
        .unwrap();
    let mut parts = Vec::new();
    // Of known length it is passed on, of unknown length it waits in memory.
    for (number, count, rule) in [(2, 1, SizeRule::Any), (1, 6, SizeRule::Exactly(6 << 20))] {
        let etag = storage
            .put_part(&key("big/parts"), &upload, number, pieces(count), rule)
            .await
            .unwrap();
        parts.push(PartRef { number, etag });
    }
    let failed = storage
        .put_part(
            &key("big/parts"),
            &upload,
            3,
            broken(5),
            SizeRule::Exactly(9 << 20),
        )
        .await;
    assert!(matches!(failed, Err(Error::Body(_))), "{failed:?}");
    let gap = [PartRef {
        number: 2,
        etag: String::new(),
    }];
    assert!(matches!(
        storage
            .complete_upload(&key("big/parts"), &upload, "me", &gap)
            .await,
        Err(Error::Parts(_))
    ));
    let meta = storage
        .complete_upload(&key("big/parts"), &upload, "me", &parts)
        .await
        .unwrap();
    assert_eq!(
        (meta.size, storage.head(&key("big/parts")).await.unwrap().size),
        (7 << 20, 7 << 20)
    );
    let upload = storage.create_upload(&key("big/parts"), options).await.unwrap();
    storage.abort_upload(&upload).await.unwrap();
    let late = storage
        .put_part(&key("big/parts"), &upload, 1, pieces(1), SizeRule::Any)
        .await;
    assert!(matches!(late, Err(Error::NoUpload(_))));
}

#[tokio::test]
async fn servers_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let url = serve(folder.path()).await;
    let error = open(url, "other").await.err().unwrap().to_string();
    assert!(
        error.contains("cannot use the S3 server") && !error.contains("other"),
        "{error}"
    );
}
