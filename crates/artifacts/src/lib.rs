//! The artifact manager: versioned files with metadata. Apps, models, data sets and pages are artifacts.
//!
//! The metadata is in SQL ([`Database`]: SQLite or PostgreSQL), the bytes in a
//! [store for files](hypha_storage). An object of the store never changes once a version refers to it: uploads go to
//! fresh keys, a commit is one transaction that moves references, and what nothing refers to is deleted afterwards.
//! So versions, copies and drafts share bytes, and a crash leaves nothing half done.
//!
//! | module | what |
//! | --- | --- |
//! | `service`, `arguments` | the service `public/artifact-manager`, and the forms of its arguments |
//! | `manager` | [`Artifacts`]: what its operations share |
//! | `create`, `edit`, `duplicate`, `versions` | making, changing, copying, reading and deleting |
//! | `view`, `files`, `folders` | files of a version or a draft: found, read, listed |
//! | `uploads`, `multipart`, `commit` | putting files, and how what is staged becomes a version |
//! | `listing`, `query`, `sql` | lists and searches, whose filters become bound parameters |
//! | `permissions`, `ids`, `alias`, `model` | rules and names, without any I/O |
//! | `records`, `database` | rows, and the connections to the database |
//! | `content`, `gate`, `garbage` | the bytes: keys and signed URLs, who may write, what is left over |
//! | `secrets`, `stats`, `upkeep` | encrypted secrets, counters, what runs in the background |

mod alias;
mod arguments;
mod commit;
mod content;
mod create;
mod database;
mod duplicate;
mod edit;
mod error;
mod files;
mod folders;
mod garbage;
mod gate;
mod ids;
mod listing;
mod manager;
mod model;
mod multipart;
mod permissions;
mod query;
mod records;
mod secrets;
mod service;
mod sql;
mod stats;
#[cfg(test)]
mod tests;
mod upkeep;
mod uploads;
mod versions;
mod view;

pub use content::{BaseUrls, Content};
pub use create::Create;
pub use database::Database;
pub use duplicate::Duplicate;
pub use edit::Edit;
pub use error::{Error, Result};
pub use files::{MAX_INLINE, OpenFile};
pub use folders::Page;
pub use ids::FilePath;
pub use listing::{Search, StageFilter};
pub use manager::{Artifacts, Workspaces};
pub use model::Selector;
pub use permissions::{Actor, Operation};
pub use service::ArtifactService;
pub use view::{FileEntry, FileMeta};
