//! The process of the ratings service; the library says what it does.

use std::process::ExitCode;

use ratings::{Variant, app};

fn main() -> ExitCode {
    kit::run("ratings", |identity, _| app(identity, Variant::of(&identity.version)))
}
