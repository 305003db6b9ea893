//! Statements on objects and their contents.

use sqlx::{Sqlite, Transaction, query, query_as, query_scalar};

use super::{Index, Segment, from_sql, to_sql};
use crate::error::Error;
use crate::key::{Key, Prefix, after_folder};
use crate::object::{Entry, Listing, Meta, from_micros};

/// Rows that a listing reads at a time.
const PAGE: usize = 1000;

/// An object as the index has it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The id of its bytes.
    pub(crate) content: i64,
    pub(crate) meta: Meta,
}

/// Bytes that are on disk and get a row.
pub(crate) struct Content {
    pub(crate) segments: Vec<Segment>,
    pub(crate) etag: String,
}

impl Content {
    pub(crate) fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size).sum()
    }
}

/// An object that is to be.
pub(crate) struct NewObject<'a> {
    pub(crate) key: &'a Key,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) modified_us: i64,
    pub(crate) delete_at: Option<u64>,
}

type Columns = (i64, i64, String, Option<String>, i64);

fn row((content, size, etag, content_type, modified_us): Columns) -> Row {
    let meta = Meta {
        size: from_sql(size),
        etag,
        content_type,
        modified: from_micros(modified_us),
    };
    Row { content, meta }
}

impl Index {
    /// An object.
    pub(crate) async fn object(&self, key: &str) -> Result<Option<Row>, Error> {
        let sql = "SELECT o.content, o.size, c.etag, o.content_type, o.modified_us \
                   FROM objects o JOIN contents c ON c.id = o.content WHERE o.key = ?1";
        let found: Option<Columns> = query_as(sql).bind(key).fetch_optional(&self.reader).await?;
        Ok(found.map(row))
    }

    /// The files of a content, in order.
    pub(crate) async fn segments(&self, content: i64) -> Result<Vec<Segment>, Error> {
        let sql = "SELECT blob, size FROM segments WHERE content = ?1 ORDER BY position";
        let found: Vec<(String, i64)> = query_as(sql).bind(content).fetch_all(&self.reader).await?;
        Ok(found
            .into_iter()
            .map(|(blob, size)| Segment {
                blob,
                size: from_sql(size),
            })
            .collect())
    }

