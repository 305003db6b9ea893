//! What the server runs with: flags over environment over defaults, merged once at the start.
//!
//! | module | what |
//! | --- | --- |
//! | [`env`] | the environment, as one value |
//! | [`flags`] | the flags that have an effect |
//! | [`inert`] | the original's flags and variables that have none, and why |
//! | [`merge`] | the environment's values for flags that the command line leaves out |
//! | [`suggest`] | the nearest name to one that does not exist |
//! | [`mask`] | what may be shown of a secret |
//! | [`numbers`] | the limits that have a variable and no flag |
//! | `checks` | what single values must look like |
//! | [`files`] | where files are |
//! | `gateway` | what the gateway is told |
//! | `login` | what the login service is told |
//! | [`settings`] | all of it, checked |

mod checks;
pub(crate) mod env;
pub(crate) mod files;
pub(crate) mod flags;
mod gateway;
pub(crate) mod inert;
pub(crate) mod login;
pub(crate) mod mask;
pub(crate) mod merge;
pub(crate) mod numbers;
pub(crate) mod settings;
pub(crate) mod suggest;
