//! The serializer behind [`to_value`](super::to_value).

use bytes::Bytes;
use serde::ser::{
    self, Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
};

use super::ser::{ENCODED_STRUCT, EXT_STRUCT};
use crate::codec;
use crate::error::{Result, WireError};
use crate::value::{Value, fields};

/// Builds one [`Value`].
pub(super) struct ValueSerializer;

macro_rules! scalars {
    ($($method:ident($type:ty) => $make:expr;)*) => {$(
        fn $method(self, v: $type) -> Result<Value> {
            Ok($make(v))
        }
    )*};
}

impl ser::Serializer for ValueSerializer {
    type Ok = Value;
    type Error = WireError;
    type SerializeSeq = ListBuilder;
    type SerializeTuple = ListBuilder;
    type SerializeTupleStruct = ListBuilder;
    type SerializeTupleVariant = ListBuilder;
    type SerializeMap = MapBuilder;
    type SerializeStruct = MapBuilder;
    type SerializeStructVariant = MapBuilder;

    scalars! {
        serialize_bool(bool) => Value::from;
        serialize_i8(i8) => Value::from;
        serialize_i16(i16) => Value::from;
        serialize_i32(i32) => Value::from;
        serialize_i64(i64) => Value::from;
        serialize_u8(u8) => Value::from;
        serialize_u16(u16) => Value::from;
        serialize_u32(u32) => Value::from;
        serialize_u64(u64) => Value::from;
        serialize_f32(f32) => Value::from;
        serialize_f64(f64) => Value::from;
        serialize_str(&str) => Value::from;
        serialize_char(char) => |c: char| Value::Str(c.to_string());
        serialize_bytes(&[u8]) => |b| Value::Bytes(Bytes::copy_from_slice(b));
        serialize_unit_struct(&'static str) => |_| Value::Nil;
    }

    fn serialize_i128(self, v: i128) -> Result<Value> {
        let wide = |_| WireError::custom("integers of more than 64 bits cannot be sent");
        i64::try_from(v)
            .map(Value::Int)
            .or_else(|_| u64::try_from(v).map(Value::from).map_err(wide))
    }

    fn serialize_u128(self, v: u128) -> Result<Value> {
        let wide = |_| WireError::custom("integers of more than 64 bits cannot be sent");
        u64::try_from(v).map(Value::from).map_err(wide)
    }

    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Nil)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Value> {
        let inner = value.serialize(self)?;
        if let (ENCODED_STRUCT, Value::Bytes(bytes)) = (name, &inner) {
            return Ok(Value::Encoded(bytes.clone()));
        }
        if name != EXT_STRUCT {
            return Ok(inner);
        }
        match inner.as_list() {
            Some([Value::Int(-1), Value::Bytes(body)]) => codec::timestamp(body),
            _ => Err(WireError::custom(
                "the only extension type that can be sent is the timestamp (-1)",
            )),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value> {
        let content = value.serialize(self).map_err(|e| e.within(variant))?;
        Ok(tagged(Some(variant), content))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<ListBuilder> {
        Ok(ListBuilder::new(None, len))
    }

    fn serialize_tuple(self, len: usize) -> Result<ListBuilder> {
        Ok(ListBuilder::new(None, Some(len)))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<ListBuilder> {
        Ok(ListBuilder::new(None, Some(len)))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<ListBuilder> {
        Ok(ListBuilder::new(Some(variant), Some(len)))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<MapBuilder> {
        Ok(MapBuilder::new(None, len))
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<MapBuilder> {
        Ok(MapBuilder::new(None, Some(len)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<MapBuilder> {
        Ok(MapBuilder::new(Some(variant), Some(len)))
    }
}

/// The content of an enum variant (or of no variant) as a value.
fn tagged(variant: Option<&'static str>, content: Value) -> Value {
    match variant {
        Some(variant) => Value::Map(vec![(variant.to_owned(), content)]),
        None => content,
    }
}

/// Collects a list, or the content of a tuple variant.
pub(super) struct ListBuilder {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

impl ListBuilder {
    fn new(variant: Option<&'static str>, len: Option<usize>) -> Self {
        ListBuilder {
            variant,
            items: Vec::with_capacity(len.unwrap_or(0)),
        }
    }

    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
        let item = item
            .serialize(ValueSerializer)
            .map_err(|e| e.within(&format!("[{}]", self.items.len())))?;
        self.items.push(item);
        Ok(())
    }

    fn finish(self) -> Result<Value> {
        Ok(tagged(self.variant, Value::List(self.items)))
    }
}

macro_rules! list_builder {
    ($($trait:ident::$push:ident),*) => {$(
        impl $trait for ListBuilder {
            type Ok = Value;
            type Error = WireError;

            fn $push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
                self.push(item)
            }

            fn end(self) -> Result<Value> {
                self.finish()
            }
        }
    )*};
}
list_builder!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// Collects a map, a struct, or the content of a struct variant.
pub(super) struct MapBuilder {
    variant: Option<&'static str>,
    entries: Vec<(String, Value)>,
    /// Key whose value comes next.
    key: String,
}

impl MapBuilder {
    fn new(variant: Option<&'static str>, len: Option<usize>) -> Self {
        MapBuilder {
            variant,
            entries: Vec::with_capacity(len.unwrap_or(0)),
            key: String::new(),
        }
    }

    fn push<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<()> {
        let value = value.serialize(ValueSerializer).map_err(|e| e.within(&key))?;
        self.entries.push((key, value));
        Ok(())
    }

    fn finish(self) -> Result<Value> {
        Ok(tagged(self.variant, fields::fold(self.entries)))
    }
}

impl SerializeMap for MapBuilder {
    type Ok = Value;
    type Error = WireError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = match key.serialize(ValueSerializer)? {
            Value::Str(key) => key,
            Value::Int(key) => key.to_string(),
            Value::UInt(key) => key.to_string(),
            Value::Bool(key) => key.to_string(),
            _ => {
                return Err(WireError::custom(
                    "map keys must be strings, integers or booleans",
                ));
            }
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = std::mem::take(&mut self.key);
        self.push(key, value)
    }

    fn end(self) -> Result<Value> {
        self.finish()
    }
}

macro_rules! struct_builder {
    ($($trait:ident),*) => {$(
        impl $trait for MapBuilder {
            type Ok = Value;
            type Error = WireError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
                self.push(key.to_owned(), value)
            }

            fn end(self) -> Result<Value> {
                self.finish()
            }
        }
    )*};
}
struct_builder!(SerializeStruct, SerializeStructVariant);
