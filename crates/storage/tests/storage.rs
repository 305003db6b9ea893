//! The same cases on every place for objects.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use hypha_storage::{
    Config, Entry, Error, Key, Limits, PartRef, Place, Prefix, PutOptions, SizeRule, Storage, UploadOptions,
};

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

fn body(parts: &[&str]) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| Ok(Bytes::from((*part).to_owned())))
        .collect();
    stream::iter(parts)
}

fn broken(text: &str) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
    let parts = [
        Ok(Bytes::from(text.to_owned())),
        Err(io::ErrorKind::ConnectionReset.into()),
    ];
    stream::iter(parts)
}

async fn put(storage: &Storage, name: &str, text: &str) {
    storage
        .put(&key(name), body(&[text]), PutOptions::default())
        .await
        .unwrap();
}

async fn text(storage: &Storage, name: &str) -> Result<String, Error> {
    let object = storage.get(&key(name)).await?;
    let bytes = object
        .read(0..object.meta().size)
        .await?
        .try_collect::<Vec<_>>()
        .await
        .unwrap()
        .concat();
    Ok(String::from_utf8(bytes).unwrap())
}

async fn names(storage: &Storage, folder: &str, folded: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut after = None;
    loop {
        // Small pages, so that every place where one can end is tried.
        let page = storage
            .list(&prefix(folder), folded, after.as_deref(), 2)
            .await
            .unwrap();
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

fn options() -> UploadOptions {
    UploadOptions {
        owner: "me".into(),
        part_count: 3,
        expires_in: 60,
        content_type: Some("text/plain".into()),
        ttl: None,
    }
}

/// How many files of bytes a storage has.
fn files(folder: &std::path::Path) -> usize {
    let folders = std::fs::read_dir(folder.join("objects")).unwrap();
    folders
        .map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count())
        .sum()
}

/// Waits until there are so many files; fails when that takes suspiciously long.
async fn files_become(folder: &std::path::Path, count: usize) {
    for _ in 0..500 {
        if files(folder) == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} files, expected {count}", files(folder));
}

async fn in_folder(folder: &std::path::Path) -> Storage {
    Storage::open(Config::new(Place::Folder(folder.to_owned()), "secret"))
        .await
        .unwrap()
}

async fn objects(storage: &Storage) {
    let odd = "ws/ä b%2e%2e#?+&/日本 \u{1F600}/.keep";
    put(storage, odd, "odd").await;
    assert_eq!(text(storage, odd).await.unwrap(), "odd");
    let long = format!("ws/{}", "x".repeat(1000));
    put(storage, &long, "long").await;
    put(storage, "ws/a", "file").await;
    put(storage, "ws/a/b", "child").await;
    put(storage, "ws/A", "other case").await;
    for (name, expected) in [
        ("ws/a", "file"),
        ("ws/a/b", "child"),
        ("ws/A", "other case"),
        (&long, "long"),
    ] {
        assert_eq!(text(storage, name).await.unwrap(), expected);
    }
    let meta = storage
        .put(&key("ws/empty"), body(&[]), PutOptions::default())
        .await
        .unwrap();
    assert_eq!(
        (meta.size, meta.etag.as_str()),
        (0, "d41d8cd98f00b204e9800998ecf8427e")
    );
    assert_eq!(text(storage, "ws/empty").await.unwrap(), "");
    let meta = PutOptions {
        content_type: Some("image/png".into()),
        ..PutOptions::default()
    };
    let meta = storage
        .put(&key("ws/typed"), body(&["a", "", "bc"]), meta)
        .await
        .unwrap();
    assert_eq!(storage.head(&key("ws/typed")).await.unwrap(), meta);
    assert_eq!(meta.content_type.as_deref(), Some("image/png"));
    assert_eq!(meta.etag, "900150983cd24fb0d6963f7d28e17f72");
    assert!(storage.delete(&key("ws/typed")).await.unwrap());
    assert!(!storage.delete(&key("ws/typed")).await.unwrap());
    assert!(matches!(
        storage.head(&key("ws/typed")).await,
        Err(Error::NotFound(_))
    ));
    assert!(matches!(text(storage, "ws/none").await, Err(Error::NotFound(_))));
}

async fn ranges(storage: &Storage) {
    let big: String = (0..300_000).map(|number| format!("{number:06}\n")).collect();
    put(storage, "r/big", &big).await;
    let object = storage.get(&key("r/big")).await.unwrap();
    for range in [
        0..7,
        0..big.len(),
        262_140..262_150,
        big.len() - 3..big.len(),
        1_048_576..1_048_577,
    ] {
        let read = object.read(range.start as u64..range.end as u64).await.unwrap();
        let read = read.try_collect::<Vec<_>>().await.unwrap().concat();
        assert!(read == big.as_bytes()[range.clone()], "{range:?}");
    }
    // What is open stays what it was.
    put(storage, "r/big", "new").await;
    storage.delete(&key("r/big")).await.unwrap();
    let read = object
        .read(0..7)
        .await
        .unwrap()
        .try_collect::<Vec<_>>()
        .await
        .unwrap()
        .concat();
    assert_eq!(read, b"000000\n");
}

async fn listings(storage: &Storage) {
    for name in [
        "l/b/1", "l/b/2", "l/b/3/x", "l/b!", "l/a", "l/c/x", "l/d", "m/x", "l0",
    ] {
        put(storage, name, "x").await;
    }
    assert_eq!(
        names(storage, "l", true).await,
        ["l/a", "l/b!", "l/b/", "l/c/", "l/d"]
    );
    let all = ["l/a", "l/b!", "l/b/1", "l/b/2", "l/b/3/x", "l/c/x", "l/d"];
    assert_eq!(names(storage, "l", false).await, all);
    assert_eq!(names(storage, "l/b", true).await, ["l/b/1", "l/b/2", "l/b/3/"]);
    assert_eq!(names(storage, "none", true).await, [""; 0]);
    storage.copy(&key("l/a"), &key("l/c/y")).await.unwrap();
    assert_eq!(text(storage, "l/c/y").await.unwrap(), "x");
    assert!(matches!(
        storage.copy(&key("l/none"), &key("l/a")).await,
        Err(Error::NotFound(_))
    ));
    assert_eq!(storage.delete_prefix(&prefix("l/b")).await.unwrap(), 3);
    assert_eq!(names(storage, "l", true).await, ["l/a", "l/b!", "l/c/", "l/d"]);
    assert_eq!(
        names(storage, "", false)
            .await
            .iter()
            .filter(|name| name.starts_with("l0"))
            .count(),
        1
    );
}

async fn bodies_that_end_badly(storage: &Storage) {
    put(storage, "t/kept", "before").await;
    for name in ["t/new", "t/kept"] {
        let failed = storage
            .put(&key(name), broken("half"), PutOptions::default())
            .await;
        assert!(matches!(failed, Err(Error::Body(_))), "{failed:?}");
    }
    assert_eq!(text(storage, "t/kept").await.unwrap(), "before");
    assert!(matches!(text(storage, "t/new").await, Err(Error::NotFound(_))));
    let with = |size| PutOptions {
        size,
        ..PutOptions::default()
    };
    let put = |size| async move { storage.put(&key("t/kept"), body(&["four"]), with(size)).await };
    assert!(matches!(
        put(SizeRule::AtMost(3)).await,
        Err(Error::TooLarge { limit: 3 })
    ));
    assert!(matches!(
        put(SizeRule::Exactly(3)).await,
        Err(Error::Length { expected: 3, .. })
    ));
    assert!(matches!(
        put(SizeRule::Exactly(5)).await,
        Err(Error::Length { found: 4, .. })
    ));
    assert_eq!(text(storage, "t/kept").await.unwrap(), "before");
    put(SizeRule::Exactly(4)).await.unwrap();
    assert_eq!(text(storage, "t/kept").await.unwrap(), "four");
    // What is staged and given up was never there.
    let staged = storage
        .stage(&key("t/kept"), body(&["never"]), PutOptions::default())
        .await
        .unwrap();
    drop(staged);
    assert_eq!(text(storage, "t/kept").await.unwrap(), "four");
}

async fn uploads(storage: &Storage) {
    let name = key("u/file");
    let upload = storage.create_upload(&name, options()).await.unwrap();
    let part = |number, text: &'static str| {
        let (storage, upload) = (storage.clone(), upload.clone());
        async move {
            storage
                .put_part(&key("u/file"), &upload, number, body(&[text]), SizeRule::Any)
                .await
        }
    };
    let (one, two) = (part(1, "one ").await.unwrap(), part(2, "wrong").await.unwrap());
    let again = part(2, "two").await.unwrap();
    assert_ne!(two, again);
    assert!(matches!(part(4, "x").await, Err(Error::Parts(_))));
    let refs = |second: &str, numbers: [u32; 2]| {
        let etags = [format!("\"{one}\""), second.to_owned()];
        let refs = numbers.into_iter().zip(etags);
        refs.map(|(number, etag)| PartRef { number, etag })
            .collect::<Vec<_>>()
    };
    let complete = |owner: &'static str, refs: Vec<PartRef>| {
        let (storage, upload) = (storage.clone(), upload.clone());
        async move {
            storage
                .complete_upload(&key("u/file"), &upload, owner, &refs)
                .await
        }
    };
    for (owner, refs) in [
        ("me", refs(&two, [1, 2])),
        ("me", refs(&again, [1, 3])),
        ("me", refs(&again, [1, 1])),
        ("me", Vec::new()),
        ("somebody", refs(&again, [1, 2])),
    ] {
        assert!(complete(owner, refs).await.is_err());
    }
    assert!(matches!(text(storage, "u/file").await, Err(Error::NotFound(_))));
    assert!(matches!(
        storage
            .put_part(&key("u/other"), &upload, 1, body(&["x"]), SizeRule::Any)
            .await,
        Err(Error::NoUpload(_))
    ));
    let meta = complete("me", refs(&again, [1, 2])).await.unwrap();
    assert_eq!((meta.size, meta.etag.ends_with("-2")), (7, true));
    assert_eq!(storage.head(&name).await.unwrap(), meta);
    assert_eq!(text(storage, "u/file").await.unwrap(), "one two");
    assert!(matches!(
        complete("me", refs(&again, [1, 2])).await,
        Err(Error::NoUpload(_))
    ));
    let object = storage.get(&name).await.unwrap();
    let middle = object
        .read(2..6)
        .await
        .unwrap()
        .try_collect::<Vec<_>>()
        .await
        .unwrap()
        .concat();
    assert_eq!(middle, b"e tw");
    let upload = storage.create_upload(&name, options()).await.unwrap();
    storage.abort_upload(&upload).await.unwrap();
    storage.abort_upload(&upload).await.unwrap();
    let late = storage
        .put_part(&name, &upload, 1, body(&["x"]), SizeRule::Any)
        .await;
    assert!(matches!(late, Err(Error::NoUpload(_))));
}

