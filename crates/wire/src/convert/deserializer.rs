//! The deserializer behind [`from_value`](super::from_value).

use std::vec;

use bytes::Bytes;
use serde::de::value::StringDeserializer;
use serde::de::{
    self, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::arrays;
use crate::error::{Result, WireError};
use crate::value::{Value, fields};

/// Reads one [`Value`].
pub(super) struct ValueDeserializer(pub(super) Value);

impl ValueDeserializer {
    /// The number in a zero-dimensional array, else the value itself.
    fn scalar(self) -> Value {
        match &self.0 {
            Value::NdArray(array) if array.shape.is_empty() => arrays::elements(&array.dtype, &array.data)
                .and_then(|mut one| one.pop())
                .unwrap_or(self.0),
            _ => self.0,
        }
    }
}

/// `f` as an integer, if it is one and an `f64` can tell it from its neighbours.
fn integral(f: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (f.fract() == 0.0 && f.abs() <= EXACT).then_some(f as i64)
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.scalar() {
                Value::Float(f) => match integral(f) {
                    Some(i) => visitor.visit_i64(i),
                    None => visitor.visit_f64(f),
                },
                other => ValueDeserializer(other).deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            ValueDeserializer(self.scalar()).deserialize_any(visitor)
        }
    )*};
}

macro_rules! binaries {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0 {
                Value::Bytes(data) | Value::MemoryView(data) => visit_bytes(data, visitor),
                Value::TypedArray(array) => visit_bytes(array.data, visitor),
                other => ValueDeserializer(other).deserialize_any(visitor),
            }
        }
    )*};
}

fn visit_bytes<'de, V: Visitor<'de>>(data: Bytes, visitor: V) -> Result<V::Value> {
    visitor.visit_byte_buf(Vec::from(data))
}

fn visit_list<'de, V: Visitor<'de>>(items: Vec<Value>, visitor: V) -> Result<V::Value> {
    let len = items.len();
    let mut access = ListAccess {
        items: items.into_iter(),
        index: 0,
    };
    let value = visitor.visit_seq(&mut access)?;
    match access.items.len() {
        0 => Ok(value),
        left => Err(WireError::custom(format_args!(
            "a list of {len} items, expected {}",
            len - left
        ))),
    }
}

fn visit_map<'de, V: Visitor<'de>>(entries: Vec<(String, Value)>, visitor: V) -> Result<V::Value> {
    visitor.visit_map(Entries {
        entries: entries.into_iter(),
        pending: None,
    })
}

/// The entries of an ordered map whose keys are strings; others are left out.
fn string_keys(pairs: Vec<(Value, Value)>) -> Vec<(String, Value)> {
    let entries = pairs.into_iter().filter_map(|(key, value)| match key {
        Value::Str(key) => Some((key, value)),
        _ => None,
    });
    entries.collect()
}

/// The wire form of a typed variant as owned entries.
fn wire_entries(value: &Value) -> Vec<(String, Value)> {
    let fields = fields::unfold(value).unwrap_or_default();
    fields
        .into_iter()
        .map(|(key, field)| (key.to_owned(), field.to_value()))
        .collect()
}

