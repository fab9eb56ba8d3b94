//! `cargo xtask demo`: bookinfo behind sidecars on the embedded cluster, from nothing to a URL, and a route that shifts.

use std::{
    collections::BTreeMap,
    io::Write,
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
    build, http,
    localkube::{Localkube, Pods},
    mesh::{self, DataPlane},
    packages,
};

/// The sample's manifests, in the order in which a person would apply them.
const BOOKINFO: &[&str] = &[
    "bookinfo/manifests/bookinfo.yaml",
    "bookinfo/manifests/destination-rule-all.yaml",
    "bookinfo/manifests/virtual-service-reviews-80-20.yaml",
];
/// Pods of the sample and of the control plane.
const PODS: usize = 9;
/// The namespace of the sample opts in to sidecars.
const OPT_IN: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {istio-injection: enabled}}}";
/// How many answers show a split.
const READERS: u32 = 200;
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
    /// What runs beside the applications.
    #[arg(long, value_enum, default_value_t)]
    data_plane: DataPlane,
    /// The cluster's name; by default `demo`, and with --once one that nobody else uses.
    #[arg(long)]
    name: Option<String>,
}

impl Demo {
    /// The demo as a test.
    pub(crate) fn once() -> Self {
        Self { once: true, data_plane: DataPlane::default(), name: None }
    }
}

/// Brings the demo up; with `--once` checks it and takes it down again, whatever the outcome.
pub(crate) fn run(sh: &Shell, args: &Demo) -> Result<()> {
    packages::ensure(sh, packages::CLUSTER)?;
    println!("building (a clean clone takes minutes, later calls seconds)");
    let programs = build::workspace(sh)?;
    let own = if args.once { format!("{ONCE}{}", std::process::id()) } else { "demo".to_owned() };
    let cluster = Localkube::new(&programs, args.name.as_deref().unwrap_or(&own));
    if !args.once {
        let page = install(sh, &programs, &cluster, args.data_plane)?;
        shift(sh, &cluster, page)?;
        return invite(sh, &programs, &cluster, page);
    }
    cluster.sweep(sh, ONCE)?;
    let checked = install(sh, &programs, &cluster, args.data_plane).and_then(|page| shift(sh, &cluster, page));
    let down = cluster.down(sh);
    checked?;
    down?;
    cluster.check_gone()?;
    println!("the demo works, and is gone again");
    Ok(())
}

/// Starts the cluster, the mesh and the sample in it; gives the page's address when all of it is there.
fn install(sh: &Shell, programs: &Path, cluster: &Localkube, data_plane: DataPlane) -> Result<SocketAddr> {
    let was_up = cluster.is_up(sh);
    let page = choose_port(was_up).context("no free port for the page between 30080 and 30179")?;
    cluster.up(sh, &data_plane.options(sh)?)?;
    println!("installing the mesh");
    // Without gateways: visitors of the demo come by a NodePort.
    mesh::install(sh, programs, &cluster.kubeconfig(sh)?, data_plane, "minimal")?;
    println!("installing bookinfo");
    apply(sh, cluster, OPT_IN)?;
    for manifests in BOOKINFO {
        cluster.apply(sh, Path::new(manifests))?;
    }
    apply(sh, cluster, &door_manifest(page.port()))?;
    await_pods(sh, cluster)?;
    await_page(page)?;
    Ok(page)
}

