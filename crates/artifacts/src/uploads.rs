//! Putting files into what is staged, and taking them out.

use bytes::Bytes;
use futures_util::Stream;
use hypha_storage::{Base, PutOptions};
use sqlx::{AnyConnection, Row, query};

use crate::content::Content;
use crate::error::{Error, Result};
use crate::files::{MAX_FILES, MAX_INLINE};
use crate::garbage;
use crate::ids::FilePath;
use crate::manager::Artifacts;
use crate::model::{Artifact, Selector};
use crate::permissions::{Actor, Operation};
use crate::records;

impl Artifacts {
    /// Stages files and gives URLs to write them to, in the order of `paths`.
    ///
    /// # Errors
    /// Not staged, a wrong path or weight, not permitted.
    pub async fn put_urls(
        &self,
        actor: &Actor,
        id: &str,
        files: &[(String, f64)],
        (expires_in, base): (u64, &Base),
    ) -> Result<Vec<String>> {
        let keys = self.stage_files(actor, id, files).await?;
        keys.iter()
            .map(|key| self.content().put_url(key, expires_in, base))
            .collect()
    }

    /// Stages a file and receives its bytes. Returns their ETag.
    ///
    /// # Errors
    /// Not staged, the body breaks off, no room, not permitted.
    pub async fn receive_file(
        &self,
        actor: &Actor,
        id: &str,
        (path, weight): (&str, f64),
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin + 'static,
        options: PutOptions,
    ) -> Result<String> {
        let mut keys = self.stage_files(actor, id, &[(path.to_owned(), weight)]).await?;
        let key = keys.pop().ok_or_else(|| Error::no_file(path))?;
        self.content().receive(&key, body, options).await
    }

    /// Stages files; where their bytes are to go.
    pub(crate) async fn stage_files(
        &self,
        actor: &Actor,
        id: &str,
        files: &[(String, f64)],
    ) -> Result<Vec<String>> {
        if files.len() > MAX_FILES {
            return Err(Error::value(format!(
                "At most {MAX_FILES} files can be uploaded in one call"
            )));
        }
        if files
            .iter()
            .any(|(_, weight)| !weight.is_finite() || *weight < 0.0)
        {
            return Err(Error::value("Download weight must be a non-negative number."));
        }
        let mut transaction = self.database().write().await?;
        let artifact = self
            .find_for(&mut transaction, actor, id, Operation::PutFile)
            .await?;
        require_staged(&mut transaction, &artifact).await?;
        let mut keys = Vec::with_capacity(files.len());
        for (text, weight) in files {
            let path = FilePath::parse(text)?;
            keys.push(stage_file(&mut transaction, &artifact, &path, *weight).await?);
        }
        transaction.commit().await?;
        Ok(keys)
    }

    /// Stages a file with this content.
    ///
    /// # Errors
    /// Not staged, too large, not permitted.
    pub async fn write_file(&self, actor: &Actor, id: &str, path: &str, content: Bytes) -> Result<()> {
        if content.len() as u64 > MAX_INLINE {
            return Err(Error::value(format!(
                "content must be at most {MAX_INLINE} bytes; use put_file for larger files"
            )));
        }
        let keys = self.stage_files(actor, id, &[(path.to_owned(), 0.0)]).await?;
        for key in keys {
            self.content().write(&key, content.clone(), None).await?;
        }
        Ok(())
    }

