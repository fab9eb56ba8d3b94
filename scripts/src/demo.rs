//! `cargo xtask demo`: bookinfo on the embedded cluster, from nothing to a URL.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;
use xshell::Shell;

use crate::{
    build::{self, Profile},
    http,
    localkube::{Localkube, Pods},
    packages,
};

/// The sample's manifests.
const BOOKINFO: &str = "bookinfo/manifests/bookinfo.yaml";
/// Services of the sample, and the pods behind them.
const PODS: usize = 6;
/// The first port that is tried for the page.
const PORT: u16 = 30080;
/// Clusters of `--once` begin with this; the process that made them follows.
const ONCE: &str = "demo-once-";
const PATIENCE: Duration = Duration::from_secs(120);

/// Options of `cargo xtask demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Check the page as a visitor would, then take everything down.
    #[arg(long)]
    once: bool,
    /// The cluster's name; by default `demo`, and with --once one that nobody else uses.
    #[arg(long)]
    name: Option<String>,
}

impl Demo {
    /// The demo as a test.
    pub(crate) fn once() -> Self {
        Self { once: true, name: None }
    }
}

/// Brings the demo up; with `--once` checks it and takes it down again, whatever the outcome.
pub(crate) fn run(sh: &Shell, args: &Demo) -> Result<()> {
    packages::ensure(sh, packages::CLUSTER)?;
    println!("building (a clean clone takes minutes, later calls seconds)");
    let programs = build::workspace(sh, Profile::Dev)?;
    let own = if args.once { format!("{ONCE}{}", std::process::id()) } else { "demo".to_owned() };
    let cluster = Localkube::new(&programs, args.name.as_deref().unwrap_or(&own));
    if !args.once {
        let page = install(sh, &cluster)?;
        return invite(sh, &cluster, page);
    }
    cluster.sweep(sh, ONCE)?;
    let checked = install(sh, &cluster).and_then(check);
    let down = cluster.down(sh);
    checked?;
    down?;
    cluster.check_gone()?;
    println!("the demo works, and is gone again");
    Ok(())
}

/// Starts the cluster and the sample in it; gives the page's address when it answers.
fn install(sh: &Shell, cluster: &Localkube) -> Result<SocketAddr> {
    let was_up = cluster.is_up(sh);
    let page = choose_port(was_up).context("no free port for the page between 30080 and 30179")?;
    cluster.up(sh, &[])?;
    println!("installing bookinfo");
    cluster.apply(sh, Path::new(BOOKINFO))?;
    let folder = sh.create_temp_dir()?;
    let door = folder.path().join("door.yaml");
    sh.write_file(&door, door_manifest(page.port()))?;
    cluster.apply(sh, &door)?;
    await_pods(sh, cluster)?;
    await_page(page)?;
    Ok(page)
}

/// A door for visitors: the page's own Service stays as the mesh's examples know it.
fn door_manifest(port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: productpage-door\n  labels: {{app: productpage}}\nspec:\n  \
         type: NodePort\n  selector: {{app: productpage}}\n  ports:\n  - {{name: http, port: 9080, nodePort: {port}}}\n"
    )
}

/// The first port that is free; of a demo that is up already, the one that shows the page.
fn choose_port(was_up: bool) -> Option<SocketAddr> {
    let candidates = (PORT..PORT + 100).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let shows = |address: &SocketAddr| http::get(*address, "/productpage").is_ok_and(|page| page.status == 200);
    let mine = was_up.then(|| candidates.clone().take(10).find(shows)).flatten();
    mine.or_else(|| candidates.clone().find(|address| TcpListener::bind(address).is_ok()))
}

fn await_pods(sh: &Shell, cluster: &Localkube) -> Result<()> {
    let started = Instant::now();
    let mut told = None;
    loop {
        let pods = cluster.pods(sh)?;
        if told.replace(pods) != Some(pods) {
            println!("{} of {} pods are ready", pods.ready, pods.all);
        }
        let Pods { ready, all } = pods;
        if ready == all && all >= PODS {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            bail!("the pods are not ready after {} s; look with `kubectl describe pods`", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(250));
    }
}

fn await_page(page: SocketAddr) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if http::get(page, "/productpage").is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    bail!("http://{page}/productpage does not answer with 200")
}

/// What a visitor looks for: the book, its details, its reviews, and stars that change over reloads.
fn check(page: SocketAddr) -> Result<()> {
    let html = http::get(page, "/productpage")?.body;
    for part in ["The Comedy of Errors", "Book Details", "Book Reviews", "William Shakespeare"] {
        ensure!(html.contains(part), "http://{page}/productpage shows no `{part}`");
    }
    let mut seen = BTreeSet::new();
    for reload in 1..=100 {
        let reviews = http::get(page, "/api/v1/products/0/reviews")?;
        ensure!(reviews.status == 200, "the reviews answer with {}: {}", reviews.status, reviews.body);
        seen.insert(stars(&reviews.body)?);
        if seen.len() == 3 {
            println!("the book, its details and its reviews are there; no, black and red stars after {reload} reloads");
            return Ok(());
        }
    }
    bail!("100 reloads show only these stars: {}", seen.into_iter().collect::<Vec<_>>().join(", "))
}

/// The colour of the stars in an answer of reviews: "none", "black" or "red".
fn stars(reviews: &str) -> Result<String> {
    let reviews: Value = serde_json::from_str(reviews).with_context(|| format!("reviews are no JSON: {reviews}"))?;
    let first = reviews["reviews"].get(0).with_context(|| format!("no reviews in {reviews}"))?;
    match &first["rating"] {
        Value::Null => Ok("none".to_owned()),
        rating => Ok(rating["color"].as_str().with_context(|| format!("stars without colour: {rating}"))?.to_owned()),
    }
}

fn invite(sh: &Shell, cluster: &Localkube, page: SocketAddr) -> Result<()> {
    println!("\nbookinfo is at  http://{page}/productpage\n");
    println!("Try next:");
    if packages::is_installed("kubectl") {
        println!("  export KUBECONFIG={}", cluster.kubeconfig(sh)?);
        println!("  kubectl get pods -o wide");
        println!("  kubectl exec deploy/productpage-v1 -- curl -s reviews:9080/reviews/1");
        println!("  kubectl scale deployment reviews-v3 --replicas=0        # and reload: no red stars");
    } else {
        let (program, name) = (cluster.program().display(), cluster.name());
        println!("  {program} status --name {name}");
        println!("  {program} sh --name {name} node-1 -- iptables -t nat -S");
        println!("  kubectl (1.31 or newer), once it is installed, with KUBECONFIG={}", cluster.kubeconfig(sh)?);
    }
    println!("\nIt stays up until  cargo xtask cluster down --name {}", cluster.name());
    Ok(())
}

#[cfg(test)]
mod tests;
