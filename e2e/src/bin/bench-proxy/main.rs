//! `bench-proxy`: what one hop through the proxy costs, beside stock Envoy and a forwarder that is nothing but hyper.
//!
//! ```text
//!   one network namespace for each, with nothing but lo in it
//!   core 1: generator (a group of its own) ─10.96.0.10─► REDIRECT by owner ─► core 0: proxy ─10.1.0.1─► core 1: backend
//!   core 1: galley (a folder of YAML) ──► pilot (plaintext) ──xDS──► proxy
//! ```
//!
//! A pair is two proxies with mutual TLS between them, by certificates in files: a sidecar in the generator's namespace, and a
//! gateway in another one with the backend.
//!
//! All take turns, so that what else the machine does falls on all of them; medians count. CPU is what the kernel
//! gave to the proxy's threads, divided by the requests that succeeded: other load on the machine moves it little, and
//! a full generator does not hide it. A failed request fails the measurement.

#![allow(clippy::print_stdout, reason = "the table is the result")]

mod arm;
mod backend;
mod forward;
mod h2;
mod load;
mod measure;
mod mesh;
mod net;
mod report;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::arm::Kind;

/// One hop: CPU per request and memory, for our proxy, Envoy and bare hyper; and for pairs with mutual TLS.
#[derive(Parser)]
struct Cli {
    /// A part of the measurement, in a process of its own.
    #[command(subcommand)]
    role: Option<Role>,
    /// One short round; figures without verdicts.
    #[arg(long)]
    short: bool,
    /// Whom to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "envoy,lateen,hyper,envoy-pair,lateen-pair")]
    arms: Vec<Kind>,
}

#[derive(Subcommand)]
enum Role {
    /// Answers.
    Backend,
    /// Forwards, with nothing but hyper.
    Forward,
    /// Sends requests, and prints how many succeeded.
    Load(load::Load),
    /// Opens connections, makes one request on each, and keeps them until its input ends.
    Hold(load::Hold),
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match cli.role {
        Some(Role::Backend) => runtime.block_on(backend::run())?,
        Some(Role::Forward) => runtime.block_on(forward::run())?,
        Some(Role::Load(load)) => runtime.block_on(load.run())?,
        Some(Role::Hold(hold)) => runtime.block_on(hold.run())?,
        None => return measure::run(&cli.arms, cli.short),
    }
    Ok(ExitCode::SUCCESS)
}
