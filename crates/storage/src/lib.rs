//! The bytes of files: objects with keys, stored on this machine or in an S3 bucket.
//!
//! [`Storage`] is the handle. Everything is streamed; a write is visible as a whole or not at all. Who may read or write
//! what is decided by those who use it: the artifact manager, the file service, the gateway.
//!
//! | module | what |
//! | --- | --- |
//! | [`Key`], [`Prefix`] | names of objects, checked |
//! | `storage`, `upload` | what can be done with objects, and multipart uploads |
//! | [`Signer`], [`Gate`] | signed URLs, and who has a say when they are used |
//! | `local` | files with made-up names on this machine |
//! | `index` | an SQLite file that says which objects there are |
//! | `sweep` | what has expired |

mod backend;
mod error;
mod gate;
mod index;
mod key;
mod local;
mod object;
mod sign;
mod storage;
mod sweep;
mod upload;

pub use error::{Error, OpenError};
pub use gate::{Gate, Permit};
pub use key::{Key, KeyError, MAX_KEY_LEN, Prefix};
pub use object::{ByteRange, ByteStream, Entry, Listing, Meta, PartRef, PutOptions, SizeRule};
pub use sign::{Access, Grant, MAX_EXPIRY, SignError, Signer};
pub use storage::{Config, Limits, MAX_PAGE, Object, Place, Staged, Storage};
pub use upload::{MAX_PARTS, UploadOptions};
