//! What is said about objects, and parts of them.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::Stream;

use crate::error::Error;

/// The bytes of an object or of a body, piece by piece.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What is known about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Size in bytes.
    pub size: u64,
    /// Changes with the content; without quotes. The MD5 of the content in hex, as S3 has it.
    pub etag: String,
    /// What the uploader said it is; `None` if nothing.
    pub content_type: Option<String>,
    /// When it was written.
    pub modified: SystemTime,
}

/// Microseconds since the Unix epoch.
pub(crate) fn to_micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

pub(crate) fn from_micros(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// Seconds since the Unix epoch.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// What is said about a new object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// What it is; empty is nothing.
    pub content_type: Option<String>,
    /// How many bytes it may have.
    pub size: SizeRule,
    /// When it is to be deleted, in seconds since the Unix epoch. Without it, an older time for the key is forgotten.
    pub delete_at: Option<u64>,
}

/// How many bytes a body may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizeRule {
    /// As many as the storage allows.
    #[default]
    Any,
    /// At most so many.
    AtMost(u64),
    /// So many.
    Exactly(u64),
}

impl SizeRule {
    /// Most bytes, given what the storage allows.
    pub(crate) fn most(self, limit: u64) -> u64 {
        match self {
            Self::Any => limit,
            Self::AtMost(most) | Self::Exactly(most) => most.min(limit),
        }
    }

    /// Whether a body that has ended may have this length.
    pub(crate) fn check(self, found: u64) -> Result<(), Error> {
        match self {
            Self::Exactly(expected) if found != expected => Err(Error::Length { expected, found }),
            Self::AtMost(limit) if found > limit => Err(Error::TooLarge { limit }),
            _ => Ok(()),
        }
    }
}

/// A part of an object, as HTTP names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to the last byte, both included.
    Between(u64, u64),
    /// From a byte to the end.
    From(u64),
    /// The last so many bytes.
    Last(u64),
}

impl ByteRange {
    /// The bytes it means in an object of `size` bytes.
    ///
    /// # Errors
    /// [`Error::Range`] if there are none.
    pub fn within(self, size: u64) -> Result<Range<u64>, Error> {
        let range = match self {
            Self::Between(first, last) => first..last.saturating_add(1).min(size),
            Self::From(first) => first..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        if range.is_empty() {
            Err(Error::Range { size })
        } else {
            Ok(range)
        }
    }
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An object.
    File {
        /// Its whole key.
        key: String,
        /// What is known about it. `content_type` is `None` where the store does not list it.
        meta: Meta,
    },
    /// What lies deeper: a prefix, with its slash.
    Folder(String),
}

impl Entry {
    /// Where it stands in the order of a listing, and what to give as `start_after` for what follows.
    pub fn position(&self) -> &str {
        match self {
            Self::File { key, .. } => key,
            Self::Folder(prefix) => prefix,
        }
    }
}

/// A page of a listing, in byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The lines.
    pub entries: Vec<Entry>,
    /// What to give as `start_after` for the next page; `None` at the end.
    pub next: Option<String>,
}

/// A part of a multipart upload that is to become part of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRef {
    /// Number of the part, from 1.
    pub number: u32,
    /// What the upload of the part was answered with, with or without quotes; empty: not checked.
    pub etag: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, expected) in [
            (ByteRange::Between(0, 0), Some(0..1)),
            (ByteRange::Between(2, 100), Some(2..10)),
            (ByteRange::Between(10, 11), None),
            (ByteRange::From(9), Some(9..10)),
            (ByteRange::From(10), None),
            (ByteRange::Last(3), Some(7..10)),
            (ByteRange::Last(30), Some(0..10)),
            (ByteRange::Last(0), None),
            (ByteRange::Between(0, u64::MAX), Some(0..10)),
        ] {
            assert_eq!(range.within(10).ok(), expected, "{range:?}");
        }
        assert!(ByteRange::From(0).within(0).is_err());
    }
}
