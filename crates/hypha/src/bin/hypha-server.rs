//! The original server command line.
fn main() {}
