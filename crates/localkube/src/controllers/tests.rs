//! The controllers together, on an API in memory, with a kubelet that only pretends.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Event, Pod};
use serde_json::{Value, json};
use tokio_util::sync::DropGuard;

use super::{
    bootstrap::bootstrap,
    engine::{Engine, Next},
    *,
};
use crate::{
    api::{Part, WriteOptions, verbs::DeleteOptions},
    client::{Key, Typed},
    object::Object,
};

mod batch;
mod rollout;
mod services;
mod tidying;

/// A running control plane. It stops when dropped.
pub(super) struct Cluster {
    pub(super) client: Client,
    _stop: DropGuard,
}

impl Cluster {
    /// With two nodes, and the namespaces of a new cluster.
    pub(super) async fn start() -> Self {
        let api = Api::default();
        let client = Client::new(api.clone(), "test");
        bootstrap(&client, "172.18.0.2:6443".parse().expect("an address")).await.expect("bootstrapped");
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        run(&api, Settings { ca_pem: "a certificate".to_owned() }, &stop, &tasks);
        let kubelet = Engine::new(Client::new(api, "kubelet"), pretend).of("", "pods");
        let until = stop.clone();
        tasks.spawn(async move { until.run_until_cancelled(kubelet.run()).await });
        let cluster = Self { client, _stop: stop.drop_guard() };
        for name in ["node-1", "node-2"] {
            cluster.node(name, "4").await;
        }
        cluster
    }

    pub(super) async fn node(&self, name: &str, cpu: &str) {
        let status = json!({
            "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "20000"},
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        });
        let labels = json!({"kubernetes.io/hostname": name});
        self.create(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})).await;
        self.status("v1", "Node", "", name, status).await;
    }

    pub(super) async fn create(&self, value: Value) -> Object {
        self.try_create(value).await.expect("created")
    }

    pub(super) async fn try_create(&self, value: Value) -> Result<Object, Status> {
        let mut object = Object::new(value)?;
        let kind = self.client.api().kinds().served().find_kind(object.api_version(), object.kind()).cloned();
        let kind = kind.expect("a served kind");
        if kind.is_namespaced() && object.namespace().is_empty() {
            object.set_meta("namespace", "default");
        }
        let stored = self.client.api().create(self.client.caller(), &kind, object, &WriteOptions::default()).await?;
        Ok(stored.object.clone())
    }

    pub(super) async fn status(&self, api_version: &str, kind: &str, namespace: &str, name: &str, status: Value) {
        let kind = self.client.api().kinds().served().find_kind(api_version, kind).cloned().expect("a served kind");
        loop {
            let mut object = self.client.api().get(&kind, namespace, name).expect("there").object.clone();
            object.set("status", status.clone());
            let options = WriteOptions::default();
            let written = self.client.api().update(self.client.caller(), &kind, Part::Status, object, &options).await;
            match written {
                Err(error) if error.is_conflict() => {}
                other => return drop(other.expect("written")),
            }
        }
    }

    /// Merges `change` into an object, as `kubectl patch --type merge` would.
    pub(super) async fn patch(&self, api_version: &str, kind: &str, name: &str, change: Value) {
        let kind = self.client.api().kinds().served().find_kind(api_version, kind).cloned().expect("a served kind");
        let namespace = if kind.is_namespaced() { "default" } else { "" };
        loop {
            let mut object = self.client.api().get(&kind, namespace, name).expect("there").object.clone();
            json_patch::merge(object.value_mut(), &change);
            let options = WriteOptions::default();
            match self.client.api().update(self.client.caller(), &kind, Part::Main, object, &options).await {
                Err(error) if error.is_conflict() => {}
                other => return drop(other.expect("patched")),
            }
        }
    }

    pub(super) async fn delete<T: Typed>(&self, name: &str) {
        let namespace = if T::KIND == "Namespace" { "" } else { "default" };
        self.client.delete::<T>(namespace, name, &DeleteOptions::default()).await.expect("deleted");
    }

    pub(super) fn get<T: Typed>(&self, name: &str) -> Option<T> {
        let namespace = if T::KIND == "Namespace" || T::KIND == "Node" { "" } else { "default" };
        self.client.get(namespace, name).expect("decoded")
    }

    pub(super) fn list<T: Typed>(&self) -> Vec<T> {
        self.client.list(Some("default")).expect("decoded")
    }

    pub(super) fn pods(&self) -> Vec<Pod> {
        let mut pods = self.list::<Pod>();
        pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        pods
    }

    /// Messages of the events with this reason.
    pub(super) fn told(&self, reason: &str) -> Vec<String> {
        let mut events = self.list::<Event>();
        events.retain(|event| event.reason.as_deref() == Some(reason));
        events.sort_by_key(|e| e.metadata.resource_version.as_ref().and_then(|v| v.parse::<u64>().ok()));
        events.into_iter().filter_map(|event| event.message).collect()
    }

    /// Waits until `holds`, for at most ten seconds.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Duration {
        let started = Instant::now();
        while !holds(self) {
            assert!(started.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        started.elapsed()
    }
}

/// Runs a pod without running anything. Annotation `pretend` says how it goes: `never` ready, `Succeeded`,
/// `Failed`, or `left alone`.
async fn pretend(client: Client, key: Key) -> Outcome {
    let kind = client.kind::<Pod>()?;
    let Some(stored) = client.api().store().get(&kind.resource(), &key.namespace, &key.name) else {
        return Ok(Next::Change);
    };
    let pod = &stored.object;
    if pod.text("/spec/nodeName").is_empty() {
        return Ok(Next::Change);
    }
    if pod.is_deleting() {
        let now = DeleteOptions { grace_period: Some(0), ..DeleteOptions::default() };
        client.delete::<Pod>(&key.namespace, &key.name, &now).await?;
        return Ok(Next::Change);
    }
    let (phase, ready) = match pod.annotation("pretend").unwrap_or("ready") {
        "left alone" => return Ok(Next::Change),
        "ready" => ("Running", "True"),
        "never" => ("Running", "False"),
        end => (end, "False"),
    };
    let told = pods::condition(pod, "Ready").is_some_and(|condition| condition["status"] == ready);
    if pods::phase(pod) == phase && told {
        return Ok(Next::Change);
    }
    let mut pod = pod.clone();
    let number = pod.revision();
    pod.value_mut()["status"]["phase"] = phase.into();
    pod.value_mut()["status"]["podIP"] = format!("10.244.{}.{}", number / 250 % 250, number % 250 + 1).into();
    pod.value_mut()["status"]["conditions"] = json!([
        {"type": "PodScheduled", "status": "True"},
        {"type": "Ready", "status": ready, "lastTransitionTime": crate::api::verbs::now()},
    ]);
    client.api().update(client.caller(), &kind, Part::Status, pod, &WriteOptions::default()).await?;
    Ok(Next::Change)
}

/// A Deployment as the API server would store it.
pub(super) fn deployment(name: &str, replicas: i32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "template": template(name, image),
        },
    })
}

pub(super) fn template(app: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": image}], "restartPolicy": "Always"},
    })
}

pub(super) fn labels(pod: &Pod) -> BTreeMap<String, String> {
    pod.metadata.labels.clone().unwrap_or_default()
}
