//! Arguments of outgoing calls.

use hypha_wire::{Value, to_value};
use serde::Serialize;

use crate::error::Error;
use crate::service::CallArgs;

/// What can be given as the arguments of a call: `()`, a tuple of serializable values, [`CallArgs`], a `Vec` of
/// [`Value`]s, or what [`args!`](crate::args) makes.
///
/// The conversion runs while the session of the call is open, so callbacks and generators may be anywhere inside.
pub trait IntoArgs {
    /// Converts the arguments.
    ///
    /// # Errors
    /// A value has no wire form.
    fn into_args(self) -> Result<CallArgs, Error>;
}

impl IntoArgs for CallArgs {
    fn into_args(self) -> Result<CallArgs, Error> {
        Ok(self)
    }
}

impl IntoArgs for Vec<Value> {
    fn into_args(self) -> Result<CallArgs, Error> {
        Ok(CallArgs::positional(self))
    }
}

impl IntoArgs for () {
    fn into_args(self) -> Result<CallArgs, Error> {
        Ok(CallArgs::default())
    }
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: Serialize),*> IntoArgs for ($($name,)*) {
            #[expect(non_snake_case, reason = "type parameters double as variable names")]
            fn into_args(self) -> Result<CallArgs, Error> {
                let ($($name,)*) = self;
                Ok(CallArgs::positional(vec![$(to_value(&$name)?),*]))
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

/// Arguments that a closure writes when the session of the call is open. Made by [`args!`](crate::args).
pub struct LazyArgs<F>(F);

impl<F: FnOnce(&mut CallArgs) -> Result<(), Error>> LazyArgs<F> {
    /// Arguments that `write` will add.
    pub fn new(write: F) -> Self {
        Self(write)
    }
}

impl<F: FnOnce(&mut CallArgs) -> Result<(), Error>> IntoArgs for LazyArgs<F> {
    fn into_args(self) -> Result<CallArgs, Error> {
        let mut args = CallArgs::default();
        (self.0)(&mut args)?;
        Ok(args)
    }
}

impl CallArgs {
    /// Adds a positional argument.
    ///
    /// # Errors
    /// The value has no wire form.
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.positional.push(to_value(value)?);
        Ok(())
    }

    /// Adds a keyword argument.
    ///
    /// # Errors
    /// The value has no wire form.
    pub fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        self.kwargs.push((name.to_owned(), to_value(value)?));
        Ok(())
    }
}

/// The arguments of a call, positional ones first, keyword ones as `name = value`.
///
/// ```no_run
/// # async fn f(service: hypha_rpc::RemoteService) -> Result<(), hypha_rpc::Error> {
/// use hypha_rpc::args;
///
/// let sum: f64 = service.call("add", args![1, b = 2]).await?;
/// # Ok(()) }
/// ```
#[macro_export]
macro_rules! args {
    (@write $args:ident;) => {};
    (@write $args:ident; $name:ident = $value:expr $(, $($rest:tt)*)?) => {
        $args.set(stringify!($name), &$value)?;
        $crate::args!(@write $args; $($($rest)*)?);
    };
    (@write $args:ident; $value:expr $(, $($rest:tt)*)?) => {
        $args.push(&$value)?;
        $crate::args!(@write $args; $($($rest)*)?);
    };
    ($($all:tt)*) => {
        $crate::LazyArgs::new(|args: &mut $crate::CallArgs| -> ::std::result::Result<(), $crate::Error> {
            let _ = &args;
            $crate::args!(@write args; $($all)*);
            Ok(())
        })
    };
}
