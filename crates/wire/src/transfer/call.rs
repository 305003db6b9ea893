//! Calls of a peer's message cache, read in place.

use crate::codec::reader::{Head, Reader};
use crate::error::{Result, WireError};
use crate::frame::scan_payload;

/// Path of the message cache in a peer's object store, with the dot that separates it from the function.
pub(super) const MESSAGE_CACHE: &str = "services.built-in.message_cache.";

/// One call of a message cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkCall<'a> {
    /// Key of the transfer.
    pub key: &'a str,
    /// True if the call counts as a heartbeat of the receiver's session with that key.
    pub heartbeat: bool,
    /// What to do.
    pub action: ChunkAction<'a>,
}

/// What a call of a message cache asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkAction<'a> {
    /// Start a transfer.
    Create {
        /// Replace a transfer with the same key.
        overwrite: bool,
    },
    /// Add the next chunk.
    Append {
        /// The chunk.
        data: &'a [u8],
    },
    /// Add the chunk at an index.
    Set {
        /// Its index, from 0.
        index: u64,
        /// The chunk.
        data: &'a [u8],
    },
    /// Join the chunks and dispatch the message.
    Process,
    /// Forget the transfer.
    Remove,
}

/// Reads a call of `method` with the given payload; `None` if it is no call of a message cache.
///
/// # Errors
/// If arguments are missing or have the wrong type, and if they are hidden from inspection: given by keyword, or encrypted.
pub fn parse_chunk_call<'a>(method: &str, payload: &'a [u8]) -> Result<Option<ChunkCall<'a>>> {
    let Some(function) = method.strip_prefix(MESSAGE_CACHE) else {
        return Ok(None);
    };
    if !matches!(function, "create" | "append" | "set" | "process" | "remove") {
        return Ok(None);
    }
    let keys = scan_payload("method", payload)?;
    if keys.encrypted {
        let kind = format!("call of {method}");
        return Err(WireError::IllegalKey {
            kind,
            segment: "payload",
            key: "_enc".to_owned(),
        });
    }
    if keys.with_kwargs {
        return Err(WireError::bad_type(
            "with_kwargs",
            "false: the arguments of message_cache are positional",
        ));
    }
    let mut args = Args::find(payload)?;
    let key = args.text("key")?;
    let action = match function {
        "create" => None,
        "append" => Some(ChunkAction::Append {
            data: args.bytes("data")?,
        }),
        "set" => Some(ChunkAction::Set {
            index: args.index("index")?,
            data: args.bytes("data")?,
        }),
        "process" => Some(ChunkAction::Process),
        _ => Some(ChunkAction::Remove),
    };
    let heartbeat = args.flag("heartbeat")?;
    let action = match action {
        Some(action) => action,
        None => ChunkAction::Create {
            overwrite: args.flag("overwrite")?,
        },
    };
    args.end()?;
    Ok(Some(ChunkCall {
        key,
        heartbeat,
        action,
    }))
}

/// The positional arguments that are left.
struct Args<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Args<'a> {
    /// Finds `args` in a payload whose keys have been checked.
    fn find(payload: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(payload);
        let entries = if payload.is_empty() {
            0
        } else {
            reader.map("payload")?
        };
        for _ in 0..entries {
            if reader.key("payload")? != "args" {
                reader.skip()?;
                continue;
            }
            return match reader.head()? {
                Head::Array(left) => Ok(Args { reader, left }),
                _ => Err(WireError::bad_type("args", "a list")),
            };
        }
        Err(WireError::MissingKey { key: "args" })
    }

    /// The head of the next argument.
    fn next(&mut self) -> Result<Option<Head>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.reader.head().map(Some)
    }

    fn text(&mut self, field: &'static str) -> Result<&'a str> {
        match self.next()? {
            Some(Head::Str(len)) => self.reader.text(len),
            _ => Err(WireError::bad_type(field, "a string")),
        }
    }

    fn bytes(&mut self, field: &'static str) -> Result<&'a [u8]> {
        match self.next()? {
            Some(Head::Bin(len)) => self.reader.take(len),
            _ => Err(WireError::bad_type(field, "bytes")),
        }
    }

    fn index(&mut self, field: &'static str) -> Result<u64> {
        let index = match self.next()? {
            Some(Head::Int(index)) => u64::try_from(index).ok(),
            _ => None,
        };
        index.ok_or_else(|| WireError::bad_type(field, "an index"))
    }

    /// An optional boolean.
    fn flag(&mut self, field: &'static str) -> Result<bool> {
        match self.next()? {
            Some(Head::Bool(flag)) => Ok(flag),
            Some(Head::Nil) | None => Ok(false),
            Some(_) => Err(WireError::bad_type(field, "a boolean")),
        }
    }

    fn end(&self) -> Result<()> {
        match self.left {
            0 => Ok(()),
            _ => Err(WireError::bad_type("args", "a shorter list")),
        }
    }
}
