//! The `gridsweep` command.
fn main() {}
