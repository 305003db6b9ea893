//! Who else has a say when something is written through a signed URL.

use std::any::Any;

use futures_util::future::BoxFuture;

use crate::error::Error;
use crate::key::Key;

/// Held while an object becomes visible; dropped afterwards.
pub type Permit = Box<dyn Any + Send>;

/// Refuses writes to keys that must not change any more.
///
/// It is asked twice for each upload: before the body is read, so that nobody sends a gigabyte in vain, and again right
/// before the object becomes visible. The second permit is held until it is: an implementation that hands out
/// read guards of a lock can take the write lock, and knows that nothing is written meanwhile.
pub trait Gate: Send + Sync + 'static {
    /// Whether the object under `key` may be written now.
    ///
    /// # Errors
    /// [`Error::Refused`] with a text for the uploader.
    fn admit<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Permit, Error>>;
}
