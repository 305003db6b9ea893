//! Large files in parts.

use hypha_storage::{Base, Error as StorageError, PartRef, UploadOptions};
use serde_json::{Value as Json, json};
use sqlx::{Row, query};

use crate::content::parse;
use crate::error::{Error, Result};
use crate::ids::FilePath;
use crate::manager::{Artifacts, now};
use crate::permissions::{Actor, Operation};
use crate::uploads::{require_staged, stage_file};

/// Most parts of a file.
const MAX_PARTS: u32 = 10_000;
/// An upload is remembered so long after its URLs have expired, in seconds.
const GRACE: i64 = 3600;

impl Artifacts {
    /// Stages a file that will come in parts. Returns the id of the upload and a URL for each part.
    ///
    /// # Errors
    /// Not staged, a wrong path or number of parts, not permitted.
    pub async fn start_multipart(
        &self,
        actor: &Actor,
        id: &str,
        path: &str,
        (part_count, weight): (u32, f64),
        (expires_in, base): (u64, &Base),
    ) -> Result<Json> {
        if !(1..=MAX_PARTS).contains(&part_count) {
            return Err(Error::value(format!(
                "part_count must be between 1 and {MAX_PARTS}"
            )));
        }
        if !weight.is_finite() || weight < 0.0 {
            return Err(Error::value("Download weight must be a non-negative number."));
        }
        let path = FilePath::parse(path)?;
        let mut transaction = self.database().write().await?;
        let artifact = self
            .find_for(&mut transaction, actor, id, Operation::PutFile)
            .await?;
        require_staged(&mut transaction, &artifact).await?;
        let key = stage_file(&mut transaction, &artifact, &path, weight).await?;
        transaction.commit().await?;

        let options = UploadOptions {
            owner: owner(&artifact.id, actor),
            part_count,
            expires_in,
            content_type: None,
            ttl: None,
        };
        let upload = self
            .content()
            .storage()
            .create_upload(&parse(&key)?, options)
            .await;
        let upload = upload.map_err(refusal)?;
        let mut transaction = self.database().write().await?;
        query(
            "INSERT INTO uploads (id, artifact, folder, name, object_key, started_by, parts, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&upload)
        .bind(&artifact.id)
        .bind(path.folder())
        .bind(path.name())
        .bind(&key)
        .bind(actor.id())
        .bind(i64::from(part_count))
        .bind(
            now()
                .saturating_add(i64::try_from(expires_in).unwrap_or(i64::MAX))
                .saturating_add(GRACE),
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let parts: Result<Vec<Json>> = (1..=part_count)
            .map(|number| {
                let url = self.content().part_url(&key, &upload, number, expires_in, base)?;
                Ok(json!({"part_number": number, "url": url}))
            })
            .collect();
        Ok(json!({"upload_id": upload, "parts": parts?}))
    }

    /// Puts the parts together. Only who started an upload can complete it, and only for the same artifact.
    ///
    /// # Errors
    /// No such upload, parts that are missing, not permitted.
    pub async fn complete_multipart(
        &self,
        actor: &Actor,
        id: &str,
        upload: &str,
        parts: &[PartRef],
    ) -> Result<Json> {
        let mut connection = self.read().await?;
        let artifact = self
            .find_for(&mut connection, actor, id, Operation::PutFile)
            .await?;
        let row = query("SELECT object_key FROM uploads WHERE id = $1 AND artifact = $2 AND started_by = $3")
            .bind(upload)
            .bind(&artifact.id)
            .bind(actor.id())
            .fetch_optional(&mut *connection)
            .await?;
        drop(connection);
        let gone = || Error::value("Upload session expired or not found");
        let key: String = row.ok_or_else(gone)?.try_get("object_key")?;
        let key = parse(&key)?;
        let storage = self.content().storage();
        // Held until the object is there: a commit sees all of it or nothing.
        let _permit = storage.admit(&key).await.map_err(refusal)?;
        let completed = storage
            .complete_upload(&key, upload, &owner(&artifact.id, actor), parts)
            .await;
        completed.map_err(refusal)?;
        self.forget_upload(upload).await?;
        Ok(json!({"success": true, "message": "File uploaded successfully"}))
    }

    async fn forget_upload(&self, upload: &str) -> Result<()> {
        let mut transaction = self.database().write().await?;
        query("DELETE FROM uploads WHERE id = $1")
            .bind(upload)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Forgets uploads that were never completed; the store does the same with their parts.
    pub(crate) async fn forget_expired_uploads(&self) -> Result<()> {
        let mut transaction = self.database().write().await?;
        query("DELETE FROM uploads WHERE expires_at < $1")
            .bind(now())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

/// What binds an upload of the store to an artifact and a user.
fn owner(artifact: &str, actor: &Actor) -> String {
    format!("artifact {artifact} {}", actor.id())
}

/// What the caller did wrong is told; the rest is the server's.
fn refusal(error: StorageError) -> Error {
    match error {
        StorageError::NoUpload(_) => Error::value("Upload session expired or not found"),
        error @ (StorageError::Parts(_)
        | StorageError::Refused(_)
        | StorageError::TooLarge { .. }
        | StorageError::Quota { .. }) => Error::value(error.to_string()),
        error => error.into(),
    }
}
