//! galley

fn main() {}
