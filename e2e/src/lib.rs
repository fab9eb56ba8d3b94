//! e2e: the promises, tried on a running cluster from outside, as a user would.
//!
//! One file of `tests/` is one promise. A test takes the cluster that `cargo xtask e2e` started, makes a namespace of its
//! own, and talks to the cluster through kube-rs, kubectl and plain HTTP only.
//!
//! ```text
//!  cargo xtask e2e ── localkube up ──► LOCALKUBE_KUBECONFIG ──► Cluster::for_test ──► in_namespace(|space| ...)
//!         └────────── localkube down, and nothing may be left ◄──────────┘
//! ```
//!
//! What it is not: a look inside. It imports no program's code, so that the same promises can be tried on any cluster.
//!
//! Start reading at [`Cluster`], then at `tests/bookinfo.rs`.

use std::{
    env,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Child,
};

pub mod browser;
pub mod ctl;
pub mod gateway_api;
pub mod http;
pub mod mesh;
pub mod objects;
pub mod outside;
pub mod pki;
pub mod proxy;
pub mod troubles;

/// How long one call of kubectl may take.
const KUBECTL_PATIENCE: Duration = Duration::from_secs(60);

/// The editor of `kubectl edit`: it knows one change.
const EDITOR: &str = "sed -i s/before-edit/after-edit/";

/// The cluster that the tests are given.
#[derive(Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    /// A kube-rs client with all rights.
    pub client: Client,
    /// What stands for hosts beyond the mesh, where the cluster has none of its own.
    outside: Option<outside::Outside>,
}

/// A namespace that ends with its test.
#[derive(Clone)]
pub struct Space {
    /// The cluster that it is in.
    pub cluster: Cluster,
    /// Its name.
    pub name: String,
}

impl Cluster {
    /// The cluster of `LOCALKUBE_KUBECONFIG`. None, and a line that says so, when the tests run without one: then the
    /// promise `test` was not tried.
    ///
    /// # Errors
    /// The kubeconfig cannot be read or names no cluster.
    pub async fn for_test(test: &str) -> Result<Option<Self>> {
        let Some(kubeconfig) = env::var_os("LOCALKUBE_KUBECONFIG").map(PathBuf::from) else {
            eprintln!("{test} was not run: it needs a cluster; `cargo xtask e2e --filter {test}` brings one");
            return Ok(None);
        };
        Ok(Some(Self::connect(kubeconfig).await?))
    }

    /// The cluster of a kubeconfig.
    ///
    /// # Errors
    /// The kubeconfig cannot be read or names no cluster.
    pub async fn connect(kubeconfig: PathBuf) -> Result<Self> {
        // Another may have been installed already; both are the same.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let file =
            Kubeconfig::read_from(&kubeconfig).with_context(|| format!("cannot read {}", kubeconfig.display()))?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Self { kubeconfig, client: Client::try_from(config)?, outside: None })
    }

    /// Runs a test in a fresh namespace, and deletes the namespace whatever the test's end.
    ///
    /// # Errors
    /// Those of the test, and those of making the namespace.
    ///
    /// # Panics
    /// When the test panics, after the namespace was deleted.
    pub async fn in_namespace<F: Future<Output = Result<()>>>(&self, test: impl FnOnce(Space) -> F) -> Result<()> {
        let spaces = Api::<Namespace>::all(self.client.clone());
        let name = format!("e2e-{:08x}", rand::random::<u32>());
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        spaces.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await?;
        let space = Space { cluster: self.clone(), name: name.clone() };
        let result = std::panic::AssertUnwindSafe(test(space)).catch_unwind().await;
        let deleted = spaces.delete(&name, &DeleteParams::default()).await;
        match result {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(result) => result.and(deleted.map(drop).context("the test's namespace was not deleted")),
        }
    }
}

/// How often a test repeats what may go wrong rarely: `long` times with `cargo xtask e2e --long`, else once.
pub fn rounds(long: usize) -> usize {
    if env::var("LATEEN_E2E_LONG").as_deref() == Ok("true") { long } else { 1 }
}

/// What a kubectl with these arguments printed by its end, and what it said beside. An error: it failed, or has no end.
async fn ended(args: &str, output: impl Future<Output = std::io::Result<Output>>) -> Result<(String, String)> {
    let output = tokio::time::timeout(KUBECTL_PATIENCE, output);
    let output = output.await.with_context(|| format!("kubectl {args}: no end after a minute"))??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let beside = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "kubectl {args}: {said}{beside}");
    Ok((said, beside))
}

/// Whether kubectl is there; a line says that `test` was not run where it is not.
pub fn has_kubectl(test: &str) -> bool {
    let found =
        Command::new("kubectl").args(["version", "--client"]).output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("{test} was not run: kubectl (1.31 or newer) is not installed");
    }
    found
}

