//! The mesh on the cluster under test, and the pods that call through it.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api,
    api::{AttachParams, ListParams, Patch, PatchParams, PostParams},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::{
    Cluster, Space, eventually,
    outside::{AUTHORITY, Outside, TRUST},
    proxy::Proxy,
};

/// How long pods may take to get ready.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// A change is live in all proxies within this time.
pub const LIVE: Duration = Duration::from_millis(500);

/// What `lateen-load` counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests sent.
    pub sent: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers by what the pattern found.
    pub groups: BTreeMap<String, u64>,
    /// What went wrong, by reason: no answer, or an expected text that is missing.
    pub failures: BTreeMap<String, u64>,
    /// Half of the answers came within this time.
    pub p50_ms: f64,
    /// 99 of 100 answers came within this time.
    pub p99_ms: f64,
    /// How long it took in all.
    pub seconds: f64,
    /// How long at most the machine let nobody run: what was lost meanwhile, nobody lost.
    pub longest_pause_ms: u64,
}

impl Tally {
    /// How many answers fell into a group.
    pub fn group(&self, name: &str) -> u64 {
        self.groups.get(name).copied().unwrap_or(0)
    }

    /// Fails unless every request was answered with 200 and everything that was expected.
    ///
    /// # Errors
    /// Some were not; with all counts.
    pub fn all_good(&self) -> Result<()> {
        let good = self.statuses.get(&200) == Some(&self.sent) && self.failures.is_empty();
        ensure!(good, "not every request was answered well: {self:?}");
        Ok(())
    }
}

/// The data plane that the mesh under test was installed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPlane {
    /// Our proxy.
    Lateen,
    /// Stock Envoy.
    Envoy,
}

impl DataPlane {
    /// As `cargo xtask e2e` says; None, and a line that says so, where no mesh is installed.
    pub fn for_test(test: &str) -> Option<Self> {
        match env::var("LATEEN_DATA_PLANE").as_deref() {
            Ok("envoy") => Some(Self::Envoy),
            Ok("lateen") => Some(Self::Lateen),
            _ => {
                eprintln!("{test} was not run: it needs the mesh; `cargo xtask e2e --filter {test}` installs it");
                None
            }
        }
    }
}

impl Cluster {
    /// The cluster with the mesh on it, or None, and a line that says why.
    ///
    /// # Errors
    /// The kubeconfig cannot be read or names no cluster.
    pub async fn with_mesh(test: &str) -> Result<Option<(Self, DataPlane)>> {
        let Some(data_plane) = DataPlane::for_test(test) else { return Ok(None) };
        Ok(Self::for_test(test).await?.map(|cluster| (cluster, data_plane)))
    }

    /// The same, where hosts beyond the mesh tell callers their addresses: localkube's outside, or a pod that stands for it.
    ///
    /// # Errors
    /// The kubeconfig cannot be read or names no cluster, or the pod is not ready in time.
    pub async fn with_outside(test: &str) -> Result<Option<(Self, DataPlane)>> {
        let Some((mut cluster, data_plane)) = Self::with_mesh(test).await? else { return Ok(None) };
        if env::var_os("LOCALKUBE_NAME").is_none() {
            cluster.outside = Some(Outside::bring(&cluster).await?);
        }
        Ok(Some((cluster, data_plane)))
    }

    /// The same, where hosts beyond the mesh have addresses of the internet: localkube's outside alone. None, and a line
    /// that says so, elsewhere.
    ///
    /// # Errors
    /// The kubeconfig cannot be read or names no cluster.
    pub async fn with_public_outside(test: &str) -> Result<Option<(Self, DataPlane)>> {
        if DataPlane::for_test(test).is_some() && env::var_os("LOCALKUBE_NAME").is_none() {
            eprintln!("{test} was not run: it needs the outside of localkube");
            return Ok(None);
        }
        Self::with_mesh(test).await
    }

    /// The samples of upstream that a promise is tried with; None, and a line that says so, where they are not here.
    pub fn upstream(test: &str) -> Option<PathBuf> {
        let folder = env::var_os("LATEEN_UPSTREAM");
        if folder.is_none() {
            eprintln!("{test} was not run: LATEEN_UPSTREAM names no folder of upstream's samples");
        }
        Some(Path::new(&folder?).join("istio-1.25.1/samples"))
    }
}

