//! `localkube up`: start the daemon and wait until it is ready.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::sched::{CloneFlags, unshare};

use super::{
    daemon::READY,
    instance::{Facts, Instance, Name},
    privileges,
};

/// Options of `up`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// How many nodes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub nodes: u8,
    /// A catalogue of further images (see docs/localkube.md).
    #[arg(long)]
    pub images: Option<PathBuf>,
    /// The API's port on 127.0.0.1; by default a free one.
    #[arg(long, default_value_t = 0)]
    pub api_port: u16,
    /// A further host name that the outside answers for; may be given several times.
    #[arg(long = "outside-host")]
    pub outside_hosts: Vec<String>,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Starts the instance, or finds it running.
pub fn main(name: &Name, args: &Args) -> anyhow::Result<()> {
    privileges::become_root(name)?;
    privileges::check_programs()?;
    let instance = Instance::new(name);
    let started = Instant::now();
    let Some(lock) = instance.try_lock()? else {
        wait_ready(&instance)?;
        return say(args, &format!("instance \"{name}\" is up\n{}", next_steps(&instance)));
    };
    instance.clear().with_context(|| format!("cannot clear {}", instance.folder().display()))?;
    // The daemon takes the lock itself; between the two no other `up` may slip in, so it inherits this one's file.
    let pid = spawn(&instance, args, lock)?;
    let seconds = started.elapsed().as_secs_f32();
    say(args, &format!("instance \"{name}\" is up: pid {pid}, ready after {seconds:.1} s\n{}", next_steps(&instance)))
}

fn spawn(instance: &Instance, args: &Args, lock: nix::fcntl::Flock<File>) -> anyhow::Result<u32> {
    let log = File::create(instance.log())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").args(["--name", &instance.name().to_string()]);
    command.args(["--nodes", &args.nodes.to_string(), "--api-port", &args.api_port.to_string()]);
    if let Some(images) = &args.images {
        command
            .arg("--images")
            .arg(images.canonicalize().with_context(|| format!("no such file: {}", images.display()))?);
    }
    for host in &args.outside_hosts {
        command.args(["--outside-host", host]);
    }
    // The lock travels as standard input: an open file keeps its lock whoever holds it.
    command.stdin(Stdio::from(lock.try_clone().context("cannot hand over the lock")?));
    command.stdout(Stdio::piped()).stderr(Stdio::from(log));
    // The next child of this process is PID 1 of a new PID namespace.
    unshare(CloneFlags::CLONE_NEWPID).context("cannot make a PID namespace")?;
    let mut child = command.spawn().context("cannot start the daemon")?;
    let pid = child.id();
    instance.write_facts(&Facts { pid: pid.try_into()?, api: String::new() })?;
    let output = child.stdout.take().context("the daemon has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        if let Some(api) = line.strip_prefix(READY) {
            instance.write_facts(&Facts { pid: pid.try_into()?, api: api.trim().to_owned() })?;
            // The lock now is the daemon's alone: dropping ours must not unlock the shared open file.
            std::mem::forget(lock);
            return Ok(pid);
        }
        say(args, &line)?;
    }
    let status = child.wait()?;
    let text = std::fs::read_to_string(instance.log()).unwrap_or_default();
    let tail: Vec<&str> = text.lines().rev().take(20).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    bail!("instance \"{}\" did not start ({status}):\n{}", instance.name(), tail.join("\n"))
}

/// Waits for an instance that another `up` is starting right now.
fn wait_ready(instance: &Instance) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if instance.facts().is_ok_and(|facts| !facts.api.is_empty()) {
            return Ok(());
        }
        if !instance.is_running()? {
            bail!("instance \"{}\" ended while it was starting; see {}", instance.name(), instance.log().display());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("instance \"{}\" is locked but does not get ready; see {}", instance.name(), instance.log().display())
}

fn next_steps(instance: &Instance) -> String {
    format!("export KUBECONFIG={}", instance.kubeconfig().display())
}

fn say(args: &Args, line: &str) -> anyhow::Result<()> {
    if !args.quiet {
        writeln!(std::io::stdout(), "{line}")?;
    }
    Ok(())
}
