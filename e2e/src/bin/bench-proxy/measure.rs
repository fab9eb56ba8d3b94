//! What is measured, and in which order.

use std::{
    fs,
    iter::Sum,
    process::ExitCode,
    thread::{available_parallelism, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    arm::{Arm, Kind},
    report,
};

/// How many connections stand idle.
const IDLE: usize = 1000;

/// One round of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// CPU of the proxy in milliseconds for a thousand requests.
    pub(crate) cpu: f64,
    /// Requests in a second.
    pub(crate) rate: f64,
}

/// Memory in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Ready, nothing to do.
    pub(crate) idle: f64,
    /// After a `config_dump`; none where there is no such thing.
    pub(crate) dumped: Option<f64>,
    /// With connections that did one request each and keep still.
    pub(crate) connected: f64,
}

/// All figures of one.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) kind: Kind,
    pub(crate) memory: Memory,
    pub(crate) http1: Vec<Round>,
    pub(crate) http2: Vec<Round>,
}

/// Measures, prints, and judges.
pub(crate) fn run(kinds: &[Kind], short: bool) -> Result<ExitCode> {
    let status = fs::read_to_string("/proc/self/status")?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    if ids.split_whitespace().nth(1) != Some("0") {
        println!("not run: network namespaces and their rules need root");
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(available_parallelism()?.get() > 1, "one core for the proxy and one for the rest are needed");
    let (rounds, seconds) = if short { (1, 1.0) } else { (5, 3.0) };
    let mut arms = Vec::new();
    for kind in kinds {
        println!("starting {}", kind.name());
        arms.push(Arm::start(*kind).with_context(|| format!("{} cannot be measured", kind.name()))?);
    }
    // Whatever a start leaves to do is done by then.
    sleep(Duration::from_secs(2));
    let mut figures = Vec::new();
    for arm in &arms {
        figures.push(Figures { kind: arm.kind, memory: memory(arm)?, http1: Vec::new(), http2: Vec::new() });
    }
    for number in 1..=rounds {
        println!("round {number} of {rounds}");
        for (arm, figures) in arms.iter().zip(&mut figures) {
            figures.http1.push(round(arm, false, seconds)?);
            figures.http2.push(round(arm, true, seconds)?);
        }
    }
    print!("{}", report::table(&figures));
    if short {
        println!("no verdicts: these are for the release build at full length");
        return Ok(ExitCode::SUCCESS);
    }
    let verdicts = report::verdicts(&figures);
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    Ok(if verdicts.iter().all(|verdict| verdict.holds()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn round(arm: &Arm, http2: bool, seconds: f64) -> Result<Round> {
    let (before, started) = (sum(arm, cpu)?, Instant::now());
    let requests = arm.load(http2, seconds)?;
    let (used, took) = (sum(arm, cpu)? - before, started.elapsed());
    ensure!(requests > 0, "no request succeeded");
    Ok(Round { cpu: used.as_secs_f64() * 1e6 / requests as f64, rate: requests as f64 / took.as_secs_f64() })
}

fn memory(arm: &Arm) -> Result<Memory> {
    let idle = sum(arm, resident)?;
    let dumped = if arm.kind == Kind::Hyper {
        None
    } else {
        ensure!(arm.config_dump()? > 1000, "the dump of {} is empty", arm.kind.name());
        Some(sum(arm, resident)?)
    };
    let connected = arm.with_idle(IDLE, || sum(arm, resident))?;
    Ok(Memory { idle, dumped, connected })
}

/// Something of all processes that are measured together.
fn sum<T: Sum>(arm: &Arm, of: fn(u32) -> Result<T>) -> Result<T> {
    arm.pids.iter().map(|pid| of(*pid)).sum()
}

/// What the kernel gave to the threads of a process.
fn cpu(pid: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end in between.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += text.split_whitespace().next().unwrap_or("0").parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn resident(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the proxy has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
