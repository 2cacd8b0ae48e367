//! The command line of the mock.

fn main() {}