/// A pod with a sidecar, to call from.
pub struct Caller {
    pods: Api<Pod>,
    name: String,
    /// Its sidecar, where it has one.
    pub proxy: Proxy,
}

impl Space {
    /// Opts the namespace in to injection.
    ///
    /// # Errors
    /// The cluster refused.
    pub async fn opt_in(&self) -> Result<()> {
        let label = json!({"metadata": {"labels": {"istio-injection": "enabled"}}});
        let spaces = Api::<Namespace>::all(self.cluster.client.clone());
        spaces.patch(&self.name, &PatchParams::default(), &Patch::Merge(label)).await?;
        Ok(())
    }

    /// Waits until the namespace has `count` pods and each container of each is ready.
    ///
    /// # Errors
    /// They are not in time; with what each pod lacks.
    pub async fn pods_ready(&self, count: usize) -> Result<Vec<Pod>> {
        eventually("all pods are ready", PATIENCE, || async {
            let pods = self.api::<Pod>().list(&ListParams::default()).await?.items;
            let lacking: Vec<String> = pods.iter().filter(|p| !is_ready(p)).map(state).collect();
            ensure!(lacking.is_empty(), "not ready: {}", lacking.join("; "));
            Ok((pods.len() == count).then_some(pods))
        })
        .await
    }

    /// Brings upstream's bookinfo (ours where upstream's files are not here) into the mesh: six pods, each with its
    /// sidecar, and the subsets that its routes name.
    ///
    /// # Errors
    /// An object was refused, or the pods are not ready in time.
    pub async fn bookinfo(&self) -> Result<Vec<Pod>> {
        self.opt_in().await?;
        self.apply(&bookinfo("platform/kube/bookinfo.yaml"))?;
        let pods = self.pods_ready(6).await?;
        self.apply(&bookinfo("networking/destination-rule-all.yaml"))?;
        Ok(pods)
    }

    /// Starts a pod to call from, and waits until it and its sidecar are ready.
    ///
    /// # Errors
    /// The pod was refused or is not ready in time.
    pub async fn caller(&self, name: &str) -> Result<Caller> {
        self.caller_of(name, "lateen/load", &json!({})).await
    }

    /// As [`Space::caller`], with another image and these annotations.
    ///
    /// # Errors
    /// The pod was refused or is not ready in time.
    pub async fn caller_of(&self, name: &str, image: &str, annotations: &Value) -> Result<Caller> {
        self.caller_from(serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app": name}, "annotations": annotations},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                {"name": "caller", "image": image, "command": ["sleep", "infinity"]},
            ]},
        }))?)
        .await
    }

    /// As [`Space::caller`], with a pod of one's own, whose first container is `caller`.
    ///
    /// # Errors
    /// The pod was refused or is not ready in time.
    pub async fn caller_from(&self, mut pod: Pod) -> Result<Caller> {
        let pods = self.api::<Pod>();
        let name = pod.metadata.name.clone().context("a pod without a name")?;
        if let (Some(outside), Some(spec)) = (&self.cluster.outside, &mut pod.spec) {
            spec.host_aliases = serde_json::from_value(outside.aliases())?;
            spec.containers[0].env = serde_json::from_value(json!([{"name": "CURL_CA_BUNDLE", "value": TRUST}]))?;
        }
        pods.create(&PostParams::default(), &pod).await?;
        eventually("the calling pod is ready", PATIENCE, || async {
            let pod = pods.get(&name).await?;
            ensure!(is_ready(&pod), "not ready: {}", state(&pod));
            Ok(Some(()))
        })
        .await?;
        let caller = Caller { pods, proxy: self.cluster.proxy(&self.name, &name), name };
        if self.cluster.outside.is_some() {
            let authority = format!("http://{AUTHORITY}/");
            caller.exec("caller", &["curl", "-sS", "-m", "10", "-o", TRUST, &authority]).await?;
        }
        Ok(caller)
    }

    /// Applies objects of any kind, given as YAML documents or read from a file of upstream's.
    ///
    /// # Errors
    /// An object was refused.
    pub fn apply_text(&self, yaml: &str) -> Result<()> {
        let file = env::temp_dir().join(format!("{}-{:08x}.yaml", self.name, rand::random::<u32>()));
        std::fs::write(&file, yaml)?;
        let applied = self.apply(&file);
        std::fs::remove_file(&file)?;
        applied
    }
}

