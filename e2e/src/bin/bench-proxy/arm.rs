//! One of those who are measured: its network namespaces, and the programs in them.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde_json::json;

use crate::{
    mesh,
    net::{Net, Program, eventually},
};

/// Whom to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Stock Envoy, driven by our pilot.
    Envoy,
    /// Our proxy, driven by the same pilot.
    Lateen,
    /// A forwarder of nothing but hyper.
    Hyper,
    /// Two Envoys with mutual TLS between them.
    EnvoyPair,
    /// Two proxies of ours with mutual TLS between them.
    LateenPair,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Lateen => "lateen",
            Self::Hyper => "hyper",
            Self::EnvoyPair => "envoy pair",
            Self::LateenPair => "lateen pair",
        }
    }

    /// What our agent is told to run; none where there is no agent.
    fn data_plane(self) -> Option<&'static str> {
        match self {
            Self::Envoy | Self::EnvoyPair => Some("envoy"),
            Self::Lateen | Self::LateenPair => Some("lateen"),
            Self::Hyper => None,
        }
    }

    pub(crate) fn is_pair(self) -> bool {
        matches!(self, Self::EnvoyPair | Self::LateenPair)
    }

    /// Whom it is compared with.
    pub(crate) fn rival(self) -> Self {
        if self.is_pair() { Self::EnvoyPair } else { Self::Envoy }
    }
}

/// The core of the proxies, and that of everything else.
const PROXY_CORE: &str = "0";
const OTHER_CORE: &str = "1";

/// The group whose connections are redirected.
const GENERATOR: &str = "4242";

/// What an agent is told of itself.
struct Role {
    name: &'static str,
    address: &'static str,
    pilot: &'static str,
    labels: &'static str,
}

/// The roles, one for each of an arm's namespaces.
const ROLES: [Role; 2] = [
    Role { name: "sidecar", address: "10.1.0.9", pilot: "127.0.0.1:15010", labels: "app=\"client\"\n" },
    Role { name: "router", address: "10.2.0.2", pilot: "10.2.0.1:15010", labels: "app=\"door\"\n" },
];

/// One who is measured, ready.
pub(crate) struct Arm {
    pub(crate) kind: Kind,
    /// The processes whose work counts.
    pub(crate) pids: Vec<u32>,
    folder: PathBuf,
    /// The first one ends last.
    programs: Vec<Program>,
    /// One for each proxy. The generator and the control plane are in the first, the backend is in the last.
    nets: Vec<Net>,
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
        let folder = std::env::temp_dir().join(format!("bench-proxy-{}-{kind:?}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut arm = Self { kind, pids: Vec::new(), folder, programs: Vec::new(), nets: networks(kind)? };
        let mut backend = program(&arm.nets[arm.nets.len() - 1], "bench-proxy", OTHER_CORE)?;
        backend.arg("backend");
        arm.spawn(backend)?;
        if kind == Kind::Hyper {
            let mut forward = program(&arm.nets[0], "bench-proxy", PROXY_CORE)?;
            forward.arg("forward");
            let pid = arm.spawn(forward)?;
            arm.pids.push(pid);
        } else {
            arm.control_plane()?;
            for (at, role) in ROLES.iter().enumerate().take(arm.nets.len()) {
                arm.proxy(at, role)?;
            }
        }
        // Few of them, so that an idle proxy is one that has done little.
        eventually("first request", || Ok(arm.try_out(false) && arm.try_out(true)))?;
        Ok(arm)
    }

    fn control_plane(&mut self) -> Result<()> {
        let folder = self.folder.join("mesh");
        let mesh = if self.kind.is_pair() {
            mesh::by_gateway(ROLES[1].address, &self.folder.join("pki"))?
        } else {
            mesh::one_hop()
        };
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("mesh.yaml"), mesh)?;
        let mut galley = program(&self.nets[0], "lateen-galley", OTHER_CORE)?;
        galley.args(["--log", "error", "--plaintext", "--admin-port", "15114", "--config-dir"]).arg(folder);
        self.spawn(galley)?;
        let mut pilot = program(&self.nets[0], "lateen-pilot", OTHER_CORE)?;
        pilot.args(["--log", "error", "--galley", "127.0.0.1:9901", "--galley-plaintext"]);
        pilot.args(["--plaintext", "--mtls", "false"]);
        self.spawn(pilot)?;
        Ok(())
    }

