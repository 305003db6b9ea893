//! The value tree of the protocol: scalars, containers, and each `_rtype` as a Rust type.
//!
//! A value is plain data. A [`Method`] names a remote function; it holds no connection.

use bytes::Bytes;

mod access;
pub(crate) mod fields;
#[cfg(test)]
pub(crate) mod samples;

/// One value as it travels in arguments, results and events.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `nil` (`None`, `null`, `undefined`).
    #[default]
    Nil,
    /// A boolean.
    Bool(bool),
    /// A signed integer. Non-negative integers above `i64::MAX` are [`Value::UInt`].
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// A 64-bit float (32-bit floats are widened on decode).
    Float(f64),
    /// UTF-8 text.
    Str(String),
    /// Raw bytes.
    Bytes(Bytes),
    /// The standard timestamp extension (-1), which JavaScript emits for `Date`. Never emitted by this project's peers.
    Timestamp {
        /// Seconds since the Unix epoch.
        seconds: i64,
        /// Nanoseconds within the second, below 1e9.
        nanoseconds: u32,
    },
    /// A list.
    List(Vec<Value>),
    /// A map with string keys, in wire order. Also maps with an `_rtype` that is not known here.
    Map(Vec<(String, Value)>),
    /// `_rtype: method`: a remote function.
    Method(Box<Method>),
    /// `_rtype: generator`.
    Generator(Box<Generator>),
    /// `_rtype: stop_iteration`, the answer of a generator that has ended.
    StopIteration,
    /// `_rtype: ndarray`.
    NdArray(NdArray),
    /// `_rtype: typedarray`.
    TypedArray(TypedArray),
    /// `_rtype: memoryview`.
    MemoryView(Bytes),
    /// `_rtype: error`: an exception as a value.
    Error(RemoteError),
    /// `_rtype: set`.
    Set(Vec<Value>),
    /// `_rtype: orderedmap`: key and value pairs, keys of any type.
    OrderedMap(Vec<(Value, Value)>),
    /// `_rtype: iostream`: the members of a file-like object (functions are [`Value::Method`]).
    IoStream(Vec<(String, Value)>),
    /// `_rtype: pydantic_model`: the fields and the JSON schema of a model.
    PydanticModel {
        /// The dumped fields (`_rvalue`).
        fields: Box<Value>,
        /// The JSON schema (`_rschema`).
        schema: Box<Value>,
    },
    /// The MessagePack of one value, made by [`encode`](crate::encode) before; written as it is. Decoding never gives it.
    Encoded(Bytes),
}

/// What a remote function promises to answer (`_rpromise`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Promise {
    /// `"*"`: the short form; the callee derives `resolve`, `reject` and `heartbeat` from the session.
    #[default]
    Short,
    /// `true`: the full promise map travels with the call.
    Full,
    /// `false`: no answer.
    None,
}

/// A remote function (`_rtype: method`).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Method {
    /// `_rtarget`: `client` or `workspace/client` of the owner; without `/` it is relative to the sender's workspace.
    pub target: String,
    /// `_rmethod`: dotted path in the owner's object store.
    pub path: String,
    /// `_rpromise`.
    pub promise: Promise,
    /// `_rserver`: base URL of the owner's server.
    pub server: Option<String>,
    /// `_rname`: the function's name.
    pub name: Option<String>,
    /// `_rdoc`.
    pub doc: Option<String>,
    /// `_rschema`: `{name, description, parameters}`.
    pub schema: Option<Value>,
    /// `_rasync`.
    pub is_async: Option<bool>,
    /// `_renc_pub`: the owner's public key, 32 bytes.
    pub encryption_public_key: Option<Bytes>,
}

/// A remote generator (`_rtype: generator`).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Generator {
    /// `_rtarget`, as in [`Method::target`].
    pub target: String,
    /// `_rmethod`: path of the next function.
    pub next: String,
    /// `_rclose_method`: path of the close function.
    pub close: Option<String>,
    /// `_rserver`.
    pub server: Option<String>,
    /// `_rdoc`.
    pub doc: Option<String>,
}

/// An n-dimensional array (`_rtype: ndarray`), C order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct NdArray {
    /// numpy dtype name: `float32`, `uint8`, `<U3`, ...
    pub dtype: String,
    /// Extent of each axis; empty for a scalar.
    pub shape: Vec<u64>,
    /// The elements, C order, in the sender's byte order (little endian on every supported platform).
    pub data: Bytes,
}

/// A JavaScript typed array (`_rtype: typedarray`), one-dimensional.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TypedArray {
    /// `int8` .. `uint32`, `float32`, `float64`.
    pub dtype: String,
    /// The elements, little endian.
    pub data: Bytes,
}

/// An exception (`_rtype: error`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RemoteError {
    /// `_rvalue`: `<Kind>: <message>`.
    pub message: String,
    /// `_rtrace`: a stack trace, possibly empty.
    pub trace: String,
}
