//! Files of bytes with made-up names, written once: on disk, or in memory.
//!
//! Names are `<run>-<number>`, `<run>` being made up at every start: what a run has not entered in the index is known by
//! its name to the next one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

/// Folders that files are spread over.
const FOLDERS: u64 = 256;

/// Where the files are.
pub(crate) struct Blobs {
    place: Place,
    run: String,
    next: AtomicU64,
}

enum Place {
    Folder(PathBuf),
    Memory(Mutex<HashMap<String, Arc<Vec<Bytes>>>>),
}

/// A file that is being written. Dropped without [`finish`](Writing::finish), it is deleted.
pub(crate) struct Writing {
    blobs: Arc<Blobs>,
    name: String,
    sink: Option<Sink>,
}

enum Sink {
    File(File),
    Memory(Vec<Bytes>),
}

/// An open file.
pub(crate) enum Reading {
    File(File),
    Memory { chunks: Arc<Vec<Bytes>>, at: u64 },
}

impl Blobs {
    /// Files in a folder, which is made.
    pub(crate) fn in_folder(folder: &Path) -> io::Result<Self> {
        for number in 0..FOLDERS {
            std::fs::create_dir_all(folder.join(format!("{number:02x}")))?;
        }
        sync_folder(folder)?;
        Ok(Self::new(Place::Folder(folder.to_owned())))
    }

    /// Files in memory.
    pub(crate) fn in_memory() -> Self {
        Self::new(Place::Memory(Mutex::default()))
    }

    fn new(place: Place) -> Self {
        Self {
            place,
            run: format!("{:016x}", rand::random::<u64>()),
            next: AtomicU64::new(0),
        }
    }

    /// The folder, for questions about its disk.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Memory(_) => None,
        }
    }

    fn path(folder: &Path, name: &str) -> PathBuf {
        // The last two characters change with every file.
        let spread = name.get(name.len().saturating_sub(2)..).unwrap_or("00");
        folder.join(spread).join(name)
    }

    /// Starts a file.
    pub(crate) fn create(self: &Arc<Self>) -> io::Result<Writing> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number:04x}", self.run);
        let sink = match &self.place {
            Place::Folder(folder) => {
                let mut options = File::options();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                Sink::File(options.open(Self::path(folder, &name))?)
            }
            Place::Memory(_) => Sink::Memory(Vec::new()),
        };
        Ok(Writing {
            blobs: self.clone(),
            name,
            sink: Some(sink),
        })
    }

    /// Opens a file to read it from a byte on.
    pub(crate) fn open(&self, name: &str, at: u64) -> io::Result<Reading> {
        match &self.place {
            Place::Folder(folder) => {
                let mut file = File::open(Self::path(folder, name))?;
                if at > 0 {
                    file.seek(SeekFrom::Start(at))?;
                }
                Ok(Reading::File(file))
            }
            Place::Memory(files) => {
                let chunks = files.lock().get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
                Ok(Reading::Memory { chunks, at })
            }
        }
    }

    /// Deletes a file; one that is not there is none.
    pub(crate) fn delete(&self, name: &str) -> io::Result<()> {
        match &self.place {
            Place::Folder(folder) => match std::fs::remove_file(Self::path(folder, name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            Place::Memory(files) => {
                files.lock().remove(name);
                Ok(())
            }
        }
    }

    /// The files of earlier runs in one of the [`folders`](Self::folders).
    pub(crate) fn earlier(&self, folder: u64) -> io::Result<Vec<String>> {
        let Place::Folder(root) = &self.place else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(root.join(format!("{folder:02x}")))? {
            if let Ok(name) = entry?.file_name().into_string()
                && !name.starts_with(&self.run)
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// How many folders there are.
    pub(crate) fn folders(&self) -> u64 {
        FOLDERS
    }
}

impl Writing {
    /// Appends bytes.
    pub(crate) fn write(&mut self, chunks: Vec<Bytes>) -> io::Result<()> {
        match &mut self.sink {
            Some(Sink::File(file)) => chunks.iter().try_for_each(|chunk| file.write_all(chunk)),
            Some(Sink::Memory(kept)) => {
                kept.extend(chunks.into_iter().filter(|chunk| !chunk.is_empty()));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Ends the file: it is on disk for good when this returns. The result still deletes it when it is dropped.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match (self.sink.take(), &self.blobs.place) {
            (Some(Sink::File(file)), Place::Folder(folder)) => {
                file.sync_all()?;
                let path = Blobs::path(folder, &self.name);
                path.parent().map_or(Ok(()), sync_folder)
            }
            (Some(Sink::Memory(chunks)), Place::Memory(files)) => {
                files.lock().insert(self.name.clone(), Arc::new(chunks));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The name of the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Keeps the file: the index knows it.
    pub(crate) fn keep(mut self) {
        self.name.clear();
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.sink = None;
        if self.name.is_empty() {
            return;
        }
        // What cannot be deleted is found at the next start.
        if let Err(error) = self.blobs.delete(&self.name) {
            tracing::debug!(%error, "cannot delete an unfinished file");
        }
    }
}

impl Reading {
    /// The next bytes, at most `most`; empty at the end.
    pub(crate) fn next(&mut self, most: usize) -> io::Result<Bytes> {
        match self {
            Self::File(file) => {
                let mut buffer = Vec::with_capacity(most);
                file.take(most as u64).read_to_end(&mut buffer)?;
                Ok(buffer.into())
            }
            Self::Memory { chunks, at } => {
                let mut skipped = 0;
                for chunk in chunks.iter() {
                    let len = chunk.len() as u64;
                    if *at < skipped + len {
                        // Less than the length of a chunk.
                        let start = usize::try_from(*at - skipped).unwrap_or(usize::MAX);
                        let piece = chunk.slice(start..chunk.len().min(start.saturating_add(most)));
                        *at += piece.len() as u64;
                        return Ok(piece);
                    }
                    skipped += len;
                }
                Ok(Bytes::new())
            }
        }
    }
}

/// Makes the names in a folder last.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
