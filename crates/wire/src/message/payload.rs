//! The second segment of a message: arguments, the promise, or the encrypted form of both.

use bytes::Bytes;

use crate::codec::{Limits, decode_entries, emit, encode_into, estimate};
use crate::error::{Result, WireError};
use crate::value::{Method, Value};

/// Arguments and what the caller wants back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload {
    /// `args`: positional arguments; the last one holds the keyword arguments if `with_kwargs`.
    pub args: Vec<Value>,
    /// `with_kwargs`.
    pub with_kwargs: bool,
    /// `promise`: how the caller wants the answer, if it does.
    pub promise: Option<PromiseSpec>,
    /// `t`: seconds between heartbeats of a [`PromiseSpec::Short`] call.
    pub t: Option<f64>,
    /// `data`: what some events carry. Without an `_enc` beside it.
    pub data: Option<Value>,
    /// `_enc` and `data`: replaces everything above.
    pub encrypted: Option<Encrypted>,
}

/// How a caller wants its answer (`promise`).
#[derive(Clone, Debug, PartialEq)]
pub enum PromiseSpec {
    /// `"*"`: call `<session>.resolve` or `.reject`, and `.heartbeat` every `t` seconds.
    Short,
    /// The functions to call.
    Full(Box<PromiseMethods>),
}

/// The functions of a promise in its full form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromiseMethods {
    /// Called with the result.
    pub resolve: Method,
    /// Called with the error.
    pub reject: Method,
    /// Called while the method runs.
    pub heartbeat: Option<Method>,
    /// Seconds between heartbeats.
    pub interval: Option<f64>,
}

/// The envelope of an end-to-end encrypted payload. The plaintext is an encoded [`Payload`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// `v`: version of the scheme; 2 is `crypto_box` (X25519, XSalsa20-Poly1305).
    pub v: u64,
    /// `pub`: the sender's public key.
    pub pub_key: [u8; 32],
    /// `nonce`.
    pub nonce: [u8; 24],
    /// `data`: the ciphertext with its tag.
    pub ciphertext: Bytes,
}

impl Payload {
    /// Positional arguments, no answer wanted.
    pub fn args(args: Vec<Value>) -> Self {
        Payload {
            args,
            ..Payload::default()
        }
    }

    /// Adds keyword arguments; none is the same as not calling this.
    pub fn kwargs(mut self, kwargs: Vec<(String, Value)>) -> Self {
        if !kwargs.is_empty() {
            self.args.push(Value::Map(kwargs));
            self.with_kwargs = true;
        }
        self
    }

    /// True if there is nothing to send.
    pub fn is_empty(&self) -> bool {
        *self == Payload::default()
    }

    /// The arguments: positional, and by keyword.
    pub fn into_args(mut self) -> (Vec<Value>, Vec<(String, Value)>) {
        if !self.with_kwargs {
            return (self.args, Vec::new());
        }
        match self.args.pop() {
            Some(Value::Map(kwargs)) => (self.args, kwargs),
            last => {
                self.args.extend(last);
                (self.args, Vec::new())
            }
        }
    }

    /// Decodes a payload: nothing, or one map. Keys that the protocol does not define are ignored.
    ///
    /// # Errors
    /// If it is malformed, a field has the wrong type, or something follows it.
    pub fn decode(bytes: &Bytes, limits: &Limits) -> Result<Self> {
        let mut payload = Payload::default();
        if bytes.is_empty() {
            return Ok(payload);
        }
        let (entries, len) = decode_entries(bytes, limits, "payload")?;
        if len < bytes.len() {
            return Err(WireError::Trailing(bytes.len() - len));
        }
        let mut envelope = None;
        for (key, value) in entries {
            match (key.as_str(), value) {
                ("args", Value::List(args)) => payload.args = args,
                ("args", Value::Nil) => {}
                ("args", _) => return Err(WireError::bad_type("args", "a list")),
                ("with_kwargs", value) => {
                    payload.with_kwargs = value
                        .as_bool()
                        .ok_or_else(|| WireError::bad_type("with_kwargs", "a boolean"))?;
                }
                ("promise", value) => payload.promise = promise(value)?,
                ("t", Value::Nil) => {}
                ("t", value) => {
                    payload.t = Some(
                        value
                            .as_f64()
                            .ok_or_else(|| WireError::bad_type("t", "a number"))?,
                    );
                }
                ("_enc", value) => envelope = Some(value),
                ("data", value) => payload.data = Some(value),
                _ => {}
            }
        }
        if payload.with_kwargs && payload.args.last().is_none_or(|last| last.as_map().is_none()) {
            return Err(WireError::bad_type(
                "args",
                "a list that ends with a map, as with_kwargs says",
            ));
        }
        match envelope {
            None => Ok(payload),
            Some(envelope) => {
                let encrypted = Some(Encrypted::from_parts(&envelope, payload.data)?);
                Ok(Payload {
                    encrypted,
                    ..Payload::default()
                })
            }
        }
    }

