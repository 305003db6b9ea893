//! An incremental scan of the keys of a frame that comes in pieces.
//!
//! The scan reads every byte once and keeps none but those of an unfinished token: it costs a few hundred bytes per transfer,
//! whatever the size of the message.

use smallvec::SmallVec;

use crate::codec::MAX_DEPTH;
use crate::codec::reader::short_scalar_len;
use crate::error::{Result, WireError};
use crate::frame::{MAX_HEADER, legal_payload_key};

use super::call::MESSAGE_CACHE;

/// Bytes of a key, or of the value of a routing field, that are looked at.
const MAX_TEXT: usize = 64;

/// Checks a chunked message as it passes.
///
/// Of the header, identity that the receiver replaces (`from`, `to`, `ws`, `user`) may be there; `ctx`, `connection_type`,
/// `encryption`, `caller_public_key` and keys that start with `_` may not, for the receiver would believe them. The message must be
/// a call (the clients send nothing else in chunks), and not one of a message cache, which would hide chunks inside chunks. The
/// payload must satisfy the rules of [`scan_payload`](crate::frame::scan_payload).
///
/// After an error the scan stays failed.
#[derive(Clone, Debug)]
pub struct TransferScan {
    segment: Segment,
    expect: Expect,
    /// Entries of the segment's map that are left, counting the current one.
    entries: usize,
    /// Known keys that this segment has had, as a set of bits.
    seen: u16,
    /// Bytes of the header so far.
    header_len: usize,
    /// Values left in each container that is open inside the current entry.
    open: SmallVec<[u64; 8]>,
    /// First bytes of a value whose head is not complete.
    head: SmallVec<[u8; 8]>,
    /// Bytes left of the contents of the current scalar.
    contents: u64,
    /// If the contents are wanted: their first bytes.
    text: Option<SmallVec<[u8; MAX_TEXT]>>,
    failed: Option<WireError>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Segment {
    Header,
    Payload,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    /// The map of the segment.
    Map,
    /// A key of it.
    Key,
    /// The value of `type`.
    Kind,
    /// The value of `method`.
    Method,
    /// Any other value, or a part of one.
    Value,
}

/// What the head of a value says about what follows.
enum Shape {
    /// Text of so many bytes.
    Text(u64),
    /// So many bytes.
    Scalar(u64),
    /// So many values.
    List(u64),
    /// So many entries.
    Map(u64),
}

/// Bytes of the head that starts with `first`; lengths are part of the head, numbers are contents.
fn head_len(first: u8) -> usize {
    match first {
        0xc4 | 0xc7 | 0xd9 => 2,
        0xc5 | 0xc8 | 0xda | 0xdc | 0xde => 3,
        0xc6 | 0xc9 | 0xdb | 0xdd | 0xdf => 5,
        _ => 1,
    }
}

/// Reads a complete head. Extensions have one byte of contents more, their type.
fn shape(head: &[u8]) -> Result<Shape> {
    let (first, len) = head.split_first().ok_or(WireError::Truncated)?;
    let len = len.iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
    Ok(match *first {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0.. => Shape::Scalar(0),
        first @ 0x80..=0x8f => Shape::Map(u64::from(first & 0x0f)),
        first @ 0x90..=0x9f => Shape::List(u64::from(first & 0x0f)),
        first @ 0xa0..=0xbf => Shape::Text(u64::from(first & 0x1f)),
        0xc1 => return Err(WireError::InvalidMarker),
        0xc4..=0xc6 => Shape::Scalar(len),
        0xc7..=0xc9 => Shape::Scalar(len + 1),
        0xcc | 0xd0 => Shape::Scalar(1),
        0xcd | 0xd1 => Shape::Scalar(2),
        0xca | 0xce | 0xd2 => Shape::Scalar(4),
        0xcb | 0xcf | 0xd3 => Shape::Scalar(8),
        first @ 0xd4..=0xd8 => Shape::Scalar((1 << (first - 0xd4)) + 1),
        0xd9..=0xdb => Shape::Text(len),
        0xdc | 0xdd => Shape::List(len),
        0xde | 0xdf => Shape::Map(len),
    })
}

impl Default for TransferScan {
    fn default() -> Self {
        TransferScan::new()
    }
}

impl TransferScan {
    /// A scan that has seen nothing.
    pub fn new() -> Self {
        TransferScan {
            segment: Segment::Header,
            expect: Expect::Map,
            entries: 0,
            seen: 0,
            header_len: 0,
            open: SmallVec::new(),
            head: SmallVec::new(),
            contents: 0,
            text: None,
            failed: None,
        }
    }

