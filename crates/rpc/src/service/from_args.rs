//! Typed arguments for closures: a tuple takes arguments by position.

use hypha_wire::Value;
use serde::de::DeserializeOwned;

use super::{CallArgs, CallContext, ParamSpec};
use crate::error::RemoteFailure;

/// What a closure of a [`DynService`](super::DynService) or a [`Callback`](crate::Callback) takes.
///
/// A tuple takes its members by position; those that the caller leaves out read as `nil`, so make them [`Option`]s.
/// [`CallArgs`] takes everything as it came.
pub trait FromArgs: Sized {
    /// Converts the arguments of one call.
    ///
    /// # Errors
    /// `TypeError` for too many arguments, or one of the wrong type.
    fn from_args(context: &CallContext, args: CallArgs) -> Result<Self, RemoteFailure>;
}

impl FromArgs for CallArgs {
    fn from_args(_: &CallContext, args: CallArgs) -> Result<Self, RemoteFailure> {
        Ok(args)
    }
}

/// Names of tuple members, for keyword arguments that give a position, and for errors.
const POSITIONS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

fn by_position<const N: usize>(context: &CallContext, args: CallArgs) -> Result<[Value; N], RemoteFailure> {
    let params: Vec<ParamSpec> = POSITIONS[..N]
        .iter()
        .map(|name| ParamSpec::optional(*name).or_map())
        .collect();
    let name = context.method().rsplit(['.', '#']).next().unwrap_or_default();
    let mut bound = args.bind(name, &params)?;
    Ok(std::array::from_fn(|index| {
        bound.take(index).unwrap_or(Value::Nil)
    }))
}

macro_rules! tuples {
    ($($count:literal: $($name:ident)*;)*) => {$(
        impl<$($name: DeserializeOwned),*> FromArgs for ($($name,)*) {
            #[expect(non_snake_case, reason = "type parameters double as variable names")]
            fn from_args(context: &CallContext, args: CallArgs) -> Result<Self, RemoteFailure> {
                let [$($name),*] = by_position::<$count>(context, args)?;
                let mut positions = POSITIONS.iter();
                Ok(($(context.decode_arg(positions.next().unwrap_or(&""), Some($name))?,)*))
            }
        }
    )*};
}

tuples! {
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
}

impl FromArgs for () {
    fn from_args(context: &CallContext, args: CallArgs) -> Result<Self, RemoteFailure> {
        by_position::<0>(context, args).map(|_| ())
    }
}