async fn times_to_live(storage: &Storage) {
    let until = |delete_at| PutOptions {
        delete_at,
        ..PutOptions::default()
    };
    for name in ["x/gone", "x/renewed"] {
        storage
            .put(&key(name), body(&["x"]), until(Some(100)))
            .await
            .unwrap();
    }
    storage
        .put(&key("x/renewed"), body(&["y"]), until(None))
        .await
        .unwrap();
    storage.sweep(99).await.unwrap();
    assert_eq!(names(storage, "x", false).await, ["x/gone", "x/renewed"]);
    storage.sweep(100).await.unwrap();
    assert_eq!(names(storage, "x", false).await, ["x/renewed"]);
    let upload = storage.create_upload(&key("x/upload"), options()).await.unwrap();
    storage.sweep(u64::MAX >> 1).await.unwrap();
    let late = storage
        .put_part(&key("x/upload"), &upload, 1, body(&["x"]), SizeRule::Any)
        .await;
    assert!(matches!(late, Err(Error::NoUpload(_))));
}

/// Parts of an upload to a bucket are at least 5 MiB long, except the last.
async fn large_files(storage: &Storage) {
    let piece = Bytes::from(vec![7; 1 << 20]);
    let pieces = |count: usize| {
        stream::iter((0..count).map({
            let piece = piece.clone();
            move |_| Ok(piece.clone())
        }))
    };
    let meta = storage
        .put(&key("big/put"), pieces(21), PutOptions::default())
        .await
        .unwrap();
    assert_eq!(meta.size, 21 << 20);
    let broken = pieces(12).chain(stream::iter([Err(io::ErrorKind::ConnectionReset.into())]));
    let failed = storage
        .put(&key("big/broken"), broken, PutOptions::default())
        .await;
    assert!(matches!(failed, Err(Error::Body(_))));
    let upload = storage.create_upload(&key("big/parts"), options()).await.unwrap();
    let mut parts = Vec::new();
    for (number, count, rule) in [(1, 6, SizeRule::Exactly(6 << 20)), (2, 1, SizeRule::Any)] {
        let etag = storage
            .put_part(&key("big/parts"), &upload, number, pieces(count), rule)
            .await
            .unwrap();
        parts.push(PartRef { number, etag });
    }
    let broken = pieces(5).chain(stream::iter([Err(io::ErrorKind::ConnectionReset.into())]));
    let failed = storage
        .put_part(&key("big/parts"), &upload, 3, broken, SizeRule::Exactly(9 << 20))
        .await;
    assert!(matches!(failed, Err(Error::Body(_))), "{failed:?}");
    let meta = storage
        .complete_upload(&key("big/parts"), &upload, "me", &parts)
        .await
        .unwrap();
    assert_eq!(meta.size, 7 << 20);
    assert_eq!(storage.head(&key("big/parts")).await.unwrap().size, 7 << 20);
    assert_eq!(names(storage, "big", true).await, ["big/parts", "big/put"]);
}

