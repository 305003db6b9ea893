//! The commands as a user meets them: the real binaries, in an empty folder, with an environment of their own.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod commands;
mod original;
mod serving;
mod world;
