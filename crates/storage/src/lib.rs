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
//! | `s3` | a bucket of an S3 server |
//! | `index` | an SQLite file that says which objects there are |
//! | [`WorkspaceFiles`] | the files of workspaces, and the service `public/s3-storage` |
//! | `sweep` | what has expired |

mod backend;
mod error;
mod files;
mod gate;
mod index;
mod key;
mod local;
mod object;
mod s3;
mod sign;
mod storage;
mod sweep;
mod upload;

pub use error::{Error, OpenError};
pub use files::{Base, FileArea, FolderEntry, Started, WorkspaceFiles};
pub use gate::{Gate, Permit};
pub use key::{Key, KeyError, MAX_KEY_LEN, Prefix};
pub use object::{ByteRange, ByteStream, Entry, Listing, Meta, PartRef, PutOptions, SizeRule};
pub use s3::S3Config;
pub use sign::{Access, Grant, MAX_EXPIRY, SignError, Signer};
pub use storage::{Config, Limits, MAX_PAGE, Object, Place, Staged, Storage};
pub use upload::{MAX_PARTS, UploadOptions};