impl<'de> de::Deserializer<'de> for ValueDeserializer {
    type Error = WireError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Encoded(bytes) => ValueDeserializer(crate::decode(&bytes)?).deserialize_any(visitor),
            Value::Nil => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(b),
            Value::Int(i) => visitor.visit_i64(i),
            Value::UInt(u) => visitor.visit_u64(u),
            Value::Float(f) => visitor.visit_f64(f),
            Value::Str(s) => visitor.visit_string(s),
            Value::Bytes(data) => visit_bytes(data, visitor),
            Value::Timestamp { seconds, nanoseconds } => {
                let mut body = nanoseconds.to_be_bytes().to_vec();
                body.extend_from_slice(&seconds.to_be_bytes());
                let ext = Value::List(vec![Value::Int(-1), Value::Bytes(body.into())]);
                visitor.visit_newtype_struct(ValueDeserializer(ext))
            }
            Value::List(items) => visit_list(items, visitor),
            Value::Map(entries) => visit_map(entries, visitor),
            typed => visit_map(wire_entries(&typed), visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }
    scalars! { deserialize_bool deserialize_f32 deserialize_f64 }
    binaries! { deserialize_bytes deserialize_byte_buf }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let elements = match &self.0 {
            Value::Bytes(data) | Value::MemoryView(data) => arrays::elements("uint8", data),
            Value::TypedArray(array) => arrays::elements(&array.dtype, &array.data),
            Value::NdArray(array) if array.shape.len() == 1 => arrays::elements(&array.dtype, &array.data),
            _ => None,
        };
        match (elements, self.0) {
            (Some(items), _) | (None, Value::Set(items)) => visit_list(items, visitor),
            (None, Value::OrderedMap(pairs)) => visit_list(
                pairs.into_iter().map(|(k, v)| Value::List(vec![k, v])).collect(),
                visitor,
            ),
            (None, other) => ValueDeserializer(other).deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::OrderedMap(pairs) if pairs.iter().all(|(key, _)| key.as_str().is_some()) => {
                visit_map(string_keys(pairs), visitor)
            }
            other => ValueDeserializer(other).deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            Value::Str(variant) => visitor.visit_enum(Variant {
                variant,
                content: None,
            }),
            Value::Map(mut entries) if entries.len() == 1 => match entries.pop() {
                Some((variant, content)) => visitor.visit_enum(Variant {
                    variant,
                    content: Some(content),
                }),
                None => Err(WireError::custom("an empty map, expected a variant")),
            },
            _ => Err(WireError::custom(
                "expected a variant name, or a map with one variant as its key",
            )),
        }
    }

    serde::forward_to_deserialize_any! {
        char str string unit unit_struct identifier ignored_any
    }
}

/// Items of a list; errors get the index.
struct ListAccess {
    items: vec::IntoIter<Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for ListAccess {
    type Error = WireError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let value = seed
            .deserialize(ValueDeserializer(item))
            .map_err(|e| e.within(&format!("[{}]", self.index)))?;
        self.index += 1;
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// Entries of a map; errors get the key.
struct Entries {
    entries: vec::IntoIter<(String, Value)>,
    pending: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = WireError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        let read = seed.deserialize(KeyDeserializer(key.clone()))?;
        self.pending = Some((key, value));
        Ok(Some(read))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        let (key, value) = self
            .pending
            .take()
            .ok_or_else(|| WireError::custom("a value was asked for before its key"))?;
        seed.deserialize(ValueDeserializer(value))
            .map_err(|e| e.within(&key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A map key: text, read as an integer or a boolean where the type asks for one.
struct KeyDeserializer(String);

macro_rules! parsed_keys {
    ($($method:ident => $visit:ident($type:ty);)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0.parse::<$type>() {
                Ok(key) => visitor.$visit(key),
                Err(_) => visitor.visit_string(self.0),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for KeyDeserializer {
    type Error = WireError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_string(self.0)
    }

    parsed_keys! {
        deserialize_bool => visit_bool(bool);
        deserialize_i8 => visit_i64(i64);
        deserialize_i16 => visit_i64(i64);
        deserialize_i32 => visit_i64(i64);
        deserialize_i64 => visit_i64(i64);
        deserialize_u8 => visit_u64(u64);
        deserialize_u16 => visit_u64(u64);
        deserialize_u32 => visit_u64(u64);
        deserialize_u64 => visit_u64(u64);
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let key: StringDeserializer<WireError> = self.0.into_deserializer();
        key.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// An enum variant and its content.
struct Variant {
    variant: String,
    content: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = WireError;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content)> {
        let variant = seed.deserialize(KeyDeserializer(self.variant.clone()))?;
        Ok((
            variant,
            Content {
                variant: self.variant,
                content: self.content,
            },
        ))
    }
}

/// The content of an enum variant.
struct Content {
    variant: String,
    content: Option<Value>,
}

impl<'de> VariantAccess<'de> for Content {
    type Error = WireError;

    fn unit_variant(self) -> Result<()> {
        match self.content {
            None | Some(Value::Nil) => Ok(()),
            Some(_) => Err(
                WireError::invalid_type(Unexpected::NewtypeVariant, &"a variant without content")
                    .within(&self.variant),
            ),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(ValueDeserializer(self.content.unwrap_or(Value::Nil)))
            .map_err(|e| e.within(&self.variant))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        let content = ValueDeserializer(self.content.unwrap_or(Value::Nil));
        de::Deserializer::deserialize_tuple(content, len, visitor).map_err(|e| e.within(&self.variant))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let content = ValueDeserializer(self.content.unwrap_or(Value::Nil));
        de::Deserializer::deserialize_struct(content, "", fields, visitor)
            .map_err(|e| e.within(&self.variant))
    }
}