    /// Starts an agent in a namespace, and notes the process of its data plane.
    fn proxy(&mut self, at: usize, role: &Role) -> Result<()> {
        let net = &self.nets[at];
        let config = json!({
            "discoveryAddress": role.pilot, "controlPlaneAuthPolicy": "NONE", "concurrency": 1,
            "terminationDrainDuration": "0.2s",
        });
        let root = self.folder.join(role.name);
        fs::create_dir_all(root.join("etc/istio/pod"))?;
        fs::write(root.join("etc/istio/pod/labels"), role.labels)?;
        let mut proxy = program(net, "lateen-proxy", PROXY_CORE)?;
        proxy
            .args(["proxy", role.name, "--domain", "default.svc.cluster.local"])
            .args(["--proxyLogLevel=error", "--log_output_level=default:warn"])
            .env("LATEEN_ROOT", root)
            .env("PROXY_CONFIG", config.to_string())
            .envs(self.kind.data_plane().map(|name| ("LATEEN_DATA_PLANE", name)))
            .env("POD_NAME", format!("{}-1", role.name))
            .envs([("POD_NAMESPACE", "default"), ("INSTANCE_IP", role.address)]);
        let is_envoy = self.kind.data_plane() == Some("envoy");
        if is_envoy {
            let envoy = std::env::var_os("LATEEN_ENVOY").context("LATEEN_ENVOY names no program of Envoy")?;
            proxy.env("LATEEN_ENVOY", envoy);
        }
        let mut wait = program(net, "lateen-proxy", OTHER_CORE)?;
        wait.args(["wait", "--timeoutSeconds", "60", "--url", "http://127.0.0.1:15021/healthz/ready"]);
        let agent = self.spawn(proxy)?;
        ensure!(wait.status()?.success(), "the {} of {} did not become ready", role.name, self.kind.name());
        let pid = if is_envoy { child(agent)? } else { agent };
        self.pids.push(pid);
        Ok(())
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

    /// Has each proxy say all that it knows; the length of what the shortest says.
    pub(crate) fn config_dump(&self) -> Result<usize> {
        let mut shortest = usize::MAX;
        for net in &self.nets {
            let dump = program(net, "lateen-proxy", OTHER_CORE)?.args(["request", "GET", "config_dump"]).output()?;
            ensure!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
            shortest = shortest.min(dump.stdout.len());
        }
        Ok(shortest)
    }

    fn generator(&self, role: &str) -> Result<Command> {
        let mut command = self.nets[0].command("setpriv", OTHER_CORE);
        command.args(["--regid", GENERATOR, "--clear-groups"]).arg(std::env::current_exe()?).arg(role);
        command.stderr(Stdio::piped());
        Ok(command)
    }

    fn spawn(&mut self, mut command: Command) -> Result<u32> {
        let child = command.spawn()?;
        let pid = child.id();
        self.programs.push(Program(child));
        Ok(pid)
    }
}

/// The namespaces: one, or for a pair two with a wire between them.
fn networks(kind: Kind) -> Result<Vec<Net>> {
    let (service, backend) = ("10.96.0.10", "10.1.0.1");
    let nets = if kind.is_pair() {
        let (near, far) = (Net::start(&[service])?, Net::start(&[backend])?);
        near.join("10.2.0.1", &far, ROLES[1].address)?;
        vec![near, far]
    } else {
        vec![Net::start(&[service, backend])?]
    };
    nets[0].run(&format!(
        "iptables -w -t nat -A OUTPUT -p tcp -d {service} -m owner --gid-owner {GENERATOR} -j REDIRECT --to-ports 15001"
    ))?;
    Ok(nets)
}

/// One of our programs, which stand beside this one, in a namespace and on a core.
fn program(net: &Net, name: &str, core: &str) -> Result<Command> {
    let path: PathBuf = std::env::current_exe()?.with_file_name(name);
    ensure!(path.is_file(), "{} is not built", path.display());
    Ok(net.command(&path, core))
}

/// The program that a process started.
fn child(of: u32) -> Result<u32> {
    // Any of its threads may have.
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{of}/task"))? {
        let text = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        children.extend(text.split_whitespace().map(str::to_owned));
    }
    children.first().context("the agent has no Envoy")?.parse().context("a process is a number")
}
