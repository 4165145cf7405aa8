//! The vmsim command.
fn main() {}
