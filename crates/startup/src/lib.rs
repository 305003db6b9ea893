//! Start-up functions: what an operator wants to run with the server (`--startup-functions`).
//!
//! Python functions run in one child process with one connection as the root user, other programs in a process each.
//! Both are ordinary clients; what is not public about them is the pipe through which the server tells the Python process
//! what to run, and through which it asks the functions that decide about tokens.
//!
//! | module | what |
//! | --- | --- |
//! | `entry` | what the operator has written |
//! | `startup` | running all of it once, and what is kept running afterwards |
//! | `python`, `link`, `message`, `desk` | the Python process: starting it, the pipe, what is said, what it may ask |
//! | `provider` | the functions that decide about tokens, as an identity provider of the hub |
//! | `program` | the other programs |
//! | `process`, `lines`, `backoff` | child processes, what they print, when they are started again |

mod backoff;
mod desk;
mod entry;
mod error;
mod lines;
mod link;
mod message;
mod process;
mod program;
mod provider;
mod python;
mod startup;

pub use entry::Entry;
pub use error::Error;
pub use startup::{Options, Startup};