    /// Makes an object, or replaces it. `upload` is the multipart upload that it comes from, which ends with it.
    pub(crate) async fn insert(
        &self,
        object: NewObject<'_>,
        content: &Content,
        quota: Option<u64>,
        upload: Option<&str>,
    ) -> Result<(), Error> {
        let mut tx = self.write().await?;
        if let Some(upload) = upload {
            // Its parts that are part of the object stay, the others are waste.
            query("INSERT INTO waste (blob) SELECT blob FROM parts WHERE upload = ?1")
                .bind(upload)
                .execute(&mut *tx)
                .await?;
            let ended = query("DELETE FROM uploads WHERE id = ?1")
                .bind(upload)
                .execute(&mut *tx)
                .await?;
            if ended.rows_affected() == 0 {
                return Err(Error::NoUpload(upload.to_owned()));
            }
            for segment in &content.segments {
                query("DELETE FROM waste WHERE blob = ?1")
                    .bind(&segment.blob)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        let id: i64 = query_scalar("INSERT INTO contents (size, etag) VALUES (?1, ?2) RETURNING id")
            .bind(to_sql(content.size()))
            .bind(&content.etag)
            .fetch_one(&mut *tx)
            .await?;
        for (position, segment) in content.segments.iter().enumerate() {
            query("INSERT INTO segments (content, position, blob, size) VALUES (?1, ?2, ?3, ?4)")
                .bind(id)
                .bind(to_sql(position as u64))
                .bind(&segment.blob)
                .bind(to_sql(segment.size))
                .execute(&mut *tx)
                .await?;
        }
        point(&mut tx, &object, id, to_sql(content.size())).await?;
        check_quota(&mut tx, object.key, quota).await?;
        Ok(tx.commit().await?)
    }

    /// Makes `target` the same content as `source`. False when there is no source.
    pub(crate) async fn copy(
        &self,
        source: &Key,
        target: &Key,
        modified_us: i64,
        quota: Option<u64>,
    ) -> Result<Option<Row>, Error> {
        let mut tx = self.write().await?;
        let sql = "SELECT o.content, o.size, c.etag, o.content_type, o.modified_us \
                   FROM objects o JOIN contents c ON c.id = o.content WHERE o.key = ?1";
        let found: Option<Columns> = query_as(sql)
            .bind(source.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(mut row) = found.map(row) else {
            return Ok(None);
        };
        let object = NewObject {
            key: target,
            content_type: row.meta.content_type.as_deref(),
            modified_us,
            delete_at: None,
        };
        point(&mut tx, &object, row.content, to_sql(row.meta.size)).await?;
        check_quota(&mut tx, target, quota).await?;
        tx.commit().await?;
        row.meta.modified = from_micros(modified_us);
        Ok(Some(row))
    }

    /// Deletes an object. False when there is none.
    pub(crate) async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        query("DELETE FROM expiries WHERE key = ?1")
            .bind(key.as_str())
            .execute(&mut *tx)
            .await?;
        let deleted = query("DELETE FROM objects WHERE key = ?1")
            .bind(key.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }

    /// Deletes an object whose time has come: not one that was replaced since it was found.
    pub(crate) async fn delete_expired(&self, key: &str, now: u64) -> Result<(), Error> {
        let mut tx = self.write().await?;
        let expired = query("DELETE FROM expiries WHERE key = ?1 AND at <= ?2")
            .bind(key)
            .bind(to_sql(now))
            .execute(&mut *tx)
            .await?;
        if expired.rows_affected() > 0 {
            query("DELETE FROM objects WHERE key = ?1")
                .bind(key)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Deletes the objects of a folder; how many there were.
    pub(crate) async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let end = prefix.end();
        query("DELETE FROM expiries WHERE key >= ?1 AND (?2 IS NULL OR key < ?2)")
            .bind(prefix.as_str())
            .bind(&end)
            .execute(&mut *tx)
            .await?;
        let deleted = query("DELETE FROM objects WHERE key >= ?1 AND (?2 IS NULL OR key < ?2)")
            .bind(prefix.as_str())
            .bind(&end)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(deleted.rows_affected())
    }

    /// Bytes of the objects of a workspace.
    pub(crate) async fn usage(&self, space: &str) -> Result<u64, Error> {
        let bytes: Option<i64> = query_scalar("SELECT bytes FROM usage WHERE space = ?1")
            .bind(space)
            .fetch_optional(&self.reader)
            .await?;
        Ok(from_sql(bytes.unwrap_or_default()))
    }

    /// A page of a folder, in byte order; with `folded`, what lies deeper is one line per folder.
    pub(crate) async fn list(
        &self,
        prefix: &Prefix,
        folded: bool,
        start_after: Option<&str>,
        limit: usize,
    ) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let end = prefix.end();
        // The first key that may be listed, in byte order: nothing is between a key and the same with a NUL.
        let mut from = match start_after {
            Some(after) if after >= prefix.as_str() => next_after(after, folded),
            _ => prefix.as_str().to_owned(),
        };
        loop {
            let sql = "SELECT o.key, o.size, c.etag, o.content_type, o.modified_us FROM objects o \
                       JOIN contents c ON c.id = o.content \
                       WHERE o.key >= ?1 AND (?2 IS NULL OR o.key < ?2) ORDER BY o.key LIMIT ?3";
            let rows: Vec<(String, i64, String, Option<String>, i64)> = query_as(sql)
                .bind(&from)
                .bind(&end)
                .bind(to_sql(PAGE as u64))
                .fetch_all(&self.reader)
                .await?;
            let is_last = rows.len() < PAGE;
            for (key, size, etag, content_type, modified_us) in rows {
                if key < from {
                    continue;
                }
                if listing.entries.len() == limit {
                    listing.next = listing.entries.last().map(|entry| entry.position().to_owned());
                    return Ok(listing);
                }
                let deeper = key[prefix.as_str().len()..].find('/').filter(|_| folded);
                let entry = match deeper {
                    Some(slash) => Entry::Folder(key[..=prefix.as_str().len() + slash].to_owned()),
                    None => {
                        let Row { meta, .. } = row((0, size, etag, content_type, modified_us));
                        Entry::File { key, meta }
                    }
                };
                from = next_after(entry.position(), folded);
                listing.entries.push(entry);
            }
            if is_last {
                return Ok(listing);
            }
        }
    }
}

/// The first text after a line of a listing, and after all that lies in it.
fn next_after(position: &str, folded: bool) -> String {
    let folder = after_folder(position).filter(|_| folded);
    folder.unwrap_or_else(|| format!("{position}\0"))
}

/// Lets a key point to a content.
async fn point(
    tx: &mut Transaction<'static, Sqlite>,
    object: &NewObject<'_>,
    content: i64,
    size: i64,
) -> Result<(), Error> {
    let sql = "INSERT INTO objects (key, content, content_type, modified_us, size) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (key) DO UPDATE SET content = excluded.content, content_type = excluded.content_type, \
               modified_us = excluded.modified_us, size = excluded.size";
    query(sql)
        .bind(object.key.as_str())
        .bind(content)
        .bind(object.content_type)
        .bind(object.modified_us)
        .bind(size)
        .execute(&mut **tx)
        .await?;
    super::expiry::set(tx, object.key, object.delete_at).await
}

async fn check_quota(
    tx: &mut Transaction<'static, Sqlite>,
    key: &Key,
    quota: Option<u64>,
) -> Result<(), Error> {
    let Some(limit) = quota else { return Ok(()) };
    let bytes: i64 = query_scalar("SELECT bytes FROM usage WHERE space = ?1")
        .bind(key.space())
        .fetch_one(&mut **tx)
        .await?;
    if from_sql(bytes) > limit {
        let space = key.space().to_owned();
        return Err(Error::Quota { space, limit });
    }
    Ok(())
}
