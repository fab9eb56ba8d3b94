//! The process of the reviews service; the library says what it does.

use std::process::ExitCode;

use reviews::{Config, app};

fn main() -> ExitCode {
    kit::run("reviews", |identity, env| app(identity, Config::read(env)))
}
