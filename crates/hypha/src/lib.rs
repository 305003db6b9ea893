//! The commands `hypha` and `hypha-server`: command line, configuration, and the one place where all parts of the
//! system meet.
//!
//! | module | what |
//! | --- | --- |
//! | `cli` | the commands, one file each |
//! | `config` | flags over environment over defaults |
//! | `serve` | a server in this process |
//! | `logging`, `signals` | what their names say |

mod artifacts;
mod cli;
mod config;
mod logging;
mod serve;
mod signals;

pub use cli::{hypha, hypha_server};
