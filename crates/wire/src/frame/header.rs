//! The header: routing fields in place, and the header that the receiver gets instead.

use std::ops::Range;

use bytes::BufMut;
use smallvec::SmallVec;

use crate::codec::reader::{Head, Reader};
use crate::codec::{emit, encode_into};
use crate::error::{Result, WireError};
use crate::value::Value;

/// Bytes a header may have. Custom events, which carry their data in the header, are bounded by the frame instead.
pub const MAX_HEADER: usize = 64 * 1024;

/// The routing fields of a frame, borrowed from it.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// `type`: `method` for a call or a reply, else the name of an event.
    pub kind: &'a str,
    /// `to`, as the sender wrote it.
    pub to: &'a str,
    /// `method`: a path in the receiver's object store. Present if `kind` is `method`.
    pub method: Option<&'a str>,
    /// `session`: where the sender waits for an answer.
    pub session: Option<&'a str>,
    /// `parent`: the receiver's session that this message belongs to.
    pub parent: Option<&'a str>,
    /// Bytes of the header; the payload follows.
    pub len: usize,
    /// Ranges of the frame with entries that are passed on as they are; neighbours are merged.
    kept: SmallVec<[Range<usize>; 8]>,
    /// Number of entries in `kept`.
    count: usize,
}

/// What becomes of an entry of the sender's header.
enum Fate {
    /// Passed on as it is.
    Keep,
    /// A routing field; passed on as it is.
    Field(usize),
    /// `to`: a routing field that is replaced.
    To,
    /// Identity, or private: not the sender's to say.
    Drop,
}

/// Names of the routing fields that pass, by index.
const FIELDS: [&str; 4] = ["type", "method", "session", "parent"];

fn fate(key: &str) -> Fate {
    match key {
        "type" => Fate::Field(0),
        "method" => Fate::Field(1),
        "session" => Fate::Field(2),
        "parent" => Fate::Field(3),
        "to" => Fate::To,
        "ctx" | "from" | "ws" | "user" | "connection_type" | "encryption" | "caller_public_key" => Fate::Drop,
        private if private.starts_with('_') => Fate::Drop,
        _ => Fate::Keep,
    }
}

/// Reads the header of a frame.
///
/// `frame` must be bounded by the caller (the transport's frame limit); the header itself is bounded by [`MAX_HEADER`] if it
/// belongs to a call or a reply. Nothing is allocated unless the header has more than eight separate runs of kept entries.
///
/// # Errors
/// If the header is not a map with unique string routing fields, lacks `type` or `to` (or `method`, for a call), is too
/// large or nested too deep.
pub fn scan_header(frame: &[u8]) -> Result<Header<'_>> {
    let mut reader = Reader::new(frame);
    let entries = reader.map("header")?;
    let mut fields = [None; 4];
    let mut seen = [false; 4];
    let mut to = None;
    let mut kept: SmallVec<[Range<usize>; 8]> = SmallVec::new();
    let mut count = 0;
    for _ in 0..entries {
        let start = reader.position();
        let key = reader.key("header")?;
        let keep = match fate(key) {
            Fate::Field(index) => {
                if std::mem::replace(&mut seen[index], true) {
                    return Err(WireError::DuplicateKey { key: key.to_owned() });
                }
                // The type has to be there; absent and nil are the same for the others.
                fields[index] = text(&mut reader, FIELDS[index], index > 0)?;
                fields[index].is_some()
            }
            Fate::To => {
                if to.is_some() {
                    return Err(WireError::DuplicateKey { key: key.to_owned() });
                }
                to = text(&mut reader, "to", false)?;
                false
            }
            Fate::Keep => {
                reader.skip()?;
                true
            }
            Fate::Drop => {
                reader.skip()?;
                false
            }
        };
        if keep {
            count += 1;
            match kept.last_mut() {
                Some(run) if run.end == start => run.end = reader.position(),
                _ => kept.push(start..reader.position()),
            }
        }
    }
    let [kind, method, session, parent] = fields;
    let kind = kind.ok_or(WireError::MissingKey { key: "type" })?;
    let to = to.ok_or(WireError::MissingKey { key: "to" })?;
    let len = reader.position();
    if kind == "method" {
        if method.is_none() {
            return Err(WireError::MissingKey { key: "method" });
        }
        if len > MAX_HEADER {
            return Err(WireError::TooLarge {
                what: "header (bytes)",
                max: MAX_HEADER,
            });
        }
    }
    Ok(Header {
        kind,
        to,
        method,
        session,
        parent,
        len,
        kept,
        count,
    })
}

/// `from` of a header as the sender wrote it: for those who know the sender. `None` if it is not there, or the header is
/// broken.
pub fn claimed_sender(header: &[u8]) -> Option<&str> {
    let mut reader = Reader::new(header);
    for _ in 0..reader.map("header").ok()? {
        if reader.key("header").ok()? == "from" {
            return text(&mut reader, "from", true).ok()?;
        }
        reader.skip().ok()?;
    }
    None
}

/// The string value of a routing field; `None` for nil where that is allowed.
fn text<'a>(reader: &mut Reader<'a>, field: &'static str, optional: bool) -> Result<Option<&'a str>> {
    match reader.head()? {
        Head::Str(len) => reader.text(len).map(Some),
        Head::Nil if optional => Ok(None),
        _ => Err(WireError::bad_type(field, "a string")),
    }
}

/// The identity of a sender, encoded once and spliced into each of its messages.
#[derive(Clone, Debug)]
pub struct CallerContext {
    /// Encoded entries `ws`, `from`, `user`.
    entries: Vec<u8>,
}

/// Number of entries in a [`CallerContext`].
const CONTEXT_ENTRIES: usize = 3;

impl CallerContext {
    /// The identity of a sender.
    ///
    /// - `ws`: the workspace it acts in;
    /// - `from`: its full client id, `workspace/client`;
    /// - `user`: its user record.
    pub fn new(ws: &str, from: &str, user: &Value) -> Self {
        let mut entries = Vec::new();
        for (key, value) in [("ws", ws), ("from", from)] {
            emit::str(&mut entries, key);
            emit::str(&mut entries, value);
        }
        emit::str(&mut entries, "user");
        encode_into(user, &mut entries);
        CallerContext { entries }
    }
}

impl Header<'_> {
    /// Bytes that [`write_rewritten`](Self::write_rewritten) writes.
    pub fn rewritten_len(&self, ctx: &CallerContext, to: &str) -> usize {
        let kept: usize = self.kept.iter().map(ExactSizeIterator::len).sum();
        emit::map_size(self.rewritten_entries())
            + kept
            + ctx.entries.len()
            + emit::str_size("to".len())
            + emit::str_size(to.len())
    }

    fn rewritten_entries(&self) -> usize {
        self.count + CONTEXT_ENTRIES + 1
    }

    /// Appends the header the receiver gets: the entries that pass, the sender's identity, the absolute `to`.
    ///
    /// The payload is not written; it follows unchanged. `frame` must be the frame that was scanned.
    pub fn write_rewritten<B: BufMut>(&self, frame: &[u8], ctx: &CallerContext, to: &str, out: &mut B) {
        emit::map(out, self.rewritten_entries());
        for run in &self.kept {
            out.put_slice(&frame[run.clone()]);
        }
        out.put_slice(&ctx.entries);
        emit::str(out, "to");
        emit::str(out, to);
    }
}
