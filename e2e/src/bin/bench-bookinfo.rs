//! Measures the sample's leaf services, each alone on one core: the sample must never be the bottleneck.
//!
//! What counts is requests for each second of processor time that the service took, so that other work on the machine
//! does not change the figure.

#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::{
    net::TcpListener,
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Requests per second that a leaf service must exceed on one core.
const LIMIT: f64 = 10_000.0;
/// Program and path of each service that calls no other one.
const LEAVES: &[(&str, &str)] = &[("details", "/details/0"), ("ratings", "/ratings/0"), ("reviews", "/reviews/0")];

/// Load on details, ratings and reviews (v1, which asks nobody), by wrk.
#[derive(Parser)]
struct Cli {
    /// A few seconds instead of half a minute.
    #[arg(long)]
    short: bool,
}

/// A process that ends with its value.
struct Server(Child);

impl Server {
    /// What its threads took of all processors so far; the kernel counts in hundredths of a second.
    fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The fields after the name, which may hold spaces; user and system time are the 12th and 13th of these.
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ')).context("no statistics of the process")?;
        let ticks: Vec<u64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn main() -> Result<ExitCode> {
    let seconds = if Cli::parse().short { 2 } else { 10 };
    let mut good = true;
    println!("{:<12}{:>16}{:>14}  verdict", "service", "per CPU second", "limit");
    for (program, path) in LEAVES {
        let rate = measure(program, path, seconds)?;
        let verdict = if rate > LIMIT { "ok" } else { "TOO SLOW" };
        good &= rate > LIMIT;
        println!("{program:<12}{rate:>16.0}{:>14}  {verdict}", format!("> {LIMIT:.0}"));
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts the service on core 0 and loads it from the other cores.
fn measure(program: &str, path: &str, seconds: u32) -> Result<f64> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let beside = std::env::current_exe()?.with_file_name(program);
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(&beside).arg(&port).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Server(command.spawn().context("cannot run taskset (package util-linux)")?);
    await_listener(&port, program)?;
    let url = format!("http://127.0.0.1:{port}{path}");
    let cores = thread::available_parallelism()?.get();
    let load = if cores > 1 { format!("1-{}", cores - 1) } else { "0".to_owned() };
    let wrk = ["-c", &load, "wrk", "-t1", "-c32", &format!("-d{seconds}s"), &url];
    let before = server.processor_time()?;
    let output = Command::new("taskset").args(wrk).output()?;
    let took = server.processor_time()? - before;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let requests = requests(&text).with_context(|| format!("wrk gives no figure: {text}{errors}"))?;
    Ok(requests / took.as_secs_f64())
}

fn await_listener(port: &str, program: &str) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("{program} does not listen on port {port}")
}

/// Reads `123456 requests in 2.00s, ...`; answers that are no success make the figure void.
fn requests(wrk: &str) -> Option<f64> {
    if wrk.contains("Non-2xx") || wrk.contains("Socket errors") {
        return None;
    }
    wrk.lines().find_map(|line| line.trim().split_once(" requests in"))?.0.parse().ok()
}
