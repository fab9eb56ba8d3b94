//! One of those who are measured: its network namespace, and the programs in it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde_json::json;

/// Whom to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Stock Envoy, driven by our pilot.
    Envoy,
    /// Our proxy, driven by the same pilot.
    Lateen,
    /// A forwarder of nothing but hyper.
    Hyper,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Lateen => "lateen",
            Self::Hyper => "hyper",
        }
    }
}

/// The core of the proxy, and that of everything else.
const PROXY_CORE: &str = "0";
const OTHER_CORE: &str = "1";

/// The group whose connections are redirected.
const GENERATOR: &str = "4242";

const PATIENCE: Duration = Duration::from_secs(60);

/// The mesh: one service, whose backend speaks HTTP/1.1 on one port and HTTP/2 on the other.
const MESH: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: default}
---
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: default, creationTimestamp: '2026-01-01T00:00:00Z'}
spec: {clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{name: http, port: 9080, targetPort: 9080, protocol: TCP}, {name: http2, port: 9081, targetPort: 9081, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: backend-1, namespace: default, labels: {kubernetes.io/service-name: backend}}
addressType: IPv4
ports: [{name: http, port: 9080, protocol: TCP}, {name: http2, port: 9081, protocol: TCP}]
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true, serving: true, terminating: false}}]
";

/// A program that ends with its value.
struct Program(Child);

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

/// One who is measured, ready.
pub(crate) struct Arm {
    pub(crate) kind: Kind,
    /// The process whose work counts.
    pub(crate) pid: u32,
    net: PathBuf,
    folder: PathBuf,
    /// The first one ends last: it is the namespace.
    programs: Vec<Program>,
}

impl Drop for Arm {
    fn drop(&mut self) {
        while self.programs.pop().is_some() {}
        // Leftovers in the folder for temporary files harm nobody.
        fs::remove_dir_all(&self.folder).ok();
    }
}