    /// Encodes the payload as a map, also if it is empty: the plaintext of end-to-end encryption.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.encode_into(&mut out);
        out
    }

    /// About how many bytes the payload takes.
    pub(super) fn estimate(&self) -> usize {
        let sealed = self
            .encrypted
            .as_ref()
            .map_or(0, |encrypted| encrypted.ciphertext.len());
        self.args.iter().chain(&self.data).map(estimate).sum::<usize>() + sealed
    }

    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        if let Some(encrypted) = &self.encrypted {
            return encrypted.encode_into(out);
        }
        let fields = [
            !self.args.is_empty(),
            self.with_kwargs,
            self.promise.is_some(),
            self.t.is_some(),
            self.data.is_some(),
        ];
        emit::map(out, fields.into_iter().filter(|there| *there).count());
        if !self.args.is_empty() {
            emit::str(out, "args");
            emit::array(out, self.args.len());
            self.args.iter().for_each(|arg| encode_into(arg, out));
        }
        if self.with_kwargs {
            emit::str(out, "with_kwargs");
            emit::bool(out, true);
        }
        if let Some(promise) = &self.promise {
            emit::str(out, "promise");
            match promise {
                PromiseSpec::Short => emit::str(out, "*"),
                PromiseSpec::Full(methods) => encode_into(&methods.to_value(), out),
            }
        }
        if let Some(t) = self.t {
            emit::str(out, "t");
            emit::float(out, t);
        }
        if let Some(data) = &self.data {
            emit::str(out, "data");
            encode_into(data, out);
        }
    }
}

/// The `promise` field; `None` if no answer is wanted.
fn promise(value: Value) -> Result<Option<PromiseSpec>> {
    const EXPECTED: &str = "\"*\" or a map with the functions resolve and reject";
    let function = |key: &str| value.get(key).and_then(Value::as_method).cloned();
    match &value {
        Value::Nil | Value::Bool(false) => Ok(None),
        Value::Str(short) if short == "*" => Ok(Some(PromiseSpec::Short)),
        _ => match (function("resolve"), function("reject")) {
            (Some(resolve), Some(reject)) => {
                let interval = value.get("interval").and_then(Value::as_f64);
                let heartbeat = function("heartbeat");
                Ok(Some(PromiseSpec::Full(Box::new(PromiseMethods {
                    resolve,
                    reject,
                    heartbeat,
                    interval,
                }))))
            }
            _ => Err(WireError::bad_type("promise", EXPECTED)),
        },
    }
}

impl PromiseMethods {
    fn to_value(&self) -> Value {
        let mut map = Value::empty_map();
        if let Some(heartbeat) = &self.heartbeat {
            map.insert("heartbeat", heartbeat.clone());
        }
        if let Some(interval) = self.interval {
            map.insert("interval", interval);
        }
        map.insert("resolve", self.resolve.clone());
        map.insert("reject", self.reject.clone());
        map
    }
}

impl Encrypted {
    fn from_parts(envelope: &Value, data: Option<Value>) -> Result<Self> {
        fn fixed<const N: usize>(value: Option<&Value>) -> Option<[u8; N]> {
            value?.as_bytes()?.as_ref().try_into().ok()
        }
        let bad = WireError::bad_type;
        let version = envelope.get("v").and_then(Value::as_u64);
        Ok(Encrypted {
            v: version.ok_or_else(|| bad("_enc.v", "a version number"))?,
            pub_key: fixed(envelope.get("pub")).ok_or_else(|| bad("_enc.pub", "32 bytes"))?,
            nonce: fixed(envelope.get("nonce")).ok_or_else(|| bad("_enc.nonce", "24 bytes"))?,
            ciphertext: match data {
                Some(Value::Bytes(data)) => data,
                _ => return Err(bad("data", "bytes, beside _enc")),
            },
        })
    }

    fn encode_into(&self, out: &mut Vec<u8>) {
        emit::map(out, 2);
        emit::str(out, "_enc");
        emit::map(out, 3);
        emit::str(out, "v");
        emit::uint(out, self.v);
        emit::str(out, "pub");
        emit::bin(out, &self.pub_key);
        emit::str(out, "nonce");
        emit::bin(out, &self.nonce);
        emit::str(out, "data");
        emit::bin(out, &self.ciphertext);
    }
}