impl Caller {
    /// Runs a command in a container of the pod; gives what it printed.
    ///
    /// # Errors
    /// It could not be run or ended with another code than 0; with what it said.
    pub async fn exec(&self, container: &str, command: &[&str]) -> Result<String> {
        exec(&self.pods, &self.name, container, command).await
    }

    /// Runs `lateen-load` with these arguments.
    ///
    /// # Errors
    /// It could not be run.
    pub async fn load(&self, args: &[&str]) -> Result<Tally> {
        let said = self.exec("caller", &[&["lateen-load"], args].concat()).await?;
        serde_json::from_str(&said).with_context(|| format!("not a tally: {said}"))
    }

    /// Asks once with curl; gives the status and the body.
    ///
    /// # Errors
    /// curl could not be run or got no answer.
    pub async fn curl(&self, args: &[&str]) -> Result<(u16, String)> {
        let fixed = ["curl", "-sS", "-m", "10", "-w", "\n%{http_code}"];
        let said = self.exec("caller", &[&fixed, args].concat()).await?;
        let (body, status) = said.rsplit_once('\n').context("curl said nothing")?;
        Ok((status.trim().parse()?, body.to_owned()))
    }
}

/// One of bookinfo's files: upstream's, or, where upstream's files are not here, ours of the same name.
pub fn bookinfo(file: &str) -> PathBuf {
    let upstream =
        env::var_os("LATEEN_UPSTREAM").map(|f| Path::new(&f).join("istio-1.25.1/samples/bookinfo").join(file));
    upstream.unwrap_or_else(|| {
        let name = Path::new(file).file_name().unwrap_or_default();
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../bookinfo/manifests").join(name)
    })
}

/// Runs a command in a container of a pod.
///
/// # Errors
/// It could not be run or ended with another code than 0; with what it said.
pub async fn exec(pods: &Api<Pod>, pod: &str, container: &str, command: &[&str]) -> Result<String> {
    let options = AttachParams::default().container(container).stdout(true).stderr(true);
    let mut process = pods.exec(pod, command.iter().copied(), &options).await?;
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) =
        (process.stdout().context("no standard output")?, process.stderr().context("no standard error")?);
    let status = process.take_status().context("no status")?;
    let (read_out, read_err) = tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err));
    read_out?;
    read_err?;
    let status = status.await.context("the process ended without a status")?;
    ensure!(status.status.as_deref() == Some("Success"), "{command:?} in {pod}: {out}{err} {:?}", status.message);
    Ok(out)
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &k8s_openapi::api::core::v1::ContainerStatus> {
    pod.status.iter().flat_map(|s| s.init_container_statuses.iter().chain(&s.container_statuses).flatten())
}

/// Whether every container that is to run is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.is_some_and(|list| list.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

/// What a pod's containers are at, for a person.
fn state(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or("no phase");
    let containers = statuses(pod).filter(|c| !c.ready).map(|c| format!("{}: {}", c.name, json!(c.state)));
    format!("{name} is {phase} ({})", containers.collect::<Vec<_>>().join(", "))
}

/// The value of a Prometheus series whose name and labels hold all of `parts`, summed.
pub fn series(text: &str, name: &str, parts: &[&str]) -> f64 {
    let lines = text.lines().filter(|l| l.starts_with(name) && parts.iter().all(|p| l.contains(p)));
    lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Fails when `seen` of `all` is further than 5 standard deviations from a share of `percent`.
///
/// # Errors
/// It is.
pub fn share(what: &str, seen: u64, all: u64, percent: f64) -> Result<()> {
    let (n, p) = (all as f64, percent / 100.0);
    let deviation = (n * p * (1.0 - p)).sqrt();
    let z = if deviation == 0.0 { seen as f64 - n * p } else { (seen as f64 - n * p) / deviation };
    ensure!(z.abs() <= 5.0, "{what} got {seen} of {all}, not {percent} % (z = {z:.1})");
    Ok(())
}
