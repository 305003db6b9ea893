//! Objects in a bucket of an S3 server.
//!
//! The hub stands between the bucket and its users: URLs are its own, so they look the same as with local files and no
//! key id of the bucket leaves the server. Bytes are passed on as they come.

mod list;
mod parts;
mod stage;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, AttributeValue, Attributes, ClientOptions, CopyOptions, GetOptions, GetRange, ObjectMeta,
    ObjectStore, PutMultipartOptions,
};

use crate::error::{Error, OpenError};
use crate::key::Key;
use crate::object::{ByteStream, Meta};

pub(crate) use stage::S3Staged;

/// How long a request to the S3 server may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long connecting to it may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A bucket of an S3 server.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Config {
    /// URL of the server, as in `http://127.0.0.1:9000`.
    pub endpoint: String,
    /// The id of the access key.
    pub access_key_id: String,
    /// The secret of the access key.
    pub secret_access_key: String,
    /// Region; many servers do not care.
    pub region: String,
    /// The bucket. It is made if it is not there.
    pub bucket: String,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Config")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// The bucket, open. Cheap to clone.
#[derive(Clone)]
pub(crate) struct S3 {
    store: Arc<AmazonS3>,
    http: reqwest::Client,
}

/// An object that is being read.
pub(crate) struct S3Object {
    s3: S3,
    path: Path,
    meta: Meta,
}

impl S3 {
    /// Connects to a bucket, and makes it if it is not there.
    pub(crate) async fn open(config: &S3Config) -> Result<Self, OpenError> {
        let failed = |detail: String| OpenError::S3 {
            endpoint: config.endpoint.clone(),
            detail,
        };
        // The only one of this process; another part may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = ClientOptions::new()
            .with_allow_http(true)
            .with_connect_timeout(CONNECT)
            .with_timeout_disabled()
            .with_read_timeout(SILENCE);
        let store = AmazonS3Builder::new()
            .with_endpoint(config.endpoint.trim_end_matches('/'))
            .with_access_key_id(&config.access_key_id)
            .with_secret_access_key(&config.secret_access_key)
            .with_region(&config.region)
            .with_bucket_name(&config.bucket)
            .with_virtual_hosted_style_request(false)
            .with_unsigned_payload(true)
            .with_client_options(options)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let s3 = Self {
            store: Arc::new(store),
            http,
        };
        s3.make_bucket().await.map_err(failed)?;
        Ok(s3)
    }

    /// Makes the bucket unless it can be listed.
    async fn make_bucket(&self) -> Result<(), String> {
        let look = || async { self.page(&crate::key::Prefix::root(), true, None, 1).await };
        let Err(missing) = look().await else { return Ok(()) };
        let root = Path::default();
        let url = self
            .store
            .signed_url(http::Method::PUT, &root, Duration::from_secs(60));
        let url = url.await.map_err(|error| error.to_string())?;
        match self
            .http
            .put(url)
            .header(http::header::CONTENT_LENGTH, 0)
            .send()
            .await
        {
            Ok(answer) if answer.status().is_success() => tracing::info!("made the bucket for files"),
            Ok(answer) => {
                tracing::warn!(status = %answer.status(), "the bucket for files was not made: {missing}")
            }
            Err(error) => return Err(error.without_url().to_string()),
        }
        look().await.map(|_| ()).map_err(|error| error.to_string())
    }

    pub(crate) async fn open_object(&self, key: &Key) -> Result<S3Object, Error> {
        let path = path(key)?;
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let found = self
            .store
            .get_opts(&path, options)
            .await
            .map_err(|error| of(error, key))?;
        let content_type = found
            .attributes
            .get(&Attribute::ContentType)
            .map(|value| value.as_ref().to_owned());
        let meta = Meta {
            content_type,
            ..meta(&found.meta)
        };
        Ok(S3Object {
            s3: self.clone(),
            path,
            meta,
        })
    }

    /// Deletes an object. Servers do not say whether there was one, so it is looked for first.
    pub(crate) async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let is_there = match self.open_object(key).await {
            Ok(_) => true,
            Err(Error::NotFound(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        self.delete_all(vec![path(key)?]).await?;
        Ok(is_there)
    }

    async fn delete_all(&self, paths: Vec<Path>) -> Result<(), Error> {
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let deleted = self.store.delete_stream(paths);
        deleted
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(unavailable)
    }

    pub(crate) async fn copy(&self, source: &Key, target: &Key) -> Result<Meta, Error> {
        let (from, to) = (path(source)?, path(target)?);
        self.store
            .copy_opts(&from, &to, CopyOptions::default())
            .await
            .map_err(|error| of(error, source))?;
        Ok(self.open_object(target).await?.meta)
    }

    /// Starts a multipart upload; the server's id of it.
    pub(crate) async fn create_upload(&self, key: &Key, content_type: Option<&str>) -> Result<String, Error> {
        let options = PutMultipartOptions {
            attributes: attributes(content_type),
            ..PutMultipartOptions::default()
        };
        self.store
            .create_multipart_opts(&path(key)?, options)
            .await
            .map_err(unavailable)
    }

    pub(crate) async fn abort_upload(&self, key: &Key, remote: &str) -> Result<(), Error> {
        match self.store.abort_multipart(&path(key)?, &remote.to_owned()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }
}

impl S3Object {
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) async fn read(&self, range: Range<u64>) -> Result<ByteStream, Error> {
        if range.is_empty() {
            return Ok(Box::pin(stream::empty()));
        }
        let options = GetOptions {
            // What was described is what is read, or nothing.
            if_match: Some(format!("\"{}\"", self.meta.etag)),
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = self
            .s3
            .store
            .get_opts(&self.path, options)
            .await
            .map_err(unavailable)?;
        Ok(found.into_stream().map_err(std::io::Error::other).boxed())
    }
}

fn path(key: &Key) -> Result<Path, Error> {
    // The rules of keys are stricter than those of paths.
    Path::parse(key.as_str()).map_err(|error| Error::Unavailable(error.to_string()))
}

fn meta(found: &ObjectMeta) -> Meta {
    Meta {
        size: found.size,
        etag: found
            .e_tag
            .as_deref()
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned(),
        content_type: None,
        modified: found.last_modified.into(),
    }
}

fn attributes(content_type: Option<&str>) -> Attributes {
    let mut attributes = Attributes::new();
    if let Some(content_type) = content_type {
        attributes.insert(
            Attribute::ContentType,
            AttributeValue::from(content_type.to_owned()),
        );
    }
    attributes
}

fn unavailable(error: object_store::Error) -> Error {
    Error::Unavailable(error.to_string())
}

fn of(error: object_store::Error, key: &Key) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::NotFound(key.to_string()),
        error => unavailable(error),
    }
}
