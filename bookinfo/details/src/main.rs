//! The process of the details service; the library says what it does.

use std::process::ExitCode;

use details::{Config, app};

fn main() -> ExitCode {
    kit::run("details", |identity, env| app(identity, Config::read(env)))
}
