//! The Hypha wire format: two concatenated MessagePack maps in one frame.
//!
//! This crate turns bytes into typed values and back, and lets a hub route a frame without decoding it.
//! It does no I/O, spawns nothing, owns no clock; every function is a pure function of its input.
//!
//! | module | subject |
//! |---|---|
//! | [`value`] | the value tree: scalars, containers and every `_rtype` as a Rust type |
//! | [`codec`] | MessagePack bytes to [`Value`] and back, with limits |
//! | [`convert`] | serde types to [`Value`] and back |
//! | [`frame`] | the two segments of a frame, header scan and rewrite, payload key scan |
//! | [`message`] | a typed outgoing or received message |
//! | [`transfer`] | incremental key scan of a chunked transfer, chunk split and reassembly |

pub mod codec;
pub mod convert;
pub mod error;
pub mod frame;
pub mod message;
pub mod transfer;
pub mod value;

pub use codec::{Limits, decode, encode};
pub use convert::{from_value, to_value};
pub use error::WireError;
pub use value::{Generator, Method, NdArray, Promise, RemoteError, TypedArray, Value};
