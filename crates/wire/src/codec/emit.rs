//! MessagePack primitives in their smallest form, written to any growable buffer.

use bytes::BufMut;
use rmp::Marker;

fn marker<B: BufMut>(out: &mut B, marker: Marker) {
    out.put_u8(marker.to_u8());
}

pub(crate) fn nil<B: BufMut>(out: &mut B) {
    marker(out, Marker::Null);
}

pub(crate) fn bool<B: BufMut>(out: &mut B, value: bool) {
    marker(out, if value { Marker::True } else { Marker::False });
}

pub(crate) fn float<B: BufMut>(out: &mut B, value: f64) {
    marker(out, Marker::F64);
    out.put_f64(value);
}

pub(crate) fn uint<B: BufMut>(out: &mut B, value: u64) {
    if value < 0x80 {
        out.put_u8(value as u8);
    } else if let Ok(value) = u8::try_from(value) {
        marker(out, Marker::U8);
        out.put_u8(value);
    } else if let Ok(value) = u16::try_from(value) {
        marker(out, Marker::U16);
        out.put_u16(value);
    } else if let Ok(value) = u32::try_from(value) {
        marker(out, Marker::U32);
        out.put_u32(value);
    } else {
        marker(out, Marker::U64);
        out.put_u64(value);
    }
}

pub(crate) fn int<B: BufMut>(out: &mut B, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        uint(out, value);
    } else if value >= -32 {
        out.put_i8(value as i8);
    } else if let Ok(value) = i8::try_from(value) {
        marker(out, Marker::I8);
        out.put_i8(value);
    } else if let Ok(value) = i16::try_from(value) {
        marker(out, Marker::I16);
        out.put_i16(value);
    } else if let Ok(value) = i32::try_from(value) {
        marker(out, Marker::I32);
        out.put_i32(value);
    } else {
        marker(out, Marker::I64);
        out.put_i64(value);
    }
}

/// `len` as it goes on the wire.
///
/// # Panics
/// If `len` is 2^32 or more: MessagePack cannot express it, and every frame and transfer limit is far below.
fn len32(len: usize) -> u32 {
    #[expect(
        clippy::expect_used,
        reason = "documented: 4 GiB in one value is over every limit of the protocol"
    )]
    u32::try_from(len).expect("a MessagePack value must be shorter than 4 GiB")
}

pub(crate) fn str<B: BufMut>(out: &mut B, value: &str) {
    let len = value.len();
    if len < 32 {
        marker(out, Marker::FixStr(len as u8));
    } else if let Ok(len) = u8::try_from(len) {
        marker(out, Marker::Str8);
        out.put_u8(len);
    } else if let Ok(len) = u16::try_from(len) {
        marker(out, Marker::Str16);
        out.put_u16(len);
    } else {
        marker(out, Marker::Str32);
        out.put_u32(len32(len));
    }
    out.put_slice(value.as_bytes());
}

/// Bytes that [`str`] writes for a string of `len` bytes.
pub(crate) fn str_size(len: usize) -> usize {
    let head = match len {
        ..32 => 1,
        32..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    };
    head + len
}

pub(crate) fn bin<B: BufMut>(out: &mut B, value: &[u8]) {
    let len = value.len();
    if let Ok(len) = u8::try_from(len) {
        marker(out, Marker::Bin8);
        out.put_u8(len);
    } else if let Ok(len) = u16::try_from(len) {
        marker(out, Marker::Bin16);
        out.put_u16(len);
    } else {
        marker(out, Marker::Bin32);
        out.put_u32(len32(len));
    }
    out.put_slice(value);
}

pub(crate) fn array<B: BufMut>(out: &mut B, len: usize) {
    if len < 16 {
        marker(out, Marker::FixArray(len as u8));
    } else if let Ok(len) = u16::try_from(len) {
        marker(out, Marker::Array16);
        out.put_u16(len);
    } else {
        marker(out, Marker::Array32);
        out.put_u32(len32(len));
    }
}

pub(crate) fn map<B: BufMut>(out: &mut B, len: usize) {
    if len < 16 {
        marker(out, Marker::FixMap(len as u8));
    } else if let Ok(len) = u16::try_from(len) {
        marker(out, Marker::Map16);
        out.put_u16(len);
    } else {
        marker(out, Marker::Map32);
        out.put_u32(len32(len));
    }
}

/// Bytes that [`map`] writes for `len` entries.
pub(crate) fn map_size(len: usize) -> usize {
    match len {
        ..16 => 1,
        16..0x1_0000 => 3,
        _ => 5,
    }
}

/// The timestamp extension in the shortest form that holds it.
pub(crate) fn timestamp<B: BufMut>(out: &mut B, seconds: i64, nanoseconds: u32) {
    match (u32::try_from(seconds), u64::try_from(seconds)) {
        (Ok(seconds), _) if nanoseconds == 0 => {
            marker(out, Marker::FixExt4);
            out.put_i8(-1);
            out.put_u32(seconds);
        }
        (_, Ok(seconds)) if seconds < 1 << 34 => {
            marker(out, Marker::FixExt8);
            out.put_i8(-1);
            out.put_u64(u64::from(nanoseconds) << 34 | seconds);
        }
        _ => {
            marker(out, Marker::Ext8);
            out.put_u8(12);
            out.put_i8(-1);
            out.put_u32(nanoseconds);
            out.put_i64(seconds);
        }
    }
}
