//! The wire form of every `_rtype`: which keys, in which order, with which values.
//!
//! This is the only place that knows the names. The codec and the serde implementations write what [`unfold`]
//! lists, and both turn a decoded map into a typed value with [`fold`].

use bytes::{Bytes, BytesMut};
use smallvec::{SmallVec, smallvec};

use super::{Generator, Method, NdArray, Promise, RemoteError, TypedArray, Value};

/// A borrowed value of one field.
#[derive(Clone, Copy)]
pub(crate) enum Field<'a> {
    Bool(bool),
    Str(&'a str),
    Bytes(&'a Bytes),
    Shape(&'a [u64]),
    List(&'a [Value]),
    Pairs(&'a [(Value, Value)]),
    Value(&'a Value),
}

/// Keys and values of one typed value, in the order in which the official Python client writes them.
pub(crate) type Fields<'a> = SmallVec<[(&'a str, Field<'a>); 10]>;

/// The wire map of a typed variant; `None` for scalars, lists and plain maps.
pub(crate) fn unfold(value: &Value) -> Option<Fields<'_>> {
    use Field as F;
    Some(match value {
        Value::Method(method) => unfold_method(method),
        Value::Generator(generator) => unfold_generator(generator),
        Value::StopIteration => smallvec![("_rtype", F::Str("stop_iteration"))],
        Value::NdArray(array) => unfold_ndarray(array),
        Value::TypedArray(array) => unfold_typedarray(array),
        Value::MemoryView(bytes) => smallvec![("_rtype", F::Str("memoryview")), ("_rvalue", F::Bytes(bytes))],
        Value::Error(error) => unfold_error(error),
        Value::Set(items) => smallvec![("_rtype", F::Str("set")), ("_rvalue", F::List(items))],
        Value::OrderedMap(pairs) => {
            smallvec![("_rtype", F::Str("orderedmap")), ("_rvalue", F::Pairs(pairs))]
        }
        Value::IoStream(members) => members
            .iter()
            .map(|(key, member)| (key.as_str(), F::Value(member)))
            .chain([("_rtype", F::Str("iostream"))])
            .collect(),
        Value::PydanticModel { fields, schema } => smallvec![
            ("_rvalue", F::Value(fields)),
            ("_rschema", F::Value(schema)),
            ("_rtype", F::Str("pydantic_model")),
        ],
        _ => return None,
    })
}

/// The wire map of a [`Method`].
pub(crate) fn unfold_method(method: &Method) -> Fields<'_> {
    let mut fields = Fields::new();
    fields.push(("_rtype", Field::Str("method")));
    push_str(&mut fields, "_rserver", method.server.as_deref());
    fields.push(("_rtarget", Field::Str(&method.target)));
    fields.push(("_rmethod", Field::Str(&method.path)));
    fields.push((
        "_rpromise",
        match method.promise {
            Promise::Short => Field::Str("*"),
            Promise::Full => Field::Bool(true),
            Promise::None => Field::Bool(false),
        },
    ));
    push_str(&mut fields, "_rname", method.name.as_deref());
    if let Some(is_async) = method.is_async {
        fields.push(("_rasync", Field::Bool(is_async)));
    }
    push_str(&mut fields, "_rdoc", method.doc.as_deref());
    if let Some(schema) = &method.schema {
        fields.push(("_rschema", Field::Value(schema)));
    }
    if let Some(key) = &method.encryption_public_key {
        fields.push(("_renc_pub", Field::Bytes(key)));
    }
    fields
}

/// The wire map of a [`Generator`].
pub(crate) fn unfold_generator(generator: &Generator) -> Fields<'_> {
    let mut fields = Fields::new();
    fields.push(("_rtype", Field::Str("generator")));
    push_str(&mut fields, "_rserver", generator.server.as_deref());
    fields.push(("_rtarget", Field::Str(&generator.target)));
    fields.push(("_rmethod", Field::Str(&generator.next)));
    push_str(&mut fields, "_rclose_method", generator.close.as_deref());
    fields.push(("_rpromise", Field::Str("*")));
    push_str(&mut fields, "_rdoc", generator.doc.as_deref());
    fields
}

/// The wire map of an [`NdArray`].
pub(crate) fn unfold_ndarray(array: &NdArray) -> Fields<'_> {
    smallvec![
        ("_rtype", Field::Str("ndarray")),
        ("_rvalue", Field::Bytes(&array.data)),
        ("_rshape", Field::Shape(&array.shape)),
        ("_rdtype", Field::Str(&array.dtype)),
    ]
}

/// The wire map of a [`TypedArray`].
pub(crate) fn unfold_typedarray(array: &TypedArray) -> Fields<'_> {
    smallvec![
        ("_rtype", Field::Str("typedarray")),
        ("_rvalue", Field::Bytes(&array.data)),
        ("_rdtype", Field::Str(&array.dtype)),
    ]
}

/// The wire map of a [`RemoteError`].
pub(crate) fn unfold_error(error: &RemoteError) -> Fields<'_> {
    smallvec![
        ("_rtype", Field::Str("error")),
        ("_rvalue", Field::Str(&error.message)),
        ("_rtrace", Field::Str(&error.trace)),
    ]
}

fn push_str<'a>(fields: &mut Fields<'a>, key: &'a str, value: Option<&'a str>) {
    if let Some(value) = value {
        fields.push((key, Field::Str(value)));
    }
}

