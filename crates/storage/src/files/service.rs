//! The service `public/s3-storage`: signed URLs for the files of the caller's workspace.

use std::collections::BTreeMap;

use hypha_hub::Caller;
use hypha_rpc::{CallContext, RemoteFailure, Value};
use serde::Deserialize;

use super::WorkspaceFiles;
use super::area::{FileArea, FolderEntry};
use super::urls::Base;
use crate::object::PartRef;

/// How long URLs are good, in seconds, if the caller does not say.
const EXPIRES_IN: u64 = 3600;
/// Most files that one call asks for.
const MAX_FILES: usize = 1000;

type Result<T> = std::result::Result<T, RemoteFailure>;

/// The service.
pub(super) struct FileService {
    files: WorkspaceFiles,
}

/// One, or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several, which are answered with a map.
    Many(Vec<T>),
}

/// A part that was uploaded, as the caller names it.
#[derive(Deserialize)]
pub(super) struct GivenPart {
    part_number: u32,
    #[serde(default)]
    etag: String,
}

impl FileService {
    pub(super) fn new(files: WorkspaceFiles) -> Self {
        Self { files }
    }

    async fn to_read(&self, ctx: &CallContext) -> Result<FileArea> {
        let caller = Caller::of(ctx)?;
        Ok(self.files.to_read(caller.user(), caller.workspace()).await?)
    }

    async fn to_write(&self, ctx: &CallContext) -> Result<FileArea> {
        let caller = Caller::of(ctx)?;
        Ok(self.files.to_write(caller.user(), caller.workspace()).await?)
    }
}

fn check_count(count: usize) -> Result<()> {
    if count <= MAX_FILES {
        return Ok(());
    }
    Err(RemoteFailure::value(format!(
        "At most {MAX_FILES} files can be asked for at once"
    )))
}

/// Answers one path with a text, several with a map.
fn urls(paths: OneOrMany<String>, url: impl Fn(usize, &str) -> Result<String>) -> Result<Value> {
    match paths {
        OneOrMany::One(path) => Ok(url(0, &path)?.into()),
        OneOrMany::Many(paths) => {
            check_count(paths.len())?;
            let urls = paths
                .iter()
                .enumerate()
                .map(|(at, path)| Ok((path.clone(), url(at, path)?.into())));
            Ok(Value::Map(
                urls.collect::<Result<BTreeMap<_, _>>>()?.into_iter().collect(),
            ))
        }
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn line(entry: FolderEntry) -> Value {
    match entry {
        FolderEntry::File { name, size, modified } => map([
            ("type", "file".into()),
            ("name", name.into()),
            ("size", size.into()),
            ("last_modified", modified.into()),
        ]),
        FolderEntry::Folder { name } => map([("type", "directory".into()), ("name", name.into())]),
    }
}

fn removed(is_there: bool, path: &str) -> Value {
    let message = match is_there {
        true => format!("Removed: {path}"),
        false => format!("Path does not exist: {path}"),
    };
    map([("success", is_there.into()), ("message", message.into())])
}

#[hypha_rpc::service(
    id = "s3-storage",
    name = "S3 storage",
    service_type = "s3-storage",
    description = "Files of a workspace: signed URLs to upload and download, listings",
    visibility = "public",
    require_context,
    camel_case_aliases
)]
impl FileService {
    /// List one level of a folder of the current workspace: files first, then folders. At most `max_length` (up to
    /// 10000) lines after the first `offset`.
    pub async fn list_files(
        &self,
        ctx: &CallContext,
        path: Option<String>,
        max_length: Option<usize>,
        offset: Option<usize>,
    ) -> Result<Vec<Value>> {
        let area = self.to_read(ctx).await?;
        let path = path.unwrap_or_default();
        let entries = area
            .list(&path, max_length.unwrap_or(1000), offset.unwrap_or(0))
            .await?;
        Ok(entries.into_iter().map(line).collect())
    }

    /// Get URLs to upload files to with PUT: one for a path, a map for a list of paths. They are good for `expires_in`
    /// seconds (up to 604800). A file with a `ttl` is deleted so many seconds from now.
    #[allow(clippy::too_many_arguments, reason = "the parameters of the original")]
    pub async fn put_file(
        &self,
        ctx: &CallContext,
        file_path: OneOrMany<String>,
        use_proxy: Option<Value>,
        use_local_url: Option<Base>,
        expires_in: Option<u64>,
        ttl: Option<OneOrMany<u64>>,
    ) -> Result<Value> {
        // There is one way to reach the files, and it goes through this server.
        let _ = use_proxy;
        let area = self.to_write(ctx).await?;
        let base = use_local_url.unwrap_or_default();
        let count = match &file_path {
            OneOrMany::One(_) => 1,
            OneOrMany::Many(paths) => paths.len(),
        };
        if let Some(OneOrMany::Many(ttls)) = &ttl
            && ttls.len() != count
        {
            return Err(RemoteFailure::value("ttl must have as many entries as file_path"));
        }
        urls(file_path, |at, path| {
            let ttl = match &ttl {
                None => None,
                Some(OneOrMany::One(ttl)) => Some(*ttl),
                Some(OneOrMany::Many(ttls)) => ttls.get(at).copied(),
            };
            Ok(area.put_url(path, expires_in.unwrap_or(EXPIRES_IN), ttl, &base)?)
        })
    }

