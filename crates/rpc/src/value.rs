//! Values that are more than data: functions, generators and interfaces, local ones on their way out and remote ones
//! that came in.

mod callback;
mod generator;
mod interface;
mod remote_function;
mod remote_generator;

pub use callback::Callback;
pub use generator::GeneratorOf;
pub use interface::Interface;
pub use remote_function::RemoteFunction;
pub use remote_generator::RemoteGenerator;

/// The error of a conversion that needs a call around it and has none.
fn outside<E: serde::ser::Error>(what: &str) -> E {
    E::custom(format!(
        "{what} can only be an argument of a call or part of a result"
    ))
}
