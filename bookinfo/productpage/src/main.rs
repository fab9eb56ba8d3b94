//! The process of the productpage service; the library says what it does.

use std::process::ExitCode;

use productpage::{Config, app};

fn main() -> ExitCode {
    kit::run("productpage", |identity, env| app(identity, &Config::read(env)))
}
