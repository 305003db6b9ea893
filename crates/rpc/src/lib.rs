//! The Rust client of Hypha, and the service trait that the hub's own services share with it.

pub mod crypto;
mod error;
mod function;
mod into_args;
mod peer;
mod scope;
mod service;
mod value;

pub use error::{Error, ErrorKind, RemoteFailure};
pub use into_args::{IntoArgs, LazyArgs};
pub use peer::{
    ActAs, CallOptions, Event, HandlerId, Link, LinkError, Peer, PeerConfig, PeerLimits, TrySend,
};
pub use service::{
    BoundArgs, CallArgs, CallContext, DynService, Extension, FromArgs, FunctionSpec, ParamSpec, RequireContext,
    Service, ServiceConfig, ServiceSpec, Visibility,
};
pub use hypha_wire as wire;
pub use hypha_wire::{Method, NdArray, Value};
pub use value::{Callback, GeneratorOf, Interface, RemoteFunction, RemoteGenerator};
