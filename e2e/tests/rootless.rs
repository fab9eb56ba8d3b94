//! Promise: localkube needs no root of the machine, only enough user ids; with too few it refuses and says why.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, chown},
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Result, ensure};
use e2e::{Cluster, eventually};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{LogParams, PostParams},
};
use serde_json::json;

/// The first of the machine's ids that stands for root inside.
const FIRST: u32 = 200_000;
/// The instance, in a state folder of its own.
const NAME: &str = "rootless";
const PATIENCE: Duration = Duration::from_secs(20);

/// localkube's program in a folder that everybody may enter, and a state folder of the inner root.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(test: &str) -> Result<Option<Self>> {
        let Some(program) = env::var_os("LOCALKUBE_PROGRAM") else {
            eprintln!("{test} was not run: `cargo xtask e2e --filter {test}` does");
            return Ok(None);
        };
        // Only root may map ids without an entry in /etc/subuid.
        if !fs::read_to_string("/proc/self/uid_map")?.split_whitespace().eq(["0", "0", "4294967295"]) {
            eprintln!("{test} was not run: it needs root to map ids");
            return Ok(None);
        }
        let folder = env::temp_dir().join(format!("{test}-{}", std::process::id()));
        fs::create_dir_all(folder.join("state"))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        chown(folder.join("state"), Some(FIRST), Some(FIRST))?;
        fs::copy(program, folder.join("localkube"))?;
        Ok(Some(Self { folder }))
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Runs `localkube up` as root of a new user namespace with `ids` ids.
    fn up(&self, ids: u32) -> Result<Output> {
        // `cat` keeps the namespace until its input ends.
        let mut keeper = Command::new("unshare").args(["--user", "cat"]).stdin(Stdio::piped()).spawn()?;
        let entered = self.up_in(keeper.id(), ids);
        drop(keeper.stdin.take());
        keeper.wait()?;
        entered
    }

    fn up_in(&self, keeper: u32, ids: u32) -> Result<Output> {
        let process = PathBuf::from(format!("/proc/{keeper}"));
        let own = fs::read_link("/proc/self/ns/user")?;
        // The maps may be written once the process is in its namespace.
        while fs::read_link(process.join("ns/user"))? == own {
            std::thread::yield_now();
        }
        for map in ["uid_map", "gid_map"] {
            fs::write(process.join(map), format!("0 {FIRST} {ids}"))?;
        }
        let mut enter = Command::new("nsenter");
        enter.args(["--user", "--target", &keeper.to_string(), "--setuid", "0", "--setgid", "0"]);
        enter
            .arg(self.folder.join("localkube"))
            .args(["up", "--quiet", "--name", NAME])
            .env("LOCALKUBE_STATE", self.state());
        Ok(enter.output()?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let program = self.folder.join("localkube");
        drop(Command::new(program).args(["down", "--name", NAME]).env("LOCALKUBE_STATE", self.state()).output());
        drop(fs::remove_dir_all(&self.folder));
    }
}

#[tokio::test]
async fn a_cluster_runs_in_a_user_namespace() -> Result<()> {
    let Some(place) = Place::new("a_cluster_runs_in_a_user_namespace")? else { return Ok(()) };
    let up = place.up(65_537)?;
    ensure!(up.status.success(), "localkube up: {}", String::from_utf8_lossy(&up.stderr));
    let cluster = Cluster::connect(place.state().join(NAME).join("kubeconfig")).await?;
    let pods = Api::<Pod>::namespaced(cluster.client, "default");
    let said = || async { pods.logs("who", &LogParams::default()).await.unwrap_or_default() };
    let pod = serde_json::from_value(json!({
        "metadata": {"name": "who"},
        "spec": {"restartPolicy": "Never", "containers": [{
            "name": "who", "image": "busybox", "securityContext": {"runAsUser": 1337},
            "command": ["sh", "-c", "test $(id -u) = 1337 && curl -sS -m 5 -o /dev/null http://example.com"],
        }]},
    }))?;
    pods.create(&PostParams::default(), &pod).await?;
    eventually("the pod has done its work", PATIENCE, || async {
        let status = pods.get("who").await?.status.unwrap_or_default();
        let phase = status.phase.unwrap_or_default();
        ensure!(phase != "Failed", "the pod failed: {:?}\n{}", status.container_statuses, said().await);
        Ok((phase == "Succeeded").then_some(()))
    })
    .await
}

#[test]
fn a_single_user_id_is_refused() -> Result<()> {
    let Some(place) = Place::new("a_single_user_id_is_refused")? else { return Ok(()) };
    let up = place.up(1)?;
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    ensure!(!up.status.success() && said.contains("uid 1337"), "not refused with the reason: {said}");
    ensure!(!place.state().join(NAME).exists(), "a refused `up` left its folder");
    Ok(())
}
