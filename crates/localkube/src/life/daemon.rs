//! `localkube run`: the process behind an instance. Started by `up`, never by hand.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, bail};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{
    cluster::{self, Config},
    instance::{Instance, Name},
};
use crate::node::runtime::reap::orphans;

/// The line that ends the start; the API's address follows.
pub const READY: &str = "ready ";

/// Options of `run`: those of `up`, checked.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[arg(long)]
    nodes: u8,
    #[arg(long)]
    api_port: u16,
    #[arg(long)]
    images: Option<PathBuf>,
    #[arg(long = "outside-host")]
    outside_hosts: Vec<String>,
}

/// Runs the cluster until it is told to end.
pub fn main(name: &Name, args: Args) -> anyhow::Result<()> {
    if std::process::id() != 1 {
        bail!("`run` is started by `localkube up`, as the first process of a PID namespace of its own");
    }
    isolate().context("cannot set up the daemon's own mounts")?;
    let filter = EnvFilter::try_from_env("LOCALKUBE_LOG").unwrap_or_else(|_| EnvFilter::new("info,kube=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(io::stderr).init();
    let instance = Instance::new(name);
    let config = Config {
        name: name.to_string(),
        nodes: (1..=args.nodes).map(|n| format!("node-{n}")).collect(),
        api_port: args.api_port,
        images: args.images,
        outside_hosts: args.outside_hosts,
        kubeconfig: instance.kubeconfig(),
        control: instance.control(),
        folder: instance.folder().to_path_buf(),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(reap());
        let cluster = cluster::start(config, &progress).await?;
        progress(&format!("{READY}{}", cluster.address));
        close_output()?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
        cluster.end().await;
        Ok(())
    })
}

/// Takes away processes that containers leave behind. The cluster runs without it, only less tidily.
async fn reap() {
    if let Err(error) = orphans().await {
        tracing::error!(%error, "nobody takes away dead processes");
    }
}

/// Mounts that this process and its children make are theirs alone, and /proc shows the new PID namespace.
fn isolate() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)?;
    nix::unistd::setsid()?;
    Ok(())
}

/// Tells `up`. It may have been interrupted meanwhile, which is no reason to end.
fn progress(line: &str) {
    if writeln!(io::stdout(), "{line}").is_err() {
        tracing::debug!(line, "nobody reads the progress");
    }
}

/// `up` reads until the ready line; afterwards the pipe has no reader.
fn close_output() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(null)?;
    Ok(())
}
