//! Real pods on a real node agent, without an API server in front. Needs root; a run without it says that nothing was tried.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail as the test does"
)]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod};
use localkube::{
    api::{Api, Part, auth::Authenticator, pki::TokenKey, verbs::DeleteOptions},
    client::Client,
    net::topology::Network,
    node::{
        access::{ExecRequest, LogRequest, NodeAccess, Target},
        agents::Agents,
        images::Catalogue,
        kubelet::{self, machine},
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, task::JoinHandle, time::sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_localkube");

struct Bench {
    client: Client,
    agents: Agents,
    agent: JoinHandle<()>,
    folder: TempDir,
}

impl Bench {
    /// One node, `node-1`. None, with a word about it, when this is not root.
    async fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("not run: pods need root");
            return None;
        }
        let client = Client::new(Api::default(), "kubelet");
        let agents = Agents::new(client.clone());
        let folder = TempDir::new().unwrap();
        let key = Arc::new(TokenKey::generate().unwrap());
        let network = Network::create(&["node-1".to_owned()]).await.unwrap();
        let node = kubelet::Node {
            name: "node-1".into(),
            index: 0,
            client: client.clone(),
            net: network.node("node-1").unwrap(),
            network,
            catalogue: Catalogue::load(None, Path::new(PROGRAM).parent().unwrap()).unwrap(),
            authenticator: Authenticator::new(client.api().store().clone(), key),
            folder: folder.path().join("node-1"),
            program: PathBuf::from(PROGRAM),
            allocatable: machine::resources(),
        };
        let agent = tokio::spawn({
            let agents = agents.clone();
            async move { kubelet::run(node, agents).await.unwrap() }
        });
        Some(Self { client, agents, agent, folder })
    }

    async fn create(&self, name: &str, spec: Value) {
        let mut spec = spec;
        spec["nodeName"] = json!("node-1");
        // No controller makes the namespace's root certificate here.
        spec["automountServiceAccountToken"] = json!(false);
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec})).unwrap();
        self.client.create(&pod).await.unwrap();
    }

    fn pod(&self, name: &str) -> Value {
        serde_json::to_value(self.client.get::<Pod>("default", name).unwrap()).unwrap()
    }

    /// Waits until something holds of the pod's status; gives the status.
    async fn until(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.pod(name)["status"].clone();
            if holds(&status) {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{name}: {status:#}\n{:#?}", self.events(name));
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_gone(&self, name: &str) {
        let began = Instant::now();
        while self.client.get::<Pod>("default", name).unwrap().is_some() {
            assert!(began.elapsed() < Duration::from_secs(20), "{:#}", self.pod(name));
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// `Reason: message` of every event of a pod, oldest first.
    fn events(&self, name: &str) -> Vec<String> {
        let mut events: Vec<Event> = self.client.list(Some("default")).unwrap();
        events.retain(|e| e.involved_object.name.as_deref() == Some(name));
        events.sort_by_key(|e| e.metadata.resource_version.as_ref().and_then(|v| v.parse::<u64>().ok()));
        let text = |value: Option<String>| value.unwrap_or_default();
        events.into_iter().map(|e| format!("{}: {}", text(e.reason), text(e.message))).collect()
    }

    fn target(name: &str, container: &str) -> Target {
        Target { namespace: "default".into(), pod: name.into(), container: container.into() }
    }

    async fn exec(&self, name: &str, script: &str) -> String {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let request = ExecRequest { command, stdout: true, stderr: true, ..ExecRequest::default() };
        let mut session = self.agents.exec(Self::target(name, ""), request).await.unwrap();
        let mut text = String::new();
        session.stdout.as_mut().unwrap().read_to_string(&mut text).await.unwrap();
        session.stderr.as_mut().unwrap().read_to_string(&mut text).await.unwrap();
        text
    }

    async fn log(&self, name: &str, container: &str, previous: bool) -> Result<String, String> {
        let request = LogRequest { previous, ..LogRequest::default() };
        let mut stream = self.agents.logs(Self::target(name, container), request).await.map_err(|e| e.message)?;
        let mut text = Vec::new();
        while let Some(bytes) = stream.next().await {
            text.extend(bytes);
        }
        Ok(String::from_utf8(text).unwrap())
    }

    async fn delete(&self, name: &str, grace: i64) {
        let options = DeleteOptions { grace_period: Some(grace), ..DeleteOptions::default() };
        self.client.delete::<Pod>("default", name, &options).await.unwrap();
    }
}

fn sh(name: &str, script: &str) -> Value {
    json!({"name": name, "image": "busybox:1.36", "command": ["sh", "-c", script]})
}

fn is_running(status: &Value) -> bool {
    status["phase"] == "Running"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_is_seen_and_goes() {
    let Some(bench) = Bench::new().await else { return };
    let began = Instant::now();
    while bench.client.get::<Node>("", "node-1").unwrap().is_none_or(|n| n.status.is_none()) {
        assert!(began.elapsed() < Duration::from_secs(5));
        sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    let script = "trap 'echo bye; exit 7' TERM; echo hello $NAME from $(hostname); while :; do sleep 0.05; done";
    let mut container = sh("main", script);
    container["env"] = json!([{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);
    bench.create("web", json!({"containers": [container]})).await;
    let status = bench.until("web", is_running).await;
    println!("bound to Running: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(2));
    let ip = status["podIP"].as_str().unwrap();
    assert!(ip.starts_with("10.244.0."), "{status:#}");
    assert_eq!(status["containerStatuses"][0]["ready"], true);
    assert_eq!(status["qosClass"], "BestEffort");
    assert!(bench.exec("web", "cat /etc/hosts").await.contains(&format!("{ip}\tweb\n")));
    assert!(bench.exec("web", "cat /etc/resolv.conf").await.contains("nameserver 10.96.0.10\n"));
    sleep(Duration::from_millis(100)).await;
    assert_eq!(bench.log("web", "", false).await.unwrap(), "hello web from web\n");
    let image = "Pulled: Container image \"busybox:1.36\" already present on machine";
    assert_eq!(bench.events("web"), [image, "Created: Created container: main", "Started: Started container main"]);
    let pods = bench.folder.path().join("node-1/pods");
    assert_eq!(std::fs::read_dir(&pods).unwrap().count(), 1);
    let began = Instant::now();
    bench.delete("web", 30).await;
    bench
        .until("web", |status| {
            status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 7 || status.is_null()
        })
        .await;
    bench.until_gone("web").await;
    assert!(began.elapsed() < Duration::from_secs(3), "SIGTERM is answered at once");
    assert!(bench.events("web").contains(&"Killing: Stopping container main".to_owned()));
    sleep(Duration::from_millis(100)).await;
    assert_eq!(std::fs::read_dir(&pods).unwrap().count(), 0, "nothing is left");
    bench.agent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_back_off_in_the_kubelets_words() {
    let Some(bench) = Bench::new().await else { return };
    bench.create("crash", json!({"restartPolicy": "Always", "containers": [sh("c", "echo run; echo why > /dev/termination-log; exit 3")]})).await;
    bench.create("none", json!({"containers": [{"name": "c", "image": "acme/none:1"}]})).await;
    bench.create("cmd", json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox", "command": ["nonsense"]}]})).await;
    let env = json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}]);
    let mut late = sh("c", "echo got $A; sleep 100");
    late["env"] = env;
    bench.create("late", json!({"containers": [late]})).await;

    let reason = |status: &Value| status["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
    let status = bench.until("crash", |s| reason(s) == "CrashLoopBackOff").await;
    let uid = bench.pod("crash")["metadata"]["uid"].as_str().unwrap().to_owned();
    let container = &status["containerStatuses"][0];
    let message = format!("back-off 10s restarting failed container=c pod=crash_default({uid})");
    assert_eq!(container["state"]["waiting"]["message"], message);
    assert_eq!((&container["restartCount"], &container["lastState"]["terminated"]["exitCode"]), (&json!(1), &json!(3)));
    assert_eq!(container["lastState"]["terminated"]["message"], "why\n");
    assert_eq!(container["lastState"]["terminated"]["reason"], "Error");
    assert_eq!(status["phase"], "Running");
    assert_eq!(bench.log("crash", "c", true).await.unwrap(), "run\n");

    let status = bench.until("none", |s| reason(s) == "ImagePullBackOff").await;
    let message = status["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Back-off pulling image \"acme/none:1\": ErrImagePull: ") && message.contains("--images")
    );
    assert_eq!(status["phase"], "Pending");
    let error = bench.log("none", "", false).await.unwrap_err();
    assert_eq!(
        error,
        "container \"c\" in pod \"none\" is waiting to start: trying and failing to pull image: ImagePullBackOff"
    );

    let status = bench.until("cmd", |s| s["phase"] == "Failed").await;
    let end = &status["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&end["reason"], &end["exitCode"]), (&json!("StartError"), &json!(128)));
    assert!(end["message"].as_str().unwrap().contains("nonsense"), "{end}");

    let status = bench.until("late", |s| reason(s) == "CreateContainerConfigError").await;
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["message"], "configmap \"late\" not found");
    let map = json!({"metadata": {"name": "late", "namespace": "default"}, "data": {"a": "1"}});
    bench.client.create(&serde_json::from_value::<ConfigMap>(map).unwrap()).await.unwrap();
    let began = Instant::now();
    bench.until("late", is_running).await;
    assert!(began.elapsed() < Duration::from_secs(2), "the ConfigMap is noticed at once");
    bench.agent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn init_containers_sidecars_and_hooks_keep_their_order() {
    let Some(bench) = Bench::new().await else { return };
    let log = json!([{"name": "v", "mountPath": "/v"}]);
    let with = |mut container: Value, more: Value| {
        container["volumeMounts"] = log.clone();
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        container
    };
    let lasting = |name: &str| {
        let script = format!(
            "trap 'echo {name} down >> /v/log; exit 0' TERM; echo {name} up >> /v/log; while :; do sleep 0.02; done"
        );
        sh(name, &script)
    };
    let startup =
        json!({"exec": {"command": ["sh", "-c", "sleep 0.3; echo s1 started >> /v/log"]}, "periodSeconds": 1});
    bench
        .create("p", json!({
            "terminationGracePeriodSeconds": 10,
            "volumes": [{"name": "v", "hostPath": {"path": bench.folder.path(), "type": "Directory"}}],
            "initContainers": [
                with(sh("i", "sleep 0.1; echo i done >> /v/log"), json!({})),
                with(lasting("s1"), json!({"restartPolicy": "Always", "startupProbe": startup})),
                with(lasting("s2"), json!({"restartPolicy": "Always"})),
            ],
            "containers": [
                with(lasting("a"), json!({"lifecycle": {
                    "postStart": {"exec": {"command": ["sh", "-c", "sleep 0.3; echo a greeted >> /v/log"]}},
                    "preStop": {"exec": {"command": ["sh", "-c", "sleep 0.3; echo a warned >> /v/log"]}},
                }})),
                with(lasting("b"), json!({"readinessProbe": {"exec": {"command": ["test", "-e", "/v/ready"]}, "periodSeconds": 1}})),
            ],
        }))
        .await;
    let status = bench.until("p", is_running).await;
    let ready = |status: &Value| {
        status["conditions"].as_array().unwrap().iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    assert!(!ready(&status));
    let began = Instant::now();
    while !bench.events("p").iter().any(|e| e.starts_with("Unhealthy: Readiness probe failed: ")) {
        assert!(began.elapsed() < Duration::from_secs(5), "{:#?}", bench.events("p"));
        sleep(Duration::from_millis(5)).await;
    }
    std::fs::write(bench.folder.path().join("ready"), "").unwrap();
    bench.until("p", ready).await;
    let read = || std::fs::read_to_string(bench.folder.path().join("log")).unwrap();
    assert_eq!(read(), "i done\ns1 up\ns1 started\ns2 up\na up\na greeted\nb up\n");
    std::fs::write(bench.folder.path().join("log"), "").unwrap();
    bench.delete("p", 10).await;
    bench.until_gone("p").await;
    assert_eq!(read(), "b down\na warned\na down\ns2 down\ns1 down\n");
    bench.agent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_end_liveness_restarts_and_force_is_at_once() {
    let Some(bench) = Bench::new().await else { return };
    let mut sidecar = sh("s", "sleep 1000");
    sidecar["restartPolicy"] = json!("Always");
    bench
        .create(
            "job",
            json!({
                "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 1,
                "initContainers": [sidecar], "containers": [sh("c", "sleep 0.2")],
            }),
        )
        .await;
    let mut ill = sh("c", "trap 'exit 0' TERM; while :; do sleep 0.02; done");
    ill["livenessProbe"] = json!({"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2});
    bench.create("ill", json!({"restartPolicy": "Always", "containers": [ill]})).await;
    bench.create("stubborn", json!({"containers": [sh("c", "trap '' TERM; while :; do sleep 0.02; done")]})).await;
    bench.create("slow", json!({"activeDeadlineSeconds": 1, "terminationGracePeriodSeconds": 1, "containers": [sh("c", "exec sleep 1000")]})).await;

    let status = bench
        .until("job", |s| s["phase"] == "Succeeded" && s["initContainerStatuses"][0]["state"]["terminated"].is_object())
        .await;
    assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
    let status = bench.until("ill", |s| s["containerStatuses"][0]["restartCount"] == 1).await;
    assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 0);
    assert!(bench.events("ill").contains(&"Killing: Container c failed liveness probe, will be restarted".to_owned()));
    let status = bench
        .until("slow", |s| s["phase"] == "Failed" && s["containerStatuses"][0]["state"]["terminated"].is_object())
        .await;
    assert_eq!(status["reason"], "DeadlineExceeded");

    let hold = |pod: &mut Pod| {
        pod.metadata.finalizers = Some(vec!["example.com/hold".into()]);
        true
    };
    bench.client.modify("default", "job", Part::Main, hold).await.unwrap();
    bench.delete("job", 0).await;
    sleep(Duration::from_millis(200)).await;
    let held = bench.pod("job");
    assert_eq!(held["status"]["phase"], "Succeeded", "a finalizer holds the object as it was");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(bench.pod("job"), held, "and nobody writes it any more");

    bench.until("stubborn", is_running).await;
    let uid = bench.pod("stubborn")["metadata"]["uid"].as_str().unwrap().to_owned();
    bench.delete("stubborn", 0).await;
    let began = Instant::now();
    while bench.agents.get(&uid).is_some() {
        assert!(began.elapsed() < Duration::from_secs(2), "a removed pod is not waited for");
        sleep(Duration::from_millis(5)).await;
    }
    bench.agent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_image_restarts_the_container_and_maps_are_followed() {
    let Some(bench) = Bench::new().await else { return };
    let map = json!({"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": "1"}});
    bench.client.create(&serde_json::from_value::<ConfigMap>(map).unwrap()).await.unwrap();
    let mut container = sh("c", "trap 'exit 0' TERM; while :; do sleep 0.02; done");
    container["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    let volumes = json!([{"name": "v", "configMap": {"name": "cm"}}]);
    let context = json!({"runAsUser": 1234, "fsGroup": 77, "sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "2000 3000"}]});
    bench.create("p", json!({"restartPolicy": "Always", "securityContext": context, "volumes": volumes, "containers": [container]})).await;
    bench.until("p", is_running).await;
    assert_eq!(bench.exec("p", "cat /v/a; id -u; id -G").await, "11234\n0 77\n");
    assert_eq!(bench.exec("p", "cat /proc/sys/net/ipv4/ip_local_port_range").await, "2000\t3000\n");
    let change = |map: &mut ConfigMap| {
        map.data = Some([("a".to_owned(), "2".to_owned())].into());
        true
    };
    bench.client.modify("default", "cm", Part::Main, change).await.unwrap();
    let began = Instant::now();
    while bench.exec("p", "cat /v/a").await != "2" {
        assert!(began.elapsed() < Duration::from_secs(3));
    }
    let change = |pod: &mut Pod| {
        pod.spec.as_mut().unwrap().containers[0].image = Some("alpine".into());
        true
    };
    bench.client.modify("default", "p", Part::Main, change).await.unwrap();
    let status = bench.until("p", |s| s["containerStatuses"][0]["restartCount"] == 1 && is_running(s)).await;
    assert!(status["containerStatuses"][0]["imageID"].as_str().unwrap().starts_with("alpine@sha256:"));
    assert!(bench.events("p").contains(&"Killing: Container c definition changed, will be restarted".to_owned()));
    bench.agent.abort();
}