impl Space {
    /// An API for a kind in this namespace.
    pub fn api<T>(&self) -> Api<T>
    where
        T: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        T::DynamicType: Default,
    {
        Api::namespaced(self.cluster.client.clone(), &self.name)
    }

    /// Runs kubectl in this namespace as the cluster's administrator, with `input` as its standard input; gives what it
    /// printed. It gets a minute, so that a watch that never ends is an error.
    ///
    /// # Errors
    /// kubectl failed: with its arguments and what it said.
    pub async fn kubectl(&self, args: &[&str], input: &str) -> Result<String> {
        Ok(self.kubectl_with_warnings(args, input).await?.0)
    }

    /// As [`Space::kubectl`]; gives what it printed, and what it said beside.
    ///
    /// # Errors
    /// kubectl failed: with its arguments and what it said.
    pub async fn kubectl_with_warnings(&self, args: &[&str], input: &str) -> Result<(String, String)> {
        let mut child = self.command(args).stderr(Stdio::piped()).spawn().context("cannot run kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has no standard input")?;
        let talk = async {
            // It may have ended without reading; its own message then says why.
            drop(stdin.write_all(input.as_bytes()).await);
            drop(stdin);
            child.wait_with_output().await
        };
        ended(&args.join(" "), talk).await
    }

    /// As [`Space::kubectl`], but on a terminal, as people use it; gives what the terminal shows.
    ///
    /// # Errors
    /// kubectl failed: with its arguments and what it said. There is no `script` (util-linux), which makes terminals.
    pub async fn kubectl_on_terminal(&self, args: &[&str], input: &str) -> Result<String> {
        let kubectl = self.command(args);
        let words = std::iter::once(kubectl.as_std().get_program()).chain(kubectl.as_std().get_args());
        let quoted = words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")));
        let line = quoted.collect::<Vec<_>>().join(" ");
        let mut command = tokio::process::Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("cannot run script")?;
        // Kept until the end: a terminal that is hung up ends what runs on it.
        let mut keyboard = child.stdin.take().context("script has no standard input")?;
        keyboard.write_all(input.as_bytes()).await?;
        Ok(ended(&args.join(" "), child.wait_with_output()).await?.0)
    }

    /// Starts a kubectl that serves until it is dropped, and gives the address that it says it serves at.
    ///
    /// # Errors
    /// kubectl ended, or names no address within a minute: with its arguments.
    pub async fn kubectl_serving(&self, args: &[&str]) -> Result<(Child, String)> {
        let mut child = self.command(args).spawn().context("cannot run kubectl")?;
        let said = child.stdout.as_mut().context("kubectl has no standard output")?;
        let address = async {
            let mut lines = BufReader::new(said).lines();
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")) {
                    return Ok(address.to_owned());
                }
            }
            bail!("it ended")
        };
        let address = tokio::time::timeout(KUBECTL_PATIENCE, address).await.context("no address").flatten();
        Ok((child, address.with_context(|| format!("kubectl {}", args.join(" ")))?))
    }

    fn command(&self, args: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.cluster.kubeconfig).arg("-n").arg(&self.name).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).env("KUBE_EDITOR", EDITOR);
        command
    }

    /// Applies a manifest file as a user without kubectl would: with localkube's own client; with kubectl elsewhere.
    ///
    /// # Errors
    /// The file was refused, with what the cluster said.
    pub fn apply(&self, file: &std::path::Path) -> Result<()> {
        let mut command = match (env::var_os("LOCALKUBE_PROGRAM"), env::var_os("LOCALKUBE_NAME")) {
            (Some(program), Some(name)) => {
                let mut command = Command::new(program);
                command.arg("apply").arg("--name").arg(name);
                command
            }
            _ => {
                let mut command = Command::new("kubectl");
                command.arg("--kubeconfig").arg(&self.cluster.kubeconfig).arg("apply");
                command
            }
        };
        let output = command.arg("-n").arg(&self.name).arg("-f").arg(file).output()?;
        if !output.status.success() {
            bail!("{} was refused: {}", file.display(), String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

/// Asks until the answer is there; `what` is awaited for at most `patience`.
///
/// # Errors
/// Time is over: what was awaited, and the last error if there was one.
pub async fn eventually<T, F>(what: &str, patience: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let started = Instant::now();
    loop {
        let last = match ask().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if started.elapsed() > patience {
            let seconds = patience.as_secs();
            return match last {
                Some(error) => Err(error.context(format!("{what}: not within {seconds} s"))),
                None => bail!("{what}: not within {seconds} s"),
            };
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
