//! A real browser before a port of a pod: headless Chromium, where this machine has it.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::{io::copy_bidirectional, net::TcpListener, process::Command, task::JoinSet};

use crate::Cluster;

/// How long the browser may take for a page.
const PATIENCE: Duration = Duration::from_secs(60);
/// What makes it quiet: no calls of its own, and nothing but the page.
const QUIET: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--virtual-time-budget=5000",
    "--dump-dom",
];

/// The browser of this machine; None, and a line that says so, where it has none.
pub fn for_test(test: &str) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.iter().flat_map(|name| folders.iter().map(move |f| f.join(name))).find(|path| path.exists());
    if found.is_none() {
        eprintln!("{test}: no page was opened in a browser; `apt-get install chromium` adds one");
    }
    found
}

/// Opens a page; gives its document as it stands once it is at rest.
///
/// # Errors
/// The browser could not be run, or took more than a minute.
pub async fn open(browser: &Path, url: &str) -> Result<String> {
    let profile = env::temp_dir().join(format!("browser-{:08x}", rand::random::<u32>()));
    let mut command = Command::new(browser);
    command.args(QUIET).arg(format!("--user-data-dir={}", profile.display())).arg(url);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    drop(tokio::fs::remove_dir_all(&profile).await);
    let output = output.with_context(|| format!("{url} is not shown after a minute"))??;
    ensure!(output.status.success(), "the browser ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// A port of this machine that leads to a port of a pod, while it lives.
#[derive(Debug)]
pub struct Door {
    /// Where it is.
    pub address: SocketAddr,
    _task: JoinSet<Result<()>>,
}

impl Cluster {
    /// Opens a door to a port of a pod, as `kubectl port-forward` does.
    ///
    /// # Errors
    /// This machine has no free port.
    pub async fn door(&self, namespace: &str, pod: &str, port: u16) -> Result<Door> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let pod = pod.to_owned();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut visits = JoinSet::new();
            loop {
                let (visitor, _) = listener.accept().await?;
                let (pods, pod) = (pods.clone(), pod.clone());
                visits.spawn(async move {
                    // What goes wrong here, the visitor sees as a connection that ends.
                    drop(forward(visitor, &pods, &pod, port).await);
                });
            }
        });
        Ok(Door { address, _task: task })
    }
}

async fn forward(mut visitor: tokio::net::TcpStream, pods: &Api<Pod>, pod: &str, port: u16) -> Result<()> {
    let mut way = pods.portforward(pod, &[port]).await?;
    let Some(mut stream) = way.take_stream(port) else { bail!("no stream to port {port} of {pod}") };
    copy_bidirectional(&mut visitor, &mut stream).await?;
    drop(stream);
    way.join().await.context("the way to the pod ended badly")
}
