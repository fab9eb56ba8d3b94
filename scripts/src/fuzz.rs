//! `cargo xtask fuzz`: the fuzz targets, each for as long as it is told.
//!
//! Under libFuzzer where cargo-fuzz and a nightly toolchain are installed; else the same functions under random
//! mutations of their seeds, which needs nothing.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use xshell::{Shell, cmd};

use crate::{build::cargo, packages};

/// Options of `cargo xtask fuzz`.
#[derive(Args, Debug)]
pub(crate) struct Fuzz {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// Do without libFuzzer, also where it could run.
    #[arg(long)]
    plain: bool,
}

/// Runs the targets; the first finding ends it.
pub(crate) fn run(sh: &Shell, args: &Fuzz) -> Result<()> {
    let cargo = cargo();
    let target: Vec<&str> = args.target.iter().flat_map(|name| ["--target", name]).collect();
    let fuzz = cmd!(sh, "{cargo} run --quiet --locked --package fuzz --bin lateen-fuzz --");
    match missing(sh) {
        None if !args.plain => {
            let corpus = sh.current_dir().join("target/fuzz/corpus");
            fuzz.args(&target).arg("--write-seeds").arg(&corpus).run().context("the seeds cannot be written")?;
            under_libfuzzer(sh, args, &corpus)
        }
        found => {
            println!("not under libFuzzer: {}", found.unwrap_or("--plain"));
            let seconds = args.seconds.to_string();
            Ok(fuzz.args(&target).args(["--seconds", &seconds]).run()?)
        }
    }
}

/// What libFuzzer lacks here.
fn missing(sh: &Shell) -> Option<&'static str> {
    if !packages::is_installed("cargo-fuzz") {
        return Some("cargo-fuzz is not installed (cargo install cargo-fuzz)");
    }
    let toolchains = cmd!(sh, "rustup toolchain list").quiet().ignore_stderr().read().unwrap_or_default();
    let nightly = toolchains.lines().any(|line| line.starts_with("nightly"));
    (!nightly).then_some("there is no nightly toolchain (rustup toolchain install nightly)")
}

fn under_libfuzzer(sh: &Shell, args: &Fuzz, corpus: &Path) -> Result<()> {
    let seconds = format!("-max_total_time={}", args.seconds);
    let folder = sh.current_dir().join("fuzz/libfuzzer");
    let built = sh.current_dir().join("target/fuzz/libfuzzer");
    // Of the same versions as everything else; cargo adds what only libFuzzer needs.
    sh.copy_file("Cargo.lock", folder.join("Cargo.lock"))?;
    for target in sh.read_dir(folder.join("fuzz_targets"))? {
        let name = target.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if args.target.as_ref().is_none_or(|wanted| *wanted == name) {
            let corpus = corpus.join(&name);
            // Not the cargo of this task: that one has chosen its toolchain already.
            cmd!(sh, "rustup run nightly cargo fuzz run --fuzz-dir {folder} --target-dir {built} {name} {corpus} -- {seconds} -timeout=5")
                .env_remove("RUSTUP_TOOLCHAIN")
                .env_remove("CARGO")
                .run()
                .with_context(|| format!("target `{name}` was not clean"))?;
        }
    }
    Ok(())
}
