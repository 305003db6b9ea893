//! Deleting what has reached its time: objects with a time to live, and uploads that nobody has completed.

use crate::backend::Backend;
use crate::error::Error;
use crate::key::Key;
use crate::storage::Storage;

/// How many are deleted between two looks at the index.
const BATCH: usize = 500;

impl Storage {
    /// Deletes what has expired at `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// The store does not answer; what is left is tried again the next time.
    pub async fn sweep(&self, now: u64) -> Result<(), Error> {
        loop {
            let keys = self.index().expired(now, BATCH).await?;
            for key in &keys {
                match self.backend() {
                    Backend::Local(_) => self.index().delete_expired(key, now).await?,
                    Backend::S3(_) => {
                        self.delete(&Key::parse(key)?).await?;
                    }
                }
            }
            self.backend().wasted();
            let uploads = self.index().expired_uploads(now, BATCH).await?;
            for upload in &uploads {
                self.end_upload(upload).await?;
            }
            if keys.is_empty() && uploads.is_empty() {
                return Ok(());
            }
        }
    }
}
