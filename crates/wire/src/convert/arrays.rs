//! The elements of a binary array as values, for the numeric types that Rust has.

use crate::value::Value;

/// The elements of `data`, little endian; `None` for another dtype or a length that is not a multiple of its size.
pub(super) fn elements(dtype: &str, data: &[u8]) -> Option<Vec<Value>> {
    macro_rules! read {
        ($type:ty) => {{
            let (chunks, rest) = data.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return None;
            }
            chunks
                .iter()
                .map(|bytes| Value::from(<$type>::from_le_bytes(*bytes)))
                .collect()
        }};
    }
    Some(match dtype {
        "bool" => data.iter().map(|b| Value::Bool(*b != 0)).collect(),
        "int8" => read!(i8),
        "uint8" => read!(u8),
        "int16" => read!(i16),
        "uint16" => read!(u16),
        "int32" => read!(i32),
        "uint32" => read!(u32),
        "int64" => read!(i64),
        "uint64" => read!(u64),
        "float32" => read!(f32),
        "float64" => read!(f64),
        _ => return None,
    })
}