impl Field<'_> {
    /// The field as an owned value (bytes are shared, not copied).
    pub(crate) fn to_value(self) -> Value {
        match self {
            Field::Bool(b) => Value::Bool(b),
            Field::Str(s) => Value::Str(s.to_owned()),
            Field::Bytes(b) => Value::Bytes(b.clone()),
            Field::Shape(shape) => Value::List(shape.iter().map(|n| Value::from(*n)).collect()),
            Field::List(items) => Value::List(items.to_vec()),
            Field::Pairs(pairs) => Value::List(
                pairs
                    .iter()
                    .map(|(k, v)| Value::List(vec![k.clone(), v.clone()]))
                    .collect(),
            ),
            Field::Value(value) => value.clone(),
        }
    }
}

/// Turns a decoded map into the typed value its `_rtype` names.
///
/// A map without `_rtype`, with one that is not known here (custom codecs, `pydantic-model`), or whose fields do not
/// have the shape of its `_rtype` stays a [`Value::Map`] with everything it had, as in the official clients. Fields that
/// an `_rtype` does not define are dropped, except those of a file-like object.
pub(crate) fn fold(entries: Vec<(String, Value)>) -> Value {
    let mut map = Entries(entries);
    let folded = match map.get("_rtype").and_then(Value::as_str) {
        Some("method") => map.method(),
        Some("generator") => map.generator(),
        Some("stop_iteration") => Some(Value::StopIteration),
        Some("ndarray") => map.ndarray(),
        Some("typedarray") => map.typedarray(),
        Some("memoryview") => map.bytes("_rvalue").map(Value::MemoryView),
        Some("error") => map.error(),
        Some("set") => map.take_list("_rvalue", |_| true).map(Value::Set),
        Some("orderedmap") => map.orderedmap(),
        Some("pydantic_model") => map.pydantic_model(),
        Some("iostream") => {
            map.0.retain(|(key, _)| key != "_rtype");
            return Value::IoStream(map.0);
        }
        _ => None,
    };
    folded.unwrap_or(Value::Map(map.0))
}

/// Typed look-ups in the entries of a map that has an `_rtype`.
///
/// Values are moved out only once everything the type needs is known to be there.
struct Entries(Vec<(String, Value)>);

impl Entries {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    fn str(&self, key: &str) -> Option<String> {
        self.get(key)?.as_str().map(str::to_owned)
    }

    fn bytes(&self, key: &str) -> Option<Bytes> {
        self.get(key)?.as_bytes().cloned()
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        let (_, value) = self.0.iter_mut().find(|(k, _)| k == key)?;
        Some(std::mem::replace(value, Value::Nil))
    }

    fn take_list(&mut self, key: &str, item: impl Fn(&Value) -> bool) -> Option<Vec<Value>> {
        match self.0.iter_mut().find(|(k, _)| k == key) {
            Some((_, Value::List(items))) if items.iter().all(item) => Some(std::mem::take(items)),
            _ => None,
        }
    }

    fn method(&mut self) -> Option<Value> {
        let promise = match self.get("_rpromise") {
            Some(Value::Str(s)) if s == "*" => Promise::Short,
            Some(Value::Bool(true)) => Promise::Full,
            Some(Value::Bool(false) | Value::Nil) | None => Promise::None,
            Some(_) => return None,
        };
        Some(Value::from(Method {
            target: self.str("_rtarget")?,
            path: self.str("_rmethod")?,
            promise,
            server: self.str("_rserver"),
            name: self.str("_rname"),
            doc: self.str("_rdoc"),
            schema: self.take("_rschema").filter(|schema| !schema.is_nil()),
            is_async: self.get("_rasync").and_then(Value::as_bool),
            encryption_public_key: self.bytes("_renc_pub"),
        }))
    }

    fn generator(&self) -> Option<Value> {
        Some(Value::from(Generator {
            target: self.str("_rtarget")?,
            next: self.str("_rmethod")?,
            close: self.str("_rclose_method"),
            server: self.str("_rserver"),
            doc: self.str("_rdoc"),
        }))
    }

    fn ndarray(&self) -> Option<Value> {
        let shape = self
            .get("_rshape")?
            .as_list()?
            .iter()
            .map(Value::as_u64)
            .collect::<Option<_>>()?;
        let data = match self.get("_rvalue")? {
            Value::List(chunks) => {
                let mut joined = BytesMut::new();
                for chunk in chunks {
                    joined.extend_from_slice(chunk.as_bytes()?);
                }
                joined.freeze()
            }
            value => value.as_bytes()?.clone(),
        };
        Some(Value::NdArray(NdArray {
            dtype: self.str("_rdtype")?,
            shape,
            data,
        }))
    }

    fn typedarray(&self) -> Option<Value> {
        Some(Value::TypedArray(TypedArray {
            dtype: self.str("_rdtype")?,
            data: self.bytes("_rvalue")?,
        }))
    }

    fn error(&self) -> Option<Value> {
        let trace = self.str("_rtrace").unwrap_or_default();
        Some(Value::Error(RemoteError {
            message: self.str("_rvalue")?,
            trace,
        }))
    }

    fn orderedmap(&mut self) -> Option<Value> {
        let pairs = self.take_list("_rvalue", |pair| matches!(pair.as_list(), Some([_, _])))?;
        let pairs = pairs.into_iter().filter_map(|pair| match pair {
            Value::List(mut pair) => {
                let value = pair.pop()?;
                Some((pair.pop()?, value))
            }
            _ => None,
        });
        Some(Value::OrderedMap(pairs.collect()))
    }

    fn pydantic_model(&mut self) -> Option<Value> {
        self.get("_rvalue")?;
        let schema = Box::new(self.take("_rschema")?);
        let fields = Box::new(self.take("_rvalue")?);
        Some(Value::PydanticModel { fields, schema })
    }
}
