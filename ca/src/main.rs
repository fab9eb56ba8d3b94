//! ca

fn main() {}
