//! The places where objects can be.

use crate::error::Error;
use crate::index::Upload;
use crate::key::Key;
use crate::local::Local;

/// Where the objects are.
pub(crate) enum Backend {
    /// On this machine.
    Local(Local),
}

impl Backend {
    /// Starts a multipart upload; the id that the place gives it.
    pub(crate) async fn create_upload(&self, _key: &Key, _content_type: Option<&str>) -> Result<Option<String>, Error> {
        match self {
            Self::Local(_) => Ok(None),
        }
    }

    /// Ends a multipart upload without an object.
    pub(crate) async fn abort_upload(&self, _upload: &Upload) -> Result<(), Error> {
        match self {
            Self::Local(_) => Ok(()),
        }
    }

    /// Something may have become waste.
    pub(crate) fn wasted(&self) {
        match self {
            Self::Local(local) => local.wasted(),
        }
    }
}