    /// Scans the next bytes of the message.
    ///
    /// # Errors
    /// The first violation, now and in every later call.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        if self.failed.is_none() {
            self.failed = self.scan(bytes).err();
        }
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Checks that the message is complete.
    ///
    /// # Errors
    /// The violation that was found, or [`WireError::Truncated`].
    pub fn finish(&self) -> Result<()> {
        let between = self.expect == Expect::Map && self.head.is_empty() && self.segment != Segment::Header;
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if between => Ok(()),
            None => Err(WireError::Truncated),
        }
    }

    fn scan(&mut self, mut bytes: &[u8]) -> Result<()> {
        while let Some(first) = bytes.first() {
            if self.segment == Segment::Over {
                return Err(WireError::Trailing(bytes.len()));
            }
            if self.contents > 0 {
                let len = bytes
                    .len()
                    .min(usize::try_from(self.contents).unwrap_or(usize::MAX));
                let (contents, rest) = bytes.split_at(len);
                if let Some(text) = &mut self.text {
                    let room = MAX_TEXT - text.len();
                    text.extend_from_slice(&contents[..len.min(room)]);
                }
                self.contents -= len as u64;
                bytes = rest;
                if self.contents == 0 {
                    self.scalar_ends()?;
                }
                continue;
            }
            if self.expect == Expect::Value && self.head.is_empty() {
                // Lists of numbers are the bulk of what comes in chunks, beside binaries: no state for those.
                let len = short_scalar_len(*first);
                if len > 0 && len <= bytes.len() {
                    self.count_header(len as u64)?;
                    bytes = &bytes[len..];
                    self.value_ends()?;
                    continue;
                }
            }
            let wanted = head_len(*self.head.first().unwrap_or(first)) - self.head.len();
            let (part, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.head.extend_from_slice(part);
            bytes = rest;
            if part.len() == wanted {
                let shape = shape(&self.head)?;
                self.count_header(self.head.len() as u64)?;
                self.head.clear();
                self.value_starts(shape)?;
            }
        }
        Ok(())
    }

    /// Bounds the header before its bytes arrive.
    fn count_header(&mut self, bytes: u64) -> Result<()> {
        if self.segment == Segment::Header {
            self.header_len = self
                .header_len
                .saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
            if self.header_len > MAX_HEADER {
                return Err(WireError::TooLarge {
                    what: "header (bytes)",
                    max: MAX_HEADER,
                });
            }
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        if self.segment == Segment::Header {
            "header"
        } else {
            "payload"
        }
    }

    fn value_starts(&mut self, shape: Shape) -> Result<()> {
        match (self.expect, shape) {
            (Expect::Map, Shape::Map(entries)) => {
                self.entries = usize::try_from(entries).unwrap_or(usize::MAX);
                self.seen = 0;
                self.next_entry()
            }
            (Expect::Map, _) => Err(WireError::NotAMap { what: self.name() }),
            (Expect::Key, Shape::Text(len)) if len > MAX_TEXT as u64 => Err(WireError::TooLarge {
                what: "key (bytes)",
                max: MAX_TEXT,
            }),
            (Expect::Key | Expect::Kind | Expect::Method, Shape::Text(len)) => {
                self.text = Some(SmallVec::new());
                self.contents_start(len)
            }
            (Expect::Key, _) => Err(WireError::NotAStringKey { what: self.name() }),
            (Expect::Kind, _) => Err(WireError::bad_type("type", "a string")),
            (Expect::Method, _) => Err(WireError::bad_type("method", "a string")),
            (Expect::Value, Shape::Text(len) | Shape::Scalar(len)) => self.contents_start(len),
            (Expect::Value, Shape::List(0) | Shape::Map(0)) => self.value_ends(),
            (Expect::Value, Shape::List(values)) => self.container_starts(values),
            (Expect::Value, Shape::Map(entries)) => self.container_starts(entries * 2),
        }
    }

    fn contents_start(&mut self, len: u64) -> Result<()> {
        self.count_header(len)?;
        self.contents = len;
        if len == 0 { self.scalar_ends() } else { Ok(()) }
    }

    fn container_starts(&mut self, values: u64) -> Result<()> {
        if self.open.len() == MAX_DEPTH {
            return Err(WireError::TooDeep(MAX_DEPTH));
        }
        self.open.push(values);
        Ok(())
    }

    fn scalar_ends(&mut self) -> Result<()> {
        let Some(text) = self.text.take() else {
            return self.value_ends();
        };
        match self.expect {
            Expect::Key => {
                let key = std::str::from_utf8(&text).map_err(|_| WireError::InvalidUtf8)?;
                self.key_ends(key)
            }
            Expect::Kind if text.as_slice() != b"method" => {
                Err(WireError::bad_type("type", "\"method\" in a chunked message"))
            }
            Expect::Method if text.starts_with(MESSAGE_CACHE.as_bytes()) => Err(WireError::bad_type(
                "method",
                "none of message_cache in a chunked message",
            )),
            _ => self.value_ends(),
        }
    }

    /// Decides about a key; its value comes next.
    fn key_ends(&mut self, key: &str) -> Result<()> {
        let illegal = || WireError::IllegalKey {
            kind: "chunked".to_owned(),
            segment: self.name(),
            key: key.to_owned(),
        };
        let known = match self.segment {
            Segment::Header => match key {
                "type" => Some(0),
                "method" => Some(1),
                "session" => Some(2),
                "parent" => Some(3),
                "to" => Some(4),
                "ctx" | "connection_type" | "encryption" | "caller_public_key" => return Err(illegal()),
                private if private.starts_with('_') => return Err(illegal()),
                _ => None,
            },
            _ => Some(legal_payload_key(key).ok_or_else(illegal)?),
        };
        if let Some(index) = known {
            if self.seen & 1 << index != 0 {
                return Err(WireError::DuplicateKey { key: key.to_owned() });
            }
            self.seen |= 1 << index;
        }
        self.expect = match (self.segment, known) {
            (Segment::Header, Some(0)) => Expect::Kind,
            (Segment::Header, Some(1)) => Expect::Method,
            _ => Expect::Value,
        };
        Ok(())
    }

    /// A value is complete, and with it every container whose last value it was.
    fn value_ends(&mut self) -> Result<()> {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return Ok(());
            }
            self.open.pop();
        }
        self.entries -= 1;
        self.next_entry()
    }

    fn next_entry(&mut self) -> Result<()> {
        if self.entries > 0 {
            self.expect = Expect::Key;
            return Ok(());
        }
        self.expect = Expect::Map;
        self.segment = match self.segment {
            Segment::Header if self.seen & 1 == 0 => return Err(WireError::MissingKey { key: "type" }),
            Segment::Header if self.seen & 2 == 0 => return Err(WireError::MissingKey { key: "method" }),
            Segment::Header => Segment::Payload,
            _ => Segment::Over,
        };
        Ok(())
    }
}
