//! `lateenctl`: reads the command line, does it, says what failed.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use ctl::commands::Cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Cli::parse().run(&mut io::stdout()).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has enough, as with `| head`.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            writeln!(io::stderr(), "Error: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}
