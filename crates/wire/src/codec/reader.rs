//! A cursor over MessagePack bytes: heads, borrowed strings, and skipping without recursion.

use rmp::Marker;
use smallvec::SmallVec;

use super::MAX_DEPTH;
use crate::error::{Result, WireError};

/// The first bytes of a value: everything about it but its contents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Head {
    Nil,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    /// Length in bytes.
    Str(usize),
    /// Length in bytes.
    Bin(usize),
    /// Type, length in bytes.
    Ext(i8, usize),
    /// Number of items.
    Array(usize),
    /// Number of entries.
    Map(usize),
}

/// Bytes of the whole value that starts with `first`, if that alone tells; else 0.
#[inline]
pub(crate) fn short_scalar_len(first: u8) -> usize {
    match first {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0.. => 1,
        0xa0..=0xbf => 1 + usize::from(first & 0x1f),
        0xcc | 0xd0 => 2,
        0xcd | 0xd1 => 3,
        0xca | 0xce | 0xd2 => 5,
        0xcb | 0xcf | 0xd3 => 9,
        _ => 0,
    }
}

/// Reads values from the front of a slice.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    buf: &'a [u8],
    pos: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(buf: &'a [u8]) -> Self {
        Reader { buf, pos: 0 }
    }

    /// Bytes consumed so far.
    pub(crate) fn position(&self) -> usize {
        self.pos
    }

    /// Bytes not consumed yet.
    pub(crate) fn remaining(&self) -> usize {
        self.buf.len() - self.pos
    }

    /// Consumes `len` bytes.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let rest = &self.buf[self.pos..];
        if len > rest.len() {
            return Err(WireError::Truncated);
        }
        self.pos += len;
        Ok(&rest[..len])
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.buf[self.pos..].first_chunk().ok_or(WireError::Truncated)?;
        self.pos += N;
        Ok(*bytes)
    }

    fn len8(&mut self) -> Result<usize> {
        Ok(usize::from(self.array::<1>()?[0]))
    }

    fn len16(&mut self) -> Result<usize> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    fn len32(&mut self) -> Result<usize> {
        // Saturation is out of range of any input, so it ends as `Truncated`.
        Ok(usize::try_from(u32::from_be_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    fn ext_kind(&mut self) -> Result<i8> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// Consumes the head of the next value, not its contents.
    #[inline]
    pub(crate) fn head(&mut self) -> Result<Head> {
        let marker = Marker::from_u8(self.array::<1>()?[0]);
        Ok(match marker {
            Marker::Null => Head::Nil,
            Marker::False => Head::Bool(false),
            Marker::True => Head::Bool(true),
            Marker::FixPos(n) => Head::Int(i64::from(n)),
            Marker::FixNeg(n) => Head::Int(i64::from(n)),
            Marker::U8 => Head::Int(i64::from(u8::from_be_bytes(self.array()?))),
            Marker::U16 => Head::Int(i64::from(u16::from_be_bytes(self.array()?))),
            Marker::U32 => Head::Int(i64::from(u32::from_be_bytes(self.array()?))),
            Marker::U64 => {
                let n = u64::from_be_bytes(self.array()?);
                i64::try_from(n).map_or(Head::UInt(n), Head::Int)
            }
            Marker::I8 => Head::Int(i64::from(i8::from_be_bytes(self.array()?))),
            Marker::I16 => Head::Int(i64::from(i16::from_be_bytes(self.array()?))),
            Marker::I32 => Head::Int(i64::from(i32::from_be_bytes(self.array()?))),
            Marker::I64 => Head::Int(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Head::Float(f64::from(f32::from_be_bytes(self.array()?))),
            Marker::F64 => Head::Float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(n) => Head::Str(usize::from(n)),
            Marker::Str8 => Head::Str(self.len8()?),
            Marker::Str16 => Head::Str(self.len16()?),
            Marker::Str32 => Head::Str(self.len32()?),
            Marker::Bin8 => Head::Bin(self.len8()?),
            Marker::Bin16 => Head::Bin(self.len16()?),
            Marker::Bin32 => Head::Bin(self.len32()?),
            Marker::FixArray(n) => Head::Array(usize::from(n)),
            Marker::Array16 => Head::Array(self.len16()?),
            Marker::Array32 => Head::Array(self.len32()?),
            Marker::FixMap(n) => Head::Map(usize::from(n)),
            Marker::Map16 => Head::Map(self.len16()?),
            Marker::Map32 => Head::Map(self.len32()?),
            Marker::FixExt1 => Head::Ext(self.ext_kind()?, 1),
            Marker::FixExt2 => Head::Ext(self.ext_kind()?, 2),
            Marker::FixExt4 => Head::Ext(self.ext_kind()?, 4),
            Marker::FixExt8 => Head::Ext(self.ext_kind()?, 8),
            Marker::FixExt16 => Head::Ext(self.ext_kind()?, 16),
            Marker::Ext8 => self.len8().and_then(|len| Ok(Head::Ext(self.ext_kind()?, len)))?,
            Marker::Ext16 => self
                .len16()
                .and_then(|len| Ok(Head::Ext(self.ext_kind()?, len)))?,
            Marker::Ext32 => self
                .len32()
                .and_then(|len| Ok(Head::Ext(self.ext_kind()?, len)))?,
            Marker::Reserved => return Err(WireError::InvalidMarker),
        })
    }

    /// Consumes `len` bytes of UTF-8.
    #[inline]
    pub(crate) fn text(&mut self, len: usize) -> Result<&'a str> {
        std::str::from_utf8(self.take(len)?).map_err(|_| WireError::InvalidUtf8)
    }

    /// Consumes a string; `None` (with the head consumed) for anything else.
    #[inline]
    pub(crate) fn str(&mut self) -> Result<Option<&'a str>> {
        // Keys are short: their length is in the first byte.
        if let Some(first @ 0xa0..=0xbf) = self.buf.get(self.pos) {
            self.pos += 1;
            return self.text(usize::from(first & 0x1f)).map(Some);
        }
        match self.head()? {
            Head::Str(len) => self.text(len).map(Some),
            _ => Ok(None),
        }
    }

    /// Consumes the key of an entry of `what`.
    #[inline]
    pub(crate) fn key(&mut self, what: &'static str) -> Result<&'a str> {
        self.str()?.ok_or(WireError::NotAStringKey { what })
    }

    /// Consumes the head of a map named `what`; its number of entries.
    pub(crate) fn map(&mut self, what: &'static str) -> Result<usize> {
        match self.head()? {
            Head::Map(len) => Ok(len),
            _ => Err(WireError::NotAMap { what }),
        }
    }

    /// Consumes one whole value without looking at its contents. Nesting is bounded by [`MAX_DEPTH`].
    #[inline]
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.skip_scalar()? {
            0 => Ok(()),
            children => self.skip_children(children),
        }
    }

    /// Consumes a head and, if it is a scalar, its contents; the number of values that follow inside it.
    #[inline]
    fn skip_scalar(&mut self) -> Result<usize> {
        if let Some(first) = self.buf.get(self.pos) {
            let len = short_scalar_len(*first);
            if len > 0 {
                return self.take(len).map(|_| 0);
            }
        }
        match self.head()? {
            Head::Str(len) | Head::Bin(len) | Head::Ext(_, len) => self.take(len).map(|_| 0),
            Head::Array(len) => Ok(len),
            Head::Map(len) => Ok(len.saturating_mul(2)),
            _ => Ok(0),
        }
    }

    fn skip_children(&mut self, children: usize) -> Result<()> {
        // Values still to skip at each open level but the innermost.
        let mut open: SmallVec<[usize; 16]> = SmallVec::new();
        let mut left = children;
        loop {
            while left == 0 {
                match open.pop() {
                    Some(outer) => left = outer,
                    None => return Ok(()),
                }
            }
            left -= 1;
            let children = self.skip_scalar()?;
            if children > 0 {
                // `open` and the current level and the one that starts here.
                if open.len() + 2 > MAX_DEPTH {
                    return Err(WireError::TooDeep(MAX_DEPTH));
                }
                open.push(left);
                left = children;
            }
        }
    }
}