impl Arm {
    /// Starts everything and waits until requests come through.
    pub(crate) fn start(kind: Kind) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("bench-proxy-{}-{}", std::process::id(), kind.name()));
        fs::create_dir_all(folder.join("mesh")).with_context(|| format!("cannot make {}", folder.display()))?;
        let hold = ["--pdeathsig", "TERM", "unshare", "--net", "--", "sleep", "3600"];
        let holder = Command::new("setpriv").args(hold).spawn().context("setpriv")?;
        let net = PathBuf::from(format!("/proc/{}/ns/net", holder.id()));
        let mut arm = Self { kind, pid: 0, net, folder, programs: vec![Program(holder)] };
        let own = fs::read_link("/proc/self/ns/net")?;
        eventually("network namespace", || Ok(fs::read_link(&arm.net)? != own))?;
        arm.network()?;
        let mut backend = arm.program("bench-proxy", OTHER_CORE)?;
        backend.arg("backend");
        arm.spawn(backend)?;
        arm.pid = if kind == Kind::Hyper {
            let mut forward = arm.program("bench-proxy", PROXY_CORE)?;
            forward.arg("forward");
            arm.spawn(forward)?
        } else {
            arm.control_plane()?;
            arm.proxy()?
        };
        // Few of them, so that an idle proxy is one that has done little.
        eventually("first request", || Ok(arm.try_out(false) && arm.try_out(true)))?;
        Ok(arm)
    }

    fn network(&self) -> Result<()> {
        let redirect = format!(
            "iptables -w -t nat -A OUTPUT -p tcp -d 10.96.0.10 -m owner --gid-owner {GENERATOR} -j REDIRECT --to-ports 15001"
        );
        let lines = ["ip link set lo up", "ip address add 10.96.0.10/32 dev lo", "ip address add 10.1.0.1/32 dev lo"];
        for line in lines.into_iter().chain([redirect.as_str()]) {
            let words: Vec<&str> = line.split(' ').collect();
            let status = self.inside(words[0], OTHER_CORE).args(&words[1..]).status()?;
            ensure!(status.success(), "`{line}` failed");
        }
        Ok(())
    }

    fn control_plane(&mut self) -> Result<()> {
        let mesh = self.folder.join("mesh");
        fs::write(mesh.join("mesh.yaml"), MESH)?;
        let mut galley = self.program("lateen-galley", OTHER_CORE)?;
        galley.args(["--log", "error", "--plaintext", "--admin-port", "15114", "--config-dir"]).arg(mesh);
        self.spawn(galley)?;
        let mut pilot = self.program("lateen-pilot", OTHER_CORE)?;
        pilot.args([
            "--log",
            "error",
            "--galley",
            "127.0.0.1:9901",
            "--galley-plaintext",
            "--plaintext",
            "--mtls",
            "false",
        ]);
        self.spawn(pilot)?;
        Ok(())
    }

    /// Starts the agent, and gives the process of the data plane.
    fn proxy(&mut self) -> Result<u32> {
        let config = json!({
            "discoveryAddress": "127.0.0.1:15010", "controlPlaneAuthPolicy": "NONE", "concurrency": 1,
            "terminationDrainDuration": "0.2s",
        });
        let mut proxy = self.program("lateen-proxy", PROXY_CORE)?;
        proxy
            .args(["proxy", "sidecar", "--domain", "default.svc.cluster.local"])
            .args(["--proxyLogLevel=error", "--log_output_level=default:warn"])
            .env("LATEEN_ROOT", &self.folder)
            .env("LATEEN_DATA_PLANE", self.kind.name())
            .env("PROXY_CONFIG", config.to_string())
            .envs([("POD_NAME", "client-1"), ("POD_NAMESPACE", "default"), ("INSTANCE_IP", "10.1.0.9")]);
        if self.kind == Kind::Envoy {
            let envoy = std::env::var_os("LATEEN_ENVOY").context("LATEEN_ENVOY names no program of Envoy")?;
            proxy.env("LATEEN_ENVOY", envoy);
        }
        let agent = self.spawn(proxy)?;
        let mut wait = self.program("lateen-proxy", OTHER_CORE)?;
        wait.args(["wait", "--timeoutSeconds", "60", "--url", "http://127.0.0.1:15021/healthz/ready"]);
        ensure!(wait.status()?.success(), "the proxy of {} did not become ready", self.kind.name());
        if self.kind == Kind::Lateen {
            return Ok(agent);
        }
        // Any thread of the agent's may have started it.
        let mut children = Vec::new();
        for task in fs::read_dir(format!("/proc/{agent}/task"))? {
            let text = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            children.extend(text.split_whitespace().map(str::to_owned));
        }
        children.first().context("the agent has no Envoy")?.parse().context("a process is a number")
    }

    fn try_out(&self, http2: bool) -> bool {
        let once = |mut load: Command| {
            load.args(["--connections", "1", "--seconds", "0.01"]).args(http2.then_some("--http2"));
            Ok(load.output()?.status.success())
        };
        self.generator("load").and_then(once).unwrap_or(false)
    }

    /// Sends load; how many requests succeeded.
    pub(crate) fn load(&self, http2: bool, seconds: f64) -> Result<u64> {
        let mut load = self.generator("load")?;
        load.args(["--seconds", &seconds.to_string()]).args(http2.then_some("--http2"));
        let output = load.output()?;
        ensure!(output.status.success(), "{}: {}", self.kind.name(), String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    }

    /// Does something while connections stand idle.
    pub(crate) fn with_idle<T>(&self, connections: usize, then: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut hold = self.generator("hold")?;
        hold.args(["--connections", &connections.to_string()]);
        let mut program = Program(hold.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let mut line = String::new();
        BufReader::new(program.0.stdout.take().context("no output")?).read_line(&mut line)?;
        if line.trim() != "held" {
            let mut why = String::new();
            program.0.stderr.take().context("no output")?.read_to_string(&mut why)?;
            bail!("{}: {}", self.kind.name(), why.trim());
        }
        then()
    }

    /// Has the proxy say all that it knows.
    pub(crate) fn config_dump(&self) -> Result<usize> {
        let dump = self.program("lateen-proxy", OTHER_CORE)?.args(["request", "GET", "config_dump"]).output()?;
        ensure!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        Ok(dump.stdout.len())
    }

    fn generator(&self, role: &str) -> Result<Command> {
        let mut command = self.inside("setpriv", OTHER_CORE);
        command.args(["--regid", GENERATOR, "--clear-groups"]).arg(std::env::current_exe()?).arg(role);
        command.stderr(Stdio::piped());
        Ok(command)
    }

    /// One of our programs, which stand beside this one.
    fn program(&self, name: &str, core: &str) -> Result<Command> {
        let path: PathBuf = std::env::current_exe()?.with_file_name(name);
        ensure!(path.is_file(), "{} is not built", path.display());
        Ok(self.inside(&path, core))
    }

    /// A command in the namespace, on one core, that ends with this program. Each of these replaces itself by the next:
    /// the process is the program's.
    fn inside(&self, program: impl AsRef<Path>, core: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.net.display()));
        command.args(["--", "setpriv", "--pdeathsig", "TERM", "taskset", "-c", core]).arg(program.as_ref());
        command
    }

    fn spawn(&mut self, mut command: Command) -> Result<u32> {
        let child = command.spawn()?;
        let pid = child.id();
        self.programs.push(Program(child));
        Ok(pid)
    }
}

/// Waits until something holds.
fn eventually(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !holds()? {
        ensure!(Instant::now() < end, "waited {PATIENCE:?} for the {what}");
        sleep(Duration::from_millis(100));
    }
    Ok(())
}
