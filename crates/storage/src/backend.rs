//! The places where objects can be.

use crate::error::Error;
use crate::index::Upload;
use crate::key::Key;
use crate::local::Local;
use crate::s3::S3;

/// Where the objects are.
pub(crate) enum Backend {
    /// On this machine.
    Local(Local),
    /// In a bucket.
    S3(S3),
}

impl Backend {
    /// Starts a multipart upload; the id that the place gives it.
    pub(crate) async fn create_upload(
        &self,
        key: &Key,
        content_type: Option<&str>,
    ) -> Result<Option<String>, Error> {
        match self {
            Self::Local(_) => Ok(None),
            Self::S3(s3) => Ok(Some(s3.create_upload(key, content_type).await?)),
        }
    }

    /// Ends a multipart upload without an object.
    pub(crate) async fn abort_upload(&self, upload: &Upload) -> Result<(), Error> {
        match (self, &upload.remote) {
            (Self::S3(s3), Some(remote)) => s3.abort_upload(&Key::parse(&upload.key)?, remote).await,
            _ => Ok(()),
        }
    }

    /// Something may have become waste.
    pub(crate) fn wasted(&self) {
        if let Self::Local(local) = self {
            local.wasted();
        }
    }
}
