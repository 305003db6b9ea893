//! Bytes to [`Value`].

use std::collections::HashSet;

use bytes::Bytes;

use super::Limits;
use super::reader::{Head, Reader};
use crate::error::{Result, WireError};
use crate::value::{Value, fields};

/// Shorter binaries are copied even where they could be shared, so that a small field does not keep a big frame alive.
const MIN_SHARED: usize = 1024;

/// Maps up to this size are searched for duplicate keys one by one, larger ones with a hash set.
const SMALL_MAP: usize = 16;

/// Decodes exactly one value.
///
/// # Errors
/// See the [module documentation](super); [`WireError::Trailing`] if bytes follow.
pub fn decode(bytes: &[u8]) -> Result<Value> {
    decode_with(bytes, &Limits::default())
}

/// [`decode`] with limits.
///
/// # Errors
/// As [`decode`].
pub fn decode_with(bytes: &[u8], limits: &Limits) -> Result<Value> {
    Decoder::new(bytes, None, limits).only()
}

/// [`decode`] that shares long binaries with `bytes` instead of copying them.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(bytes: &Bytes) -> Result<Value> {
    decode_bytes_with(bytes, &Limits::default())
}

/// [`decode_bytes`] with limits.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes_with(bytes: &Bytes, limits: &Limits) -> Result<Value> {
    Decoder::new(bytes, Some(bytes), limits).only()
}

/// Decodes the first value of `bytes` and tells how many bytes it took.
///
/// # Errors
/// As [`decode`], but bytes may follow.
pub fn decode_prefix(bytes: &[u8]) -> Result<(Value, usize)> {
    let limits = Limits::default();
    let mut decoder = Decoder::new(bytes, None, &limits);
    let value = decoder.value(0)?;
    Ok((value, decoder.reader.position()))
}

/// Decodes the map `what` at the front of `bytes` as plain entries, whatever their keys; also the bytes it took.
pub(crate) fn decode_entries(
    bytes: &Bytes,
    limits: &Limits,
    what: &'static str,
) -> Result<(Vec<(String, Value)>, usize)> {
    let mut decoder = Decoder::new(bytes, Some(bytes), limits);
    let len = decoder.reader.map(what)?;
    let entries = decoder.entries(len, 1)?;
    Ok((entries, decoder.reader.position()))
}

struct Decoder<'a> {
    reader: Reader<'a>,
    /// The buffer the reader reads, if binaries may be shared with it.
    shared: Option<&'a Bytes>,
    limits: &'a Limits,
    /// Values decoded so far.
    items: usize,
}

impl<'a> Decoder<'a> {
    fn new(bytes: &'a [u8], shared: Option<&'a Bytes>, limits: &'a Limits) -> Self {
        Decoder {
            reader: Reader::new(bytes),
            shared,
            limits,
            items: 0,
        }
    }

    fn only(mut self) -> Result<Value> {
        let value = self.value(0)?;
        match self.reader.remaining() {
            0 => Ok(value),
            extra => Err(WireError::Trailing(extra)),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        self.items += 1;
        if self.items > self.limits.max_items {
            return Err(WireError::TooLarge {
                what: "number of values",
                max: self.limits.max_items,
            });
        }
        Ok(match self.reader.head()? {
            Head::Nil => Value::Nil,
            Head::Bool(b) => Value::Bool(b),
            Head::Int(i) => Value::Int(i),
            Head::UInt(u) => Value::UInt(u),
            Head::Float(f) => Value::Float(f),
            Head::Str(len) => Value::Str(self.reader.text(len)?.to_owned()),
            Head::Bin(len) => Value::Bytes(self.binary(len)?),
            Head::Ext(-1, len) => timestamp(self.reader.take(len)?)?,
            Head::Ext(kind, _) => return Err(WireError::UnsupportedExt(kind)),
            Head::Array(len) => self.list(len, depth + 1)?,
            Head::Map(len) => fields::fold(self.entries(len, depth + 1)?),
        })
    }

    fn binary(&mut self, len: usize) -> Result<Bytes> {
        let start = self.reader.position();
        let bytes = self.reader.take(len)?;
        Ok(match self.shared {
            Some(shared) if len >= MIN_SHARED => shared.slice(start..start + len),
            _ => Bytes::copy_from_slice(bytes),
        })
    }

    /// Checks the depth of a container and what its `len` children need at least; a safe capacity.
    fn enter(&self, len: usize, bytes_each: usize, depth: usize) -> Result<usize> {
        if depth > self.limits.max_depth {
            return Err(WireError::TooDeep(self.limits.max_depth));
        }
        if len.saturating_mul(bytes_each) > self.reader.remaining() {
            return Err(WireError::Truncated);
        }
        // A claim of many items is believed as they arrive.
        Ok(len.min(1024))
    }

    fn list(&mut self, len: usize, depth: usize) -> Result<Value> {
        let mut items = Vec::with_capacity(self.enter(len, 1, depth)?);
        for _ in 0..len {
            items.push(self.value(depth)?);
        }
        Ok(Value::List(items))
    }

    fn entries(&mut self, len: usize, depth: usize) -> Result<Vec<(String, Value)>> {
        let mut entries: Vec<(String, Value)> = Vec::with_capacity(self.enter(len, 2, depth)?);
        let mut seen: HashSet<&'a str> = HashSet::new();
        for _ in 0..len {
            let key = self.reader.key("a map")?;
            let duplicate = match len {
                ..=SMALL_MAP => entries.iter().any(|(other, _)| other == key),
                _ => !seen.insert(key),
            };
            if duplicate {
                return Err(WireError::DuplicateKey { key: key.to_owned() });
            }
            let key = key.to_owned();
            entries.push((key, self.value(depth)?));
        }
        Ok(entries)
    }
}

/// The three forms of the timestamp extension.
pub(crate) fn timestamp(bytes: &[u8]) -> Result<Value> {
    let malformed = WireError::UnsupportedExt(-1);
    let (seconds, nanoseconds) = if let Ok(seconds) = <[u8; 4]>::try_from(bytes) {
        (i64::from(u32::from_be_bytes(seconds)), 0)
    } else if let Ok(packed) = <[u8; 8]>::try_from(bytes) {
        let packed = u64::from_be_bytes(packed);
        // 34 bits and 30 bits: both fit.
        ((packed & 0x3_ffff_ffff) as i64, (packed >> 34) as u32)
    } else if let Some((nanoseconds, seconds)) = bytes.split_first_chunk::<4>() {
        let seconds = <[u8; 8]>::try_from(seconds).map_err(|_| malformed.clone())?;
        (i64::from_be_bytes(seconds), u32::from_be_bytes(*nanoseconds))
    } else {
        return Err(malformed);
    };
    if nanoseconds > 999_999_999 {
        return Err(malformed);
    }
    Ok(Value::Timestamp { seconds, nanoseconds })
}
