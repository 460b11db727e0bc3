//! Argument parsing and dispatch.
fn main() {}
