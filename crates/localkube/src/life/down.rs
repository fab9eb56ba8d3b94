//! `localkube down`: end the daemon, and with it everything.

use std::{
    io::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use nix::sys::signal::Signal;

use super::{
    instance::{Instance, Name},
    privileges,
};

/// How long the daemon may take to end by itself before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends the instance and removes its folder. An instance that is not up is no error.
pub fn main(name: &Name) -> anyhow::Result<()> {
    let instance = Instance::new(name);
    if !instance.folder().exists() {
        writeln!(std::io::stdout(), "instance \"{name}\" is not up")?;
        return Ok(());
    }
    privileges::become_root(name)?;
    if instance.is_running()? {
        instance.signal(Signal::SIGTERM)?;
        if !gone_within(&instance, PATIENCE)? {
            instance.signal(Signal::SIGKILL)?;
            if !gone_within(&instance, PATIENCE)? {
                bail!("instance \"{name}\" does not end, even killed; see {}", instance.log().display());
            }
        }
    }
    instance.remove()?;
    writeln!(std::io::stdout(), "instance \"{name}\" is down")?;
    Ok(())
}

/// Gone means: the process is no more, or a zombie that nobody collects. The end of a PID namespace's first process
/// waits for the end of every other process in it, so nothing is left then. (The lock is free a moment earlier.)
fn gone_within(instance: &Instance, patience: Duration) -> anyhow::Result<bool> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if is_gone(instance.facts()?.pid) {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(false)
}

fn is_gone(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The state follows the program's name, which is in parentheses and may hold anything.
        Ok(stat) => stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    }
}
