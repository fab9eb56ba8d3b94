//! `lateen-fuzz`: runs fuzz targets under mutations of their seeds, each for some seconds.
//!
//! The first input that breaks a promise ends the run; it is written to a file and can be tried again with `--input`.
//! Not as sharp as libFuzzer, which sees the branches that an input reached, but there wherever Rust is.

#![allow(clippy::print_stdout, reason = "it talks to the person who started it")]

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use fuzz::{
    TARGETS, Target,
    mutate::{Random, mutate},
};

/// An input that takes longer than this twice hangs; once, the machine may have been busy.
const LONGEST: Duration = Duration::from_secs(5);

/// Runs fuzz targets.
#[derive(Parser)]
struct Cli {
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// How long each runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where the random numbers begin; the time by default.
    #[arg(long)]
    seed: Option<u64>,
    /// Tries one file instead.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
    /// Writes the seeds into this folder, one below it for each target, and ends.
    #[arg(long)]
    write_seeds: Option<PathBuf>,
    /// Where inputs go that break a promise.
    #[arg(long, default_value = "target/fuzz")]
    artifacts: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let known = TARGETS.iter().filter(|target| cli.target.as_ref().is_none_or(|name| name == target.name));
    let targets: Vec<&Target> = known.collect();
    if targets.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        bail!("no such target; there are {}", names.join(", "));
    }
    if let Some(folder) = &cli.write_seeds {
        return targets.iter().try_for_each(|target| write_seeds(target, &folder.join(target.name)));
    }
    if let Some(input) = &cli.input {
        let bytes = fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
        targets.iter().for_each(|target| (target.run)(&bytes));
        return Ok(());
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
    let seed = cli.seed.unwrap_or(now);
    targets.iter().try_for_each(|target| run(target, Duration::from_secs(cli.seconds), seed, &cli.artifacts))
}

fn write_seeds(target: &Target, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (index, seed) in (target.seeds)().into_iter().enumerate() {
        let file = folder.join(format!("seed-{index}"));
        fs::write(&file, seed).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Whether an input keeps the promises, and how long that took.
fn attempt(target: &Target, input: &[u8]) -> (bool, Duration) {
    let begun = Instant::now();
    let passed = catch_unwind(|| (target.run)(input)).is_ok();
    (passed, begun.elapsed())
}

fn run(target: &Target, time: Duration, seed: u64, artifacts: &Path) -> Result<()> {
    let seeds = (target.seeds)();
    let mut random = Random(seed);
    let started = Instant::now();
    let (mut count, mut slowest) = (0_u64, Duration::ZERO);
    while started.elapsed() < time {
        let input = mutate(target.form, &seeds, &mut random);
        let (passed, mut took) = attempt(target, &input);
        if took > LONGEST {
            took = took.min(attempt(target, &input).1);
        }
        if !passed || took > LONGEST {
            fs::create_dir_all(artifacts).with_context(|| format!("cannot make {}", artifacts.display()))?;
            let file = artifacts.join(format!("{}-{seed}-{count}", target.name));
            fs::write(&file, input).with_context(|| format!("cannot write {}", file.display()))?;
            let what = if passed { format!("took {took:?}") } else { "broke a promise".to_owned() };
            bail!("{}: input {count} {what}; it is in {}", target.name, file.display());
        }
        (count, slowest) = (count + 1, slowest.max(took));
    }
    println!("{:<8} clean: {count} inputs from {} seeds, seed {seed}, slowest {slowest:?}", target.name, seeds.len());
    Ok(())
}
