//! The commands as a user meets them: the real binaries, in an empty folder, with an environment of their own.

mod commands;
mod original;
mod serving;
mod world;
