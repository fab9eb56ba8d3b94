//! xtask: the one door to everything that is done with this repository.
//!
//! `cargo xtask demo` shows the product, `cargo xtask test` judges it; the other tasks are their parts. A task is a file
//! here. Workflows and laptops call the same tasks, so that they agree.
//!
//! What it is not: privileged. It never calls sudo; where a task needs root or a package, it says so.
//!
//! Start reading at [`Task`].

#![allow(clippy::print_stdout, reason = "a task talks to the person who started it")]

mod bench;
mod build;
mod cluster;
mod demo;
mod descriptors;
mod e2e;
mod envoy;
mod fuzz;
mod http;
mod images;
mod layers;
mod localkube;
mod mesh;
mod metadata;
mod packages;
mod steps;
mod test;
mod tidy;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use xshell::Shell;

/// The tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Bring up bookinfo on the embedded cluster and print its URL.
    Demo(demo::Demo),
    /// Run all checks and tests.
    Test(test::Test),
    /// Check the rules of the house: layers, walls, sizes, names, links, licences.
    Tidy(tidy::Tidy),
    /// Start, end or look at an embedded cluster.
    Cluster(cluster::Cluster),
    /// Run the promises on an embedded cluster of their own.
    E2e(e2e::E2e),
    /// Write anew what the admin pages need to know about Envoy's messages.
    Descriptors(descriptors::Descriptors),
    /// Measure, and hold the figures against their limits.
    Bench(bench::Bench),
    /// Throw random inputs at what strangers reach.
    Fuzz(fuzz::Fuzz),
    /// Write an OCI image for each program.
    Images(images::Images),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace that a shell may have asked for: the chain of causes is the message.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let sh = Shell::new()?;
    sh.change_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("scripts/ has no parent")?);
    match cli.task {
        Task::Demo(args) => demo::run(&sh, &args),
        Task::Test(args) => test::run(&sh, &args),
        Task::Tidy(args) => tidy::run(&sh, &args),
        Task::Cluster(args) => cluster::run(&sh, &args),
        Task::E2e(args) => e2e::run(&sh, &args),
        Task::Descriptors(args) => descriptors::run(&sh, &args),
        Task::Bench(args) => bench::run(&sh, &args),
        Task::Fuzz(args) => fuzz::run(&sh, &args),
        Task::Images(args) => images::run(&sh, &args),
    }
}
