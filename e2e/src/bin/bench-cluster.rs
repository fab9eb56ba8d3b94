//! Measures the embedded cluster from outside: start, memory, a deployment, a long list, many watchers.

#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use e2e::{Cluster, Space, eventually};
use futures::{StreamExt, TryStreamExt, future, stream};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod},
};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const SECOND: f64 = 1.0;
/// Idle memory of the cluster's process, in MiB.
const MEMORY: f64 = 64.0;

/// Start, idle memory, a deployment, a long list and many watchers, each against its limit.
#[derive(Parser)]
struct Cli {
    /// A tenth of the pods and of the watchers.
    #[arg(long)]
    short: bool,
}

/// One line of the table; every limit is an upper one.
struct Row {
    what: String,
    measured: f64,
    limit: f64,
    unit: &'static str,
}

/// An instance of our own, in a folder of its own; ends with its value.
struct Instance {
    program: PathBuf,
    state: PathBuf,
}

impl Instance {
    const NAME: &str = "bench";

    fn new() -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("localkube");
        let state = std::env::temp_dir().join(format!("localkube-bench-{}", std::process::id()));
        fs::create_dir(&state).with_context(|| format!("cannot make {}", state.display()))?;
        Ok(Self { program, state })
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args([verb, "--name", Self::NAME]).env("LOCALKUBE_STATE", &self.state).stdout(Stdio::null());
        command
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state.join(Self::NAME).join(name)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // What cannot be ended or removed is told by the programs' own messages.
        drop(self.command("down").status());
        drop(fs::remove_dir_all(&self.state));
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let part = if Cli::parse().short { 10 } else { 1 };
    let instance = Instance::new()?;
    let (cluster, start) = start(&instance).await?;
    let mut rows = vec![start, memory(&instance).await?];
    let measured = measure(&cluster, part, &mut rows).await;
    print(&rows);
    measured?;
    let good = rows.iter().all(|row| row.measured < row.limit);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(cluster: &Cluster, part: usize, rows: &mut Vec<Row>) -> Result<()> {
    for row in ["deployment", "list", "watch"] {
        let mut measured = None;
        let slot = &mut measured;
        cluster
            .in_namespace(|space| async move {
                *slot = Some(match row {
                    "deployment" => deployment(&space).await?,
                    "list" => long_list(&space, 10_000 / part).await?,
                    _ => watchers(&space, 1_000 / part).await?,
                });
                Ok(())
            })
            .await?;
        rows.extend(measured);
    }
    Ok(())
}

fn print(rows: &[Row]) {
    println!("{:<48}{:>12}{:>12}  verdict", "measured", "", "limit");
    for Row { what, measured, limit, unit } in rows {
        let verdict = if measured < limit { "ok" } else { "OVER" };
        println!("{what:<48}{:>12}{:>12}  {verdict}", format!("{measured:.3} {unit}"), format!("< {limit} {unit}"));
    }
}

/// Starts the cluster; measured until the API says that it is ready.
async fn start(instance: &Instance) -> Result<(Cluster, Row)> {
    let started = Instant::now();
    let mut up = instance.command("up").spawn().context("cannot run localkube")?;
    let kubeconfig = instance.file("kubeconfig");
    let cluster = eventually("the API is ready", PATIENCE, || ready(&kubeconfig)).await?;
    let measured = started.elapsed().as_secs_f64();
    ensure!(up.wait()?.success(), "localkube up failed");
    Ok((cluster, Row { what: "API ready after the start".to_owned(), measured, limit: SECOND, unit: "s" }))
}

async fn ready(kubeconfig: &Path) -> Result<Option<Cluster>> {
    if !kubeconfig.exists() {
        return Ok(None);
    }
    let cluster = Cluster::connect(kubeconfig.to_path_buf()).await?;
    let request = ::http::Request::get("/readyz").body(Vec::new())?;
    Ok((cluster.client.request_text(request).await? == "ok").then_some(cluster))
}

/// Resident memory of the cluster's process after some seconds of rest.
async fn memory(instance: &Instance) -> Result<Row> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let facts: Value = serde_json::from_slice(&fs::read(instance.file("instance.json"))?)?;
    let status = fs::read_to_string(format!("/proc/{}/status", facts["pid"]))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(Row { what: "resident memory at rest".to_owned(), measured: kib / 1024.0, limit: MEMORY, unit: "MiB" })
}

