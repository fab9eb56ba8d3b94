//! Network namespaces, and programs that end with this one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program that ends with its value.
pub(crate) struct Program(pub(crate) Child);

impl Drop for Program {
    fn drop(&mut self) {
        // The agent ends Envoy when it is asked to end, not when it is killed.
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        let end = Instant::now() + Duration::from_secs(10);
        while asked.is_ok() && Instant::now() < end && matches!(self.0.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(20));
        }
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A network namespace with nothing in it but `lo`; it ends with its holder.
pub(crate) struct Net {
    path: PathBuf,
    holder: Program,
}

impl Net {
    /// Makes one, with addresses of its own.
    pub(crate) fn start(addresses: &[&str]) -> Result<Self> {
        let hold = ["--pdeathsig", "TERM", "unshare", "--net", "--", "sleep", "3600"];
        let holder = Program(Command::new("setpriv").args(hold).spawn().context("setpriv")?);
        let net = Self { path: PathBuf::from(format!("/proc/{}/ns/net", holder.0.id())), holder };
        let own = fs::read_link("/proc/self/ns/net")?;
        eventually("network namespace", || Ok(fs::read_link(&net.path)? != own))?;
        net.run("ip link set lo up")?;
        for address in addresses {
            net.run(&format!("ip address add {address}/32 dev lo"))?;
        }
        Ok(net)
    }

    /// Lays a wire to another one, each end with an address.
    pub(crate) fn join(&self, own: &str, other: &Self, others: &str) -> Result<()> {
        self.run(&format!("ip link add wire type veth peer name wire netns {}", other.holder.0.id()))?;
        for (net, address) in [(self, own), (other, others)] {
            net.run(&format!("ip address add {address}/24 dev wire"))?;
            net.run("ip link set wire up")?;
        }
        Ok(())
    }

    /// Has a line of words done in it.
    pub(crate) fn run(&self, line: &str) -> Result<()> {
        let mut words = line.split(' ');
        let program = words.next().unwrap_or_default();
        let status = self.command(program, "0-1").args(words).status()?;
        ensure!(status.success(), "`{line}` failed");
        Ok(())
    }

    /// A command in it, on some cores, that ends with this program. Each of these replaces itself by the next: the process
    /// is the program's.
    pub(crate) fn command(&self, program: impl AsRef<Path>, cores: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path.display()));
        command.args(["--", "setpriv", "--pdeathsig", "TERM", "taskset", "-c", cores]).arg(program.as_ref());
        command
    }
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !holds()? {
        ensure!(Instant::now() < end, "waited {PATIENCE:?} for the {what}");
        sleep(Duration::from_millis(100));
    }
    Ok(())
}
