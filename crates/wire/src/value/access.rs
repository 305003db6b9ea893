//! Reading a [`Value`] without matching on it, and building one from Rust primitives.

use bytes::Bytes;

use super::{Generator, Method, NdArray, RemoteError, TypedArray, Value};

impl Value {
    /// True for [`Value::Nil`].
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// An integer that fits an `i64`.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// A non-negative integer.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Int(i) => u64::try_from(*i).ok(),
            Value::UInt(u) => Some(*u),
            _ => None,
        }
    }

    /// A number: a float, or an integer widened to one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Float(f) => Some(*f),
            Value::Int(i) => Some(*i as f64),
            Value::UInt(u) => Some(*u as f64),
            _ => None,
        }
    }

    /// Raw bytes, also those of a memory view.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Value::Bytes(b) | Value::MemoryView(b) => Some(b),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a plain map.
    pub fn as_map(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// A remote function.
    pub fn as_method(&self) -> Option<&Method> {
        match self {
            Value::Method(method) => Some(method),
            _ => None,
        }
    }

    /// The value of `key` in a plain map (or of a member of a file-like object).
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(entries) | Value::IoStream(entries) => {
                entries.iter().find(|(k, _)| k == key).map(|(_, v)| v)
            }
            _ => None,
        }
    }

    /// An empty map.
    pub fn empty_map() -> Value {
        Value::Map(Vec::new())
    }

    /// Sets `key` of a plain map, in place if it exists, else at the end. Other values are left alone.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        if let Value::Map(entries) = self {
            let key = key.into();
            match entries.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value.into(),
                None => entries.push((key, value.into())),
            }
        }
    }
}

macro_rules! from_signed {
    ($($int:ty),*) => {$(
        impl From<$int> for Value {
            fn from(i: $int) -> Self {
                Value::Int(i64::from(i))
            }
        }
    )*};
}
from_signed!(i8, i16, i32, i64, u8, u16, u32);

impl From<u64> for Value {
    fn from(u: u64) -> Self {
        i64::try_from(u).map_or(Value::UInt(u), Value::Int)
    }
}

impl From<usize> for Value {
    fn from(u: usize) -> Self {
        Value::from(u as u64)
    }
}

impl From<f64> for Value {
    fn from(f: f64) -> Self {
        Value::Float(f)
    }
}

impl From<f32> for Value {
    fn from(f: f32) -> Self {
        Value::Float(f64::from(f))
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Value::Nil
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::Str(s.to_owned())
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Value::Str(s)
    }
}

impl From<Bytes> for Value {
    fn from(b: Bytes) -> Self {
        Value::Bytes(b)
    }
}

impl From<Method> for Value {
    fn from(m: Method) -> Self {
        Value::Method(Box::new(m))
    }
}

impl From<Generator> for Value {
    fn from(g: Generator) -> Self {
        Value::Generator(Box::new(g))
    }
}

impl From<NdArray> for Value {
    fn from(a: NdArray) -> Self {
        Value::NdArray(a)
    }
}

impl From<TypedArray> for Value {
    fn from(a: TypedArray) -> Self {
        Value::TypedArray(a)
    }
}

impl From<RemoteError> for Value {
    fn from(e: RemoteError) -> Self {
        Value::Error(e)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(option: Option<T>) -> Self {
        option.map_or(Value::Nil, Into::into)
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Value {
    /// A plain map; later entries with an equal key replace earlier ones' values.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Value::empty_map();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}
