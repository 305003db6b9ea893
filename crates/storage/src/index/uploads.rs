//! Statements on multipart uploads.

use sqlx::{query, query_as, query_scalar};

use super::{Index, from_sql, to_sql};
use crate::error::Error;

/// A multipart upload under way.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) owner: String,
    pub(crate) content_type: Option<String>,
    pub(crate) part_count: u32,
    /// Seconds since the Unix epoch.
    pub(crate) expires: u64,
    /// Seconds that the object lives after completion.
    pub(crate) ttl: Option<u64>,
    /// The id that the object store gave it.
    pub(crate) remote: Option<String>,
}

/// A part that is there.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) number: u32,
    /// The file; with an object store, the ETag it gave.
    pub(crate) blob: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
}

type Columns = (
    String,
    String,
    String,
    Option<String>,
    i64,
    i64,
    Option<i64>,
    Option<String>,
);

fn upload((id, key, owner, content_type, part_count, expires, ttl, remote): Columns) -> Upload {
    Upload {
        id,
        key,
        owner,
        content_type,
        part_count: u32::try_from(part_count).unwrap_or_default(),
        expires: from_sql(expires),
        ttl: ttl.map(from_sql),
        remote,
    }
}

const COLUMNS: &str = "SELECT id, key, owner, content_type, part_count, expires, ttl, remote FROM uploads";

impl Index {
    pub(crate) async fn create_upload(&self, upload: &Upload) -> Result<(), Error> {
        let mut tx = self.write().await?;
        query(
            "INSERT INTO uploads (id, key, owner, content_type, part_count, expires, ttl, remote) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(&upload.id)
        .bind(&upload.key)
        .bind(&upload.owner)
        .bind(&upload.content_type)
        .bind(i64::from(upload.part_count))
        .bind(to_sql(upload.expires))
        .bind(upload.ttl.map(to_sql))
        .bind(&upload.remote)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// An upload that has not expired.
    pub(crate) async fn upload(&self, id: &str, now: u64) -> Result<Upload, Error> {
        let sql = format!("{COLUMNS} WHERE id = ?1 AND expires > ?2");
        let found: Option<Columns> = query_as(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .bind(to_sql(now))
            .fetch_optional(&self.reader)
            .await?;
        found.map(upload).ok_or_else(|| Error::NoUpload(id.to_owned()))
    }

    /// Some uploads that have expired.
    pub(crate) async fn expired_uploads(&self, now: u64, limit: usize) -> Result<Vec<Upload>, Error> {
        let sql = format!("{COLUMNS} WHERE expires <= ?1 LIMIT ?2");
        let found: Vec<Columns> = query_as(sqlx::AssertSqlSafe(sql))
            .bind(to_sql(now))
            .bind(to_sql(limit as u64))
            .fetch_all(&self.reader)
            .await?;
        Ok(found.into_iter().map(upload).collect())
    }

    /// How many uploads to keys of a workspace are under way.
    pub(crate) async fn count_uploads(&self, space: &str) -> Result<u64, Error> {
        let count: i64 =
            query_scalar("SELECT count(*) FROM uploads WHERE key >= ?1 || '/' AND key < ?1 || '0'")
                .bind(space)
                .fetch_one(&self.reader)
                .await?;
        Ok(from_sql(count))
    }

    /// The parts of an upload, by number.
    pub(crate) async fn parts(&self, upload: &str) -> Result<Vec<Part>, Error> {
        let found: Vec<(i64, String, i64, String)> =
            query_as("SELECT number, blob, size, etag FROM parts WHERE upload = ?1 ORDER BY number")
                .bind(upload)
                .fetch_all(&self.reader)
                .await?;
        Ok(found
            .into_iter()
            .map(|(number, blob, size, etag)| Part {
                number: u32::try_from(number).unwrap_or_default(),
                blob,
                size: from_sql(size),
                etag,
            })
            .collect())
    }

    /// Adds a part, or replaces it.
    pub(crate) async fn put_part(&self, upload: &str, part: &Part, is_file: bool) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let known: Option<i64> = query_scalar("SELECT 1 FROM uploads WHERE id = ?1")
            .bind(upload)
            .fetch_optional(&mut *tx)
            .await?;
        if known.is_none() {
            return Err(Error::NoUpload(upload.to_owned()));
        }
        if is_file {
            query("INSERT INTO waste (blob) SELECT blob FROM parts WHERE upload = ?1 AND number = ?2")
                .bind(upload)
                .bind(i64::from(part.number))
                .execute(&mut *tx)
                .await?;
        }
        query(
            "INSERT INTO parts (upload, number, blob, size, etag) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (upload, number) DO UPDATE SET blob = excluded.blob, size = excluded.size, etag = excluded.etag",
        )
        .bind(upload)
        .bind(i64::from(part.number))
        .bind(&part.blob)
        .bind(to_sql(part.size))
        .bind(&part.etag)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Forgets an upload; with `are_files`, its parts are waste from then on. False when there is none.
    pub(crate) async fn end_upload(&self, id: &str, are_files: bool) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        if are_files {
            query("INSERT INTO waste (blob) SELECT blob FROM parts WHERE upload = ?1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
        let ended = query("DELETE FROM uploads WHERE id = ?1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(ended.rows_affected() > 0)
    }
}
