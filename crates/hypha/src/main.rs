//! The hypha command.
fn main() {}