async fn all(storage: &Storage) {
    large_files(storage).await;
    objects(storage).await;
    ranges(storage).await;
    listings(storage).await;
    bodies_that_end_badly(storage).await;
    uploads(storage).await;
    times_to_live(storage).await;
}

#[tokio::test]
async fn in_memory() {
    all(&Storage::memory().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_disk_and_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let storage = in_folder(folder.path()).await;
    all(&storage).await;
    let before = names(&storage, "", false).await;
    storage.close().await;
    let storage = in_folder(folder.path()).await;
    assert_eq!(names(&storage, "", false).await, before);
    assert_eq!(text(&storage, "u/file").await.unwrap(), "one two");
    for name in before {
        storage.delete(&key(&name)).await.unwrap();
    }
    assert_eq!(storage.usage("l").await.unwrap(), 0);
    files_become(folder.path(), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_share_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let storage = in_folder(folder.path()).await;
    put(&storage, "w/a", "text").await;
    storage.copy(&key("w/a"), &key("w/b")).await.unwrap();
    storage.copy(&key("w/b"), &key("w/b")).await.unwrap();
    assert_eq!((files(folder.path()), storage.usage("w").await.unwrap()), (1, 8));
    storage.delete(&key("w/a")).await.unwrap();
    put(&storage, "w/a", "other").await;
    assert_eq!(text(&storage, "w/b").await.unwrap(), "text");
    storage.delete(&key("w/b")).await.unwrap();
    files_become(folder.path(), 1).await;
    assert_eq!(storage.usage("w").await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_files_of_an_earlier_run_go() {
    let folder = tempfile::tempdir().unwrap();
    let storage = in_folder(folder.path()).await;
    put(&storage, "w/a", "text").await;
    storage.close().await;
    let left = folder.path().join("objects/07/0123456789abcdef-0007");
    std::fs::write(&left, "half").unwrap();
    let storage = in_folder(folder.path()).await;
    files_become(folder.path(), 1).await;
    assert!(!left.exists());
    assert_eq!(text(&storage, "w/a").await.unwrap(), "text");
}

#[tokio::test]
async fn a_lost_file_is_an_error_and_not_an_empty_answer() {
    let folder = tempfile::tempdir().unwrap();
    let storage = in_folder(folder.path()).await;
    put(&storage, "w/a", "text").await;
    for bucket in std::fs::read_dir(folder.path().join("objects")).unwrap() {
        for file in std::fs::read_dir(bucket.unwrap().path()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    assert!(matches!(text(&storage, "w/a").await, Err(Error::Damaged(_))));
    put(&storage, "w/a", "again").await;
    assert_eq!(text(&storage, "w/a").await.unwrap(), "again");
}

#[tokio::test]
async fn quotas_and_full_disks() {
    let limited = |limits| Config {
        limits,
        ..Config::new(Place::Memory, "secret")
    };
    let storage = Storage::open(limited(Limits {
        quota: Some(10),
        ..Limits::default()
    }))
    .await
    .unwrap();
    put(&storage, "w/a", "12345678").await;
    let put_more = storage
        .put(&key("w/b"), body(&["123"]), PutOptions::default())
        .await;
    assert!(
        matches!(put_more, Err(Error::Quota { limit: 10, .. })),
        "{put_more:?}"
    );
    assert!(matches!(
        storage.copy(&key("w/a"), &key("w/b")).await,
        Err(Error::Quota { .. })
    ));
    put(&storage, "w/a", "1234567890").await;
    put(&storage, "other/a", "1234567890").await;
    assert_eq!(storage.usage("w").await.unwrap(), 10);

    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(Config {
        place: Place::Folder(folder.path().to_owned()),
        ..limited(Limits {
            min_free: u64::MAX,
            ..Limits::default()
        })
    });
    let storage = storage.await.unwrap();
    let failed = storage
        .put(&key("w/a"), body(&["x"]), PutOptions::default())
        .await;
    assert!(matches!(failed, Err(Error::DiskFull)));
    assert!(matches!(
        storage.create_upload(&key("w/a"), options()).await,
        Err(Error::DiskFull)
    ));
}