    /// Get URLs to download files from: one for a path, a map for a list of paths. Whether the files exist is not checked.
    pub async fn get_file(
        &self,
        ctx: &CallContext,
        file_path: OneOrMany<String>,
        use_proxy: Option<Value>,
        use_local_url: Option<Base>,
        expires_in: Option<u64>,
    ) -> Result<Value> {
        let _ = use_proxy;
        let area = self.to_read(ctx).await?;
        let base = use_local_url.unwrap_or_default();
        urls(file_path, |_, path| {
            Ok(area.get_url(path, expires_in.unwrap_or(EXPIRES_IN), &base)?)
        })
    }

    /// Start an upload in `part_count` parts (1 to 10000): its id, and a URL for each part.
    pub async fn put_file_start_multipart(
        &self,
        ctx: &CallContext,
        file_path: String,
        part_count: u64,
        expires_in: Option<u64>,
        ttl: Option<u64>,
        use_local_url: Option<Base>,
    ) -> Result<Value> {
        let area = self.to_write(ctx).await?;
        let base = use_local_url.unwrap_or_default();
        let expires_in = expires_in.unwrap_or(EXPIRES_IN);
        let started = area
            .start_upload(&file_path, part_count, expires_in, ttl, &base)
            .await?;
        let parts = (1_u64..).zip(started.urls);
        let parts = parts.map(|(number, url)| map([("part_number", number.into()), ("url", url.into())]));
        Ok(map([
            ("upload_id", started.id.into()),
            ("parts", Value::List(parts.collect())),
        ]))
    }

    /// Complete an upload in parts, with what the upload of each part was answered with.
    pub async fn put_file_complete_multipart(
        &self,
        ctx: &CallContext,
        upload_id: String,
        parts: Vec<GivenPart>,
    ) -> Result<Value> {
        let area = self.to_write(ctx).await?;
        let parts: Vec<_> = parts
            .into_iter()
            .map(|part| PartRef {
                number: part.part_number,
                etag: part.etag,
            })
            .collect();
        let (key, meta) = area.complete_upload(&upload_id, &parts).await?;
        Ok(map([
            ("success", true.into()),
            ("message", "File uploaded successfully".into()),
            ("etag", format!("\"{}\"", meta.etag).into()),
            ("location", key.to_string().into()),
        ]))
    }

    /// Remove a file or, if there is no file, a folder with all that is in it.
    pub async fn remove_file(&self, ctx: &CallContext, path: String) -> Result<Value> {
        let area = self.to_write(ctx).await?;
        let folder = path.trim_end_matches('/');
        let is_file = !path.ends_with('/') && area.remove(&path).await?;
        let is_there = is_file || area.remove(&format!("{folder}/")).await?;
        Ok(removed(is_there, &path))
    }

    /// Remove a file. Deprecated: use remove_file.
    pub async fn delete_file(&self, ctx: &CallContext, path: String) -> Result<Value> {
        let area = self.to_write(ctx).await?;
        Ok(removed(area.remove(&path).await?, &path))
    }

    /// Remove a folder with all that is in it. Deprecated: use remove_file.
    pub async fn delete_directory(&self, ctx: &CallContext, path: String) -> Result<Value> {
        let area = self.to_write(ctx).await?;
        let folder = format!("{}/", path.trim_end_matches('/'));
        Ok(removed(area.remove(&folder).await?, &path))
    }

    /// Get a URL for get_object or put_object. Deprecated: use get_file and put_file.
    pub async fn generate_presigned_url(
        &self,
        ctx: &CallContext,
        path: String,
        client_method: Option<String>,
        expiration: Option<u64>,
    ) -> Result<String> {
        let expires_in = expiration.unwrap_or(EXPIRES_IN);
        match client_method.as_deref() {
            None | Some("get_object") => {
                Ok(self
                    .to_read(ctx)
                    .await?
                    .get_url(&path, expires_in, &Base::Public)?)
            }
            Some("put_object") => {
                Ok(self
                    .to_write(ctx)
                    .await?
                    .put_url(&path, expires_in, None, &Base::Public)?)
            }
            Some(_) => Err(RemoteFailure::value(
                "client_method must be get_object or put_object",
            )),
        }
    }

    /// Credentials for an S3 client. Not available: use the signed URLs.
    pub async fn generate_credential(&self, ctx: &CallContext) -> Result<Value> {
        self.to_read(ctx).await?;
        Err(RemoteFailure::not_implemented(
            "Credentials for S3 clients are not supported; use the URLs of get_file and put_file",
        ))
    }
}
