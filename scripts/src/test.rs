//! `cargo xtask test`: everything that must hold before a change lands.

use anyhow::Result;
use clap::Args;
use xshell::{Shell, cmd};

use crate::{
    bench,
    build::{self, cargo},
    demo, e2e, envoy,
    mesh::DataPlane,
    packages,
    steps::Steps,
    tidy,
};

/// Options of `cargo xtask test`.
#[derive(Args, Debug, Default)]
pub(crate) struct Test {}

/// Runs the steps in the order of their price, and says what took how long.
pub(crate) fn run(sh: &Shell, _: &Test) -> Result<()> {
    let mut steps = Steps::default();
    let result = run_steps(sh, &mut steps);
    print!("\n{}", steps.table());
    result
}

fn run_steps(sh: &Shell, steps: &mut Steps) -> Result<()> {
    let cargo = cargo();
    let needs = [packages::CLUSTER, packages::E2E, packages::TEST, packages::BENCH].concat();
    steps.run("packages", || packages::ensure(sh, &needs))?;
    steps.run("tidy", || tidy::run(sh, &tidy::Tidy::default()))?;
    steps.run("format", || Ok(cmd!(sh, "{cargo} fmt --all --check").run()?))?;
    steps.run("clippy", || Ok(cmd!(sh, "{cargo} clippy --workspace --all-targets --locked -- -D warnings").run()?))?;
    steps.run("build", || build::workspace(sh))?;
    steps.run("tests", || unit_tests(sh))?;
    steps.run("e2e", || e2e::run(sh, &e2e::E2e::default()))?;
    if DataPlane::default() != DataPlane::Envoy {
        steps.run("e2e, by Envoy", || e2e::run(sh, &e2e::E2e::by_envoy()))?;
    }
    steps.run("demo", || demo::run(sh, &demo::Demo::once()))?;
    steps.run("bench", || bench::run_short(sh))
}

/// Unit and integration tests: all but the promises, which need a cluster.
fn unit_tests(sh: &Shell) -> Result<()> {
    let cargo = cargo();
    let run = if packages::is_installed("cargo-nextest") {
        cmd!(sh, "{cargo} nextest run --workspace --all-targets --locked -E not(package(e2e))")
    } else {
        cmd!(sh, "{cargo} test --workspace --locked --lib --bins")
    };
    Ok(run.env("LATEEN_ENVOY", envoy::program(sh)?).run()?)
}
