//! Folders as JSON.

use hypha_storage::FolderEntry;
use serde_json::{Value as Json, json};

/// One line of a folder.
pub(super) fn line(entry: FolderEntry) -> Json {
    match entry {
        FolderEntry::File { name, size, modified } => {
            json!({"type": "file", "name": name, "size": size, "last_modified": modified})
        }
        FolderEntry::Folder { name } => json!({"type": "directory", "name": name}),
    }
}