    /// Removes a file: at once if it is staged only, else with the next commit.
    ///
    /// # Errors
    /// Not staged, no such file, not permitted.
    pub async fn remove_file(&self, actor: &Actor, id: &str, path: &str) -> Result<()> {
        let path = FilePath::parse(path)?;
        let mut transaction = self.database().write().await?;
        let artifact = self
            .find_for(&mut transaction, actor, id, Operation::RemoveFile)
            .await?;
        require_staged(&mut transaction, &artifact).await?;
        let view = self
            .view(&mut transaction, actor, &artifact, &Selector::Stage)
            .await?;
        let place = (path.folder(), path.name());
        let exists = |table: &str, column: &str| {
            format!("SELECT object_key FROM {table} WHERE {column} = $1 AND folder = $2 AND name = $3")
        };
        let staged = query(sqlx::AssertSqlSafe(exists("staged_files", "artifact")))
            .bind(&artifact.id)
            .bind(place.0)
            .bind(place.1)
            .fetch_optional(&mut *transaction)
            .await?;
        let committed = query(sqlx::AssertSqlSafe(exists("files", "version")))
            .bind(&view.version)
            .bind(place.0)
            .bind(place.1)
            .fetch_optional(&mut *transaction)
            .await?;
        let staged_key = match &staged {
            Some(row) => Some(row.try_get::<Option<String>, _>("object_key")?),
            None => None,
        };
        // What is marked for removal already is not there any more.
        if matches!(staged_key, Some(None)) || (staged_key.is_none() && committed.is_none()) {
            return Err(Error::no_file(path.as_str()));
        }
        if let Some(Some(key)) = staged_key {
            garbage::suspect(&mut transaction, &key).await?;
            query("DELETE FROM staged_files WHERE artifact = $1 AND folder = $2 AND name = $3")
                .bind(&artifact.id)
                .bind(place.0)
                .bind(place.1)
                .execute(&mut *transaction)
                .await?;
        }
        if committed.is_some() {
            write_staged(&mut transaction, &artifact.id, &path, None, None).await?;
        }
        garbage::settle(&mut transaction).await?;
        transaction.commit().await?;
        self.garbage().notify_one();
        Ok(())
    }
}

pub(crate) async fn require_staged(connection: &mut AnyConnection, artifact: &Artifact) -> Result<()> {
    match records::staging(connection, &artifact.id).await? {
        Some(_) => Ok(()),
        None => Err(Error::value("Artifact must be in staging mode.")),
    }
}

/// Stages a file; the key for its bytes. One that is staged already keeps its key and weight, unless its bytes are those
/// of a version: those are never written to.
pub(crate) async fn stage_file(
    connection: &mut AnyConnection,
    artifact: &Artifact,
    path: &FilePath,
    weight: f64,
) -> Result<String> {
    let known = query(
        "SELECT s.object_key, s.weight, o.object_key AS committed FROM staged_files s \
         LEFT JOIN objects o ON o.object_key = s.object_key WHERE s.artifact = $1 AND s.folder = $2 AND s.name = $3",
    )
    .bind(&artifact.id)
    .bind(path.folder())
    .bind(path.name())
    .fetch_optional(&mut *connection)
    .await?;
    let mut weight = Some(weight).filter(|weight| *weight > 0.0);
    if let Some(row) = known {
        let key: Option<String> = row.try_get("object_key")?;
        let committed: Option<String> = row.try_get("committed")?;
        if let (Some(key), None) = (&key, &committed) {
            return Ok(key.clone());
        }
        weight = row.try_get::<Option<f64>, _>("weight")?.or(weight);
    }
    let key = Content::fresh_key(&artifact.workspace, &artifact.id, path);
    write_staged(connection, &artifact.id, path, Some(&key), weight).await?;
    Ok(key)
}

async fn write_staged(
    connection: &mut AnyConnection,
    artifact: &str,
    path: &FilePath,
    key: Option<&str>,
    weight: Option<f64>,
) -> Result<()> {
    query(
        "INSERT INTO staged_files (artifact, folder, name, position, object_key, weight) VALUES ($1, $2, $3, \
         coalesce((SELECT max(position) FROM staged_files WHERE artifact = $1), 0) + 1, $4, $5) \
         ON CONFLICT (artifact, folder, name) DO UPDATE SET object_key = excluded.object_key, weight = excluded.weight",
    )
    .bind(artifact)
    .bind(path.folder())
    .bind(path.name())
    .bind(key.map(str::to_owned))
    .bind(weight)
    .execute(connection)
    .await?;
    Ok(())
}