/// A deployment of one replica, from its creation to the pod's phase Running; the slowest of five.
async fn deployment(space: &Space) -> Result<Row> {
    let mut slowest = Duration::ZERO;
    for n in 0..5 {
        let name = format!("d{n}");
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [
                    {"name": "main", "image": "busybox", "command": ["sleep", "3600"]},
                ]},
            }},
        }))?;
        let pods = space.api::<Pod>();
        let watch = WatchParams::default().labels(&format!("app={name}"));
        let mut events = pods.watch(&watch, "0").await?.boxed();
        let started = Instant::now();
        space.api::<Deployment>().create(&PostParams::default(), &deployment).await?;
        let running = async {
            while let Some(event) = events.try_next().await? {
                if let WatchEvent::Added(pod) | WatchEvent::Modified(pod) = event
                    && pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running")
                {
                    return Ok(());
                }
            }
            anyhow::bail!("the watch ended")
        };
        tokio::time::timeout(PATIENCE, running).await.context("the pod does not run")??;
        slowest = slowest.max(started.elapsed());
        space.api::<Deployment>().delete(&name, &DeleteParams::background()).await?;
    }
    let what = "deployment applied to Running (slowest of 5)".to_owned();
    Ok(Row { what, measured: slowest.as_secs_f64(), limit: SECOND, unit: "s" })
}

/// A list of many pods, from the request to the answer's last byte. Another scheduler is named, so that nobody starts them.
async fn long_list(space: &Space, count: usize) -> Result<Row> {
    let pods = space.api::<Pod>();
    let make = |n: usize| {
        let pods = pods.clone();
        async move {
            let pod: Pod = serde_json::from_value(json!({
                "metadata": {"name": format!("p{n}"), "labels": {"app": "many"}},
                "spec": {"schedulerName": "none", "containers": [{"name": "main", "image": "busybox"}]},
            }))?;
            pods.create(&PostParams::default(), &pod).await.map(drop).context("a pod was refused")
        }
    };
    stream::iter(0..count).map(make).buffer_unordered(32).try_collect::<()>().await?;
    let started = Instant::now();
    let request = ::http::Request::get(pods.resource_url()).body(Vec::new())?;
    let answer = space.cluster.client.request_text(request).await?;
    let measured = started.elapsed().as_secs_f64();
    let list: Value = serde_json::from_str(&answer)?;
    let listed = list["items"].as_array().map_or(0, Vec::len);
    ensure!(listed == count, "the list has {listed} of {count} pods");
    pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default()).await?;
    Ok(Row { what: format!("{count} pods listed"), measured, limit: SECOND, unit: "s" })
}

/// An update seen by many watchers, from the request to the last of them.
async fn watchers(space: &Space, count: usize) -> Result<Row> {
    let maps = space.api::<ConfigMap>();
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "seen"}, "data": {"n": "0"}}))?;
    let made = maps.create(&PostParams::default(), &map).await?;
    let version = made.metadata.resource_version.context("no resourceVersion")?;
    let params = WatchParams::default().fields("metadata.name=seen");
    let open = (0..count).map(|_| maps.watch(&params, &version));
    let opened: Vec<_> = stream::iter(open).buffer_unordered(64).try_collect().await?;
    let waiting = opened.into_iter().map(|events| async move {
        let mut events = events.boxed();
        while let Some(event) = events.try_next().await? {
            if let WatchEvent::Modified(_) = event {
                return Ok(());
            }
        }
        anyhow::bail!("a watch ended")
    });
    let started = Instant::now();
    let waiting = tokio::spawn(future::try_join_all(waiting.map(Box::pin).collect::<Vec<_>>()));
    maps.patch("seen", &PatchParams::default(), &Patch::Merge(json!({"data": {"n": "1"}}))).await?;
    tokio::time::timeout(PATIENCE, waiting).await.context("not every watcher saw the update")???;
    let measured = started.elapsed().as_secs_f64();
    Ok(Row { what: format!("{count} watchers see an update"), measured, limit: SECOND, unit: "s" })
}
