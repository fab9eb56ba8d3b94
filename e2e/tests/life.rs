//! Promise: an instance comes when called, stays one, leaves the host's network alone, and goes without a trace, also
//! when it is killed.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e::{eventually, rounds};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// An instance with a state folder of its own, beside the one that the other tests use.
struct Instance {
    program: PathBuf,
    state: PathBuf,
    name: String,
}

impl Instance {
    fn new() -> Result<Option<Self>> {
        let Some(program) = env::var_os("LOCALKUBE_PROGRAM").map(PathBuf::from) else {
            eprintln!("the life of an instance was not tried: `cargo xtask e2e --filter instance` does");
            return Ok(None);
        };
        let name = format!("life-{}", std::process::id());
        let state = env::temp_dir().join(&name);
        fs::create_dir(&state)?;
        Ok(Some(Self { program, state, name }))
    }

    fn run(&self, verb: &str) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args([verb, "--name", &self.name]).env("LOCALKUBE_STATE", &self.state);
        command.output().with_context(|| format!("cannot run localkube {verb}"))
    }

    fn good(&self, verb: &str) -> Result<()> {
        let output = self.run(verb)?;
        ensure!(output.status.success(), "localkube {verb}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn pid(&self) -> Result<i64> {
        let facts = fs::read(self.state.join(&self.name).join("instance.json"))?;
        serde_json::from_slice::<Value>(&facts)?["pid"].as_i64().context("instance.json has no pid")
    }

    /// Processes whose command line names the instance or a file of it.
    fn processes(&self) -> Vec<String> {
        let lines = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok).filter_map(|process| {
            let line = fs::read(process.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).replace('\0', " "))
        });
        lines.filter(|line| line.contains(&self.name)).collect()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // After a failed test; after a good one there is nothing left to end.
        drop(self.run("down"));
        drop(fs::remove_dir_all(&self.state));
    }
}

/// Devices, addresses, routes and rules of the host's own network namespace.
fn host_network() -> Result<String> {
    let asked: [&[&str]; 4] =
        [&["ip", "-o", "link"], &["ip", "-o", "address"], &["ip", "route", "show", "table", "all"], &["iptables-save"]];
    let mut all = String::new();
    for words in asked {
        let output = Command::new(words[0]).args(&words[1..]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Comments of iptables-save hold the time, its chains' heads hold counters.
        all.extend(
            text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{}\n", l.split(" [").next().unwrap_or(l))),
        );
    }
    Ok(all)
}

async fn gone(instance: &Instance) -> Result<()> {
    eventually("every process of the instance is gone", PATIENCE, || async {
        let left = instance.processes();
        ensure!(left.is_empty(), "still there: {}", left.join("; "));
        Ok(Some(()))
    })
    .await
}

#[tokio::test]
async fn an_instance_comes_and_goes_without_a_trace() -> Result<()> {
    let before = host_network()?;
    let Some(instance) = Instance::new()? else { return Ok(()) };
    instance.good("up")?;
    instance.good("status")?;
    let pid = instance.pid()?;
    instance.good("up")?;
    ensure!(instance.pid()? == pid, "a second `up` must find the first one's instance");
    ensure!(host_network()? == before, "the host's network is changed:\n{before}\nnow:\n{}", host_network()?);

    for _ in 0..rounds(50) {
        survive_a_kill(&instance).await?;
    }

    instance.good("down")?;
    gone(&instance).await?;
    ensure!(!instance.state.join(&instance.name).exists(), "`down` must remove the instance's folder");
    instance.good("down")?;
    ensure!(host_network()? == before, "the host's network is changed:\n{before}\nnow:\n{}", host_network()?);
    Ok(())
}

/// Kills the instance as a crash would; nothing of it may stay, and `up` must start anew.
async fn survive_a_kill(instance: &Instance) -> Result<()> {
    let pid = instance.pid()?;
    ensure!(Command::new("kill").args(["-9", &pid.to_string()]).status()?.success(), "cannot kill {pid}");
    gone(instance).await?;
    ensure!(!instance.run("status")?.status.success(), "`status` must fail for a killed instance");
    instance.good("up")?;
    ensure!(instance.pid()? != pid, "`up` after a kill must start anew");
    Ok(())
}