fn apply(sh: &Shell, cluster: &Localkube, manifest: &str) -> Result<()> {
    let folder = sh.create_temp_dir()?;
    let file = folder.path().join("manifest.yaml");
    sh.write_file(&file, manifest)?;
    cluster.apply(sh, &file)
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

/// Waits for what a visitor looks for: pods are ready a moment before the sidecars of others have heard of it.
fn await_page(page: SocketAddr) -> Result<()> {
    let started = Instant::now();
    loop {
        let Err(lack) = check(page) else { return Ok(()) };
        if started.elapsed() > PATIENCE {
            return Err(lack);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// What a visitor looks for: the book, its details, its reviews.
fn check(page: SocketAddr) -> Result<()> {
    let answer = http::get(page, "/productpage")?;
    ensure!(answer.status == 200, "http://{page}/productpage answers with {}", answer.status);
    for part in ["The Comedy of Errors", "Book Details", "Book Reviews", "William Shakespeare"] {
        ensure!(answer.body.contains(part), "http://{page}/productpage shows no `{part}`");
    }
    Ok(())
}

/// Sends readers elsewhere by changing one object, and shows who answered.
fn shift(sh: &Shell, cluster: &Localkube, page: SocketAddr) -> Result<()> {
    println!("\nwho answers {READERS} readers, by the VirtualService `reviews`:");
    for weights in [[80, 20, 0], [50, 0, 50], [0, 0, 100], [80, 20, 0]] {
        apply(sh, cluster, &route_manifest(weights))?;
        thread::sleep(Duration::from_secs(1));
        let seen = count(page, weights)?;
        for (version, weight) in weights.into_iter().enumerate() {
            let expected = READERS as f64 * f64::from(weight) / 100.0;
            let deviation = (expected * (1.0 - f64::from(weight) / 100.0)).sqrt();
            let off = (f64::from(seen[version]) - expected).abs();
            ensure!(off <= 5.0 * deviation, "v{} answered {} of {READERS}, not {weight} %", version + 1, seen[version]);
        }
    }
    Ok(())
}

/// Reads the reviews many times, and prints as it counts: `weights 80/20/0   v1 161   v2 39   v3 0`.
fn count(page: SocketAddr, weights: [u32; 3]) -> Result<[u32; 3]> {
    let mut seen = BTreeMap::from([("none", 0), ("black", 0), ("red", 0)]);
    let mut counts = [0; 3];
    for reader in 1..=READERS {
        let reviews = http::get(page, "/api/v1/products/0/reviews")?;
        ensure!(reviews.status == 200, "the reviews answer with {}: {}", reviews.status, reviews.body);
        let stars = stars(&reviews.body)?;
        *seen.get_mut(stars.as_str()).with_context(|| format!("stars of colour {stars}"))? += 1;
        counts = [seen["none"], seen["black"], seen["red"]];
        if reader % 20 == 0 {
            let [a, b, c] = weights;
            print!(
                "\r  weights {:<10}  v1 {:<4} v2 {:<4} v3 {:<4}",
                format!("{a}/{b}/{c}"),
                counts[0],
                counts[1],
                counts[2]
            );
            std::io::stdout().flush()?;
        }
    }
    println!();
    Ok(counts)
}

fn route_manifest(weights: [u32; 3]) -> String {
    let to = |(version, weight): (usize, &u32)| {
        format!("{{destination: {{host: reviews, subset: v{}}}, weight: {weight}}}", version + 1)
    };
    let chosen = weights.iter().enumerate().filter(|(_, weight)| **weight > 0);
    let route = chosen.map(to).collect::<Vec<_>>().join(", ");
    format!(
        "{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: reviews}}, \
         spec: {{hosts: [reviews], http: [{{route: [{route}]}}]}}}}\n"
    )
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

fn invite(sh: &Shell, programs: &Path, cluster: &Localkube, page: SocketAddr) -> Result<()> {
    println!("\nbookinfo is at  http://{page}/productpage\n");
    println!("Try next:");
    if packages::is_installed("kubectl") {
        println!("  export KUBECONFIG={}", cluster.kubeconfig(sh)?);
        println!("  kubectl get pods -o wide");
        println!("  kubectl exec deploy/productpage-v1 -- curl -s reviews:9080/reviews/1");
        println!("  kubectl edit virtualservice reviews                      # shift the weights, and reload");
        println!("  {} proxy-config route deploy/productpage-v1", programs.join("lateenctl").display());
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
