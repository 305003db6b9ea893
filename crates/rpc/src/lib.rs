//! The Rust client of Hypha, and the service trait that the hub's own services share with it.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod client;
pub mod crypto;
mod error;
mod function;
mod into_args;
mod login;
#[doc(hidden)]
pub mod macros;
mod peer;
mod scope;
mod service;
mod value;

pub use client::{
    Client, Connect, ConnectionInfo, GetService, Manager, RemoteService, ServiceInfo, Status, TokenOptions,
    Transport, connect, connect_from_env,
};
pub use error::{Error, ErrorKind, RemoteFailure};
/// Turns the public methods of an `impl` block into a service.
///
/// ```
/// use hypha_rpc::{CallContext, RemoteFailure, service};
///
/// struct Calc;
///
/// /// Does sums.
/// #[service(id = "calc", name = "Calculator", visibility = "public")]
/// impl Calc {
///     /// Adds two numbers.
///     pub async fn add(&self, a: f64, #[arg(default = 1.0)] b: f64) -> f64 {
///         a + b
///     }
///
///     /// Divides.
///     pub fn divide(&self, a: f64, /** Must not be zero. */ b: f64) -> Result<f64, RemoteFailure> {
///         if b == 0.0 { Err(RemoteFailure::value("division by zero")) } else { Ok(a / b) }
///     }
///
///     /// Greets the caller.
///     pub async fn hello(&self, context: &CallContext, greeting: Option<String>) -> String {
///         format!("{} {}", greeting.as_deref().unwrap_or("Hello"), context.from())
///     }
/// }
/// # fn main() {}
/// ```
///
/// Options of the attribute: `id` (required), `name`, `service_type`, `description` (by default the comment of the
/// block), `docs`, `visibility` (`"public"`, `"protected"`, `"unlisted"`, or an expression), and the flags
/// `require_context` (tell other clients that functions use the context), `singleton`, and `camel_case_aliases` (list
/// each function under its camelCase name too). `customize = method` calls `self.method(&mut ServiceSpec)` at the end.
///
/// Every method with a receiver that is not private is a function, sync or async, of the parameters' names and with its comment as
/// documentation. `#[rpc(skip)]` hides one, `#[rpc(name = "files.read")]` renames it. Parameters can be anything that
/// serde reads; the JSON schema comes from their type if that has one. A parameter is optional if it is an `Option`
/// or has a default (`#[arg(default = 5)]`); `nil` reads as absent. References to a `str` or a slice work. A
/// [`CallContext`], by value or reference, anywhere among the parameters is the context of the call. Results are
/// anything serde writes, or a `Result` of it, whose error is a [`RemoteFailure`], converts into one, or is displayed
/// in a `RuntimeError`.
pub use hypha_rpc_macros::service;
pub use hypha_wire as wire;
pub use hypha_wire::{Method, NdArray, Value};
pub use into_args::{IntoArgs, LazyArgs};
pub use login::{Login, LoginPrompt, UserToken, login, logout};
pub use peer::{
    ActAs, CallOptions, Event, HandlerId, Link, LinkError, Peer, PeerConfig, PeerLimits, TrySend,
};
pub use service::{
    BoundArgs, CallArgs, CallContext, DynService, Extension, FromArgs, FunctionSpec, ParamSpec,
    RequireContext, Service, ServiceConfig, ServiceSpec, Visibility,
};
pub use value::{Callback, GeneratorOf, Interface, RemoteFunction, RemoteGenerator};
