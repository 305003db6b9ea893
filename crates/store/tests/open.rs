//! Opening: again, with a file that is no database, that is damaged, or that a newer version wrote.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};

use hypha_hub::durable::{DurableError, DurableStore};
use hypha_store::{Location, OpenError, Store};
use sqlx::{ConnectOptions, Connection};

async fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(&Location::File(path.to_owned())).await
}

/// A database with a setting, closed, and a connection to it that knows nothing of stores.
async fn prepared(folder: &Path) -> (PathBuf, sqlx::SqliteConnection) {
    let path = folder.join("hub.db");
    let store = open(&path).await.unwrap();
    store.put_setting("key", "value").await.unwrap();
    store.close().await;
    let raw = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&path)
        .connect()
        .await
        .unwrap();
    (path, raw)
}

#[tokio::test]
async fn what_was_written_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, raw) = prepared(folder.path()).await;
    raw.close().await.unwrap();
    for _ in 0..2 {
        let store = open(&path).await.unwrap();
        assert_eq!(store.setting("key").await.unwrap().as_deref(), Some("value"));
        store.close().await;
    }
    assert!(
        !folder.path().join("hub.db-wal").exists(),
        "closing folds the log into the database"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("hub.db")).await.unwrap();
    store.put_setting("key", "value").await.unwrap();
    for file in ["hub.db", "hub.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}

#[tokio::test]
async fn closed_stores_say_so() {
    let store = Store::ephemeral().await.unwrap();
    store.close().await;
    assert!(matches!(
        store.setting("key").await,
        Err(DurableError::Unavailable(_))
    ));
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    std::fs::write(&path, "this is a letter to my aunt, not a database".repeat(50)).unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("hub.db is not a usable SQLite database"),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_database() {
    let folder = tempfile::tempdir().unwrap();
    let (path, raw) = prepared(folder.path()).await;
    raw.close().await.unwrap();
    // The header stays, the pages behind it become noise.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..]
        .iter_mut()
        .enumerate()
        .for_each(|(i, byte)| *byte = (i * 31 % 251) as u8);
    std::fs::write(&path, bytes).unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_version() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut raw) = prepared(folder.path()).await;
    sqlx::query(
        "INSERT INTO hypha_store_migrations SELECT 9999, 'later', installed_on, success, checksum, 0 \
         FROM hypha_store_migrations LIMIT 1",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    raw.close().await.unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("newer version of this program (schema 9999"),
        "{error}"
    );
}

#[tokio::test]
async fn a_record_that_makes_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut raw) = prepared(folder.path()).await;
    sqlx::query("INSERT INTO workspaces VALUES ('lab', '{half a re')")
        .execute(&mut raw)
        .await
        .unwrap();
    raw.close().await.unwrap();
    let store = open(&path).await.unwrap();
    let error = store.workspace("lab").await.unwrap_err();
    assert_eq!(error, DurableError::Corrupt("info of workspace lab".into()));
}

#[tokio::test]
async fn a_folder_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = open(&folder.path().join("file/hub.db")).await.unwrap_err();
    assert!(matches!(error, OpenError::Create { .. }), "{error:?}");
}
