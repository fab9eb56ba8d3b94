//! Pods.
//!
//! Names of workloads follow Istio's metrics (`destination_workload`, `destination_canonical_service`):
//! <https://istio.io/latest/docs/reference/config/metrics/>

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};
use mesh_proto::registry;
use mesh_types::Locality;

use super::{labels, locality, value};

/// Annotations that pilot reads begin with one of these.
const ANNOTATIONS: [&str; 4] = ["proxy.istio.io/", "sidecar.istio.io/", "traffic.sidecar.istio.io/", "lateen.io/"];

/// The record of a pod, or none while it has no address and once it has run to its end.
///
/// Its locality is what the pod claims for itself; [`placed`] fills in its node's.
pub fn record(pod: &Pod) -> Option<registry::Workload> {
    let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
    let addresses = addresses(status);
    if addresses.is_empty() || matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let name = pod.metadata.name.clone().unwrap_or_default();
    let pod_labels = pod.metadata.labels.as_ref();
    let first = |keys: &[&str]| keys.iter().find_map(|key| value(pod_labels, key));
    let owner = owner(pod).unwrap_or_else(|| name.clone());
    let account = spec.service_account_name.as_deref().filter(|account| !account.is_empty()).unwrap_or("default");
    Some(registry::Workload {
        name,
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        addresses,
        labels: labels(pod_labels),
        account: account.to_owned(),
        node: spec.node_name.clone().unwrap_or_default(),
        locality: locality::of_pod_label(pod).unwrap_or_default().to_string(),
        mesh_tls: value(pod_labels, "security.istio.io/tlsMode") == Some("istio"),
        canonical_name: first(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"])
            .unwrap_or(&owner)
            .to_owned(),
        canonical_revision: first(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"])
            .unwrap_or("latest")
            .to_owned(),
        workload_name: owner,
        host_network: spec.host_network.unwrap_or(false),
        named_ports: named_ports(spec),
        annotations: annotations(pod),
        ready: is_ready(status),
    })
}

/// The record with the locality of its node, unless it has its own.
pub fn placed(mut workload: registry::Workload, node: Option<&Locality>) -> registry::Workload {
    if let (true, Some(node)) = (workload.locality.is_empty(), node) {
        workload.locality = node.to_string();
    }
    workload
}

fn addresses(status: &PodStatus) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    let listed = status.pod_ips.iter().flatten().map(|ip| &ip.ip);
    for address in status.pod_ip.iter().chain(listed).filter(|address| !address.is_empty()) {
        if !addresses.contains(address) {
            addresses.push(address.clone());
        }
    }
    addresses
}

/// Name of what made the pod. Only pods whose names were generated belong to something larger.
fn owner(pod: &Pod) -> Option<String> {
    pod.metadata.generate_name.as_ref().filter(|name| !name.is_empty())?;
    let owner = pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    let pod_labels = pod.metadata.labels.as_ref();
    let without_hash = |label: &str| owner.name.strip_suffix(value(pod_labels, label)?)?.strip_suffix('-');
    let name = match owner.kind.as_str() {
        // A Deployment's ReplicaSet is named after both; Argo's Rollouts do the same with a label of their own.
        "ReplicaSet" => without_hash("pod-template-hash").or_else(|| without_hash("rollouts-pod-template-hash")),
        "ReplicationController" => value(pod_labels, "deploymentconfig"),
        "Job" => cron_job(&owner.name),
        _ => None,
    };
    Some(name.unwrap_or(&owner.name).to_owned())
}

/// A CronJob's Jobs end in the minute that they were made for.
fn cron_job(job: &str) -> Option<&str> {
    let (name, minute) = job.rsplit_once('-')?;
    let is_minute = (8..=10).contains(&minute.len()) && minute.bytes().all(|byte| byte.is_ascii_digit());
    (is_minute && !name.is_empty()).then_some(name)
}

fn named_ports(spec: &PodSpec) -> BTreeMap<String, u32> {
    let lasting = spec.init_containers.iter().flatten().filter(|init| init.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(lasting).flat_map(|container| container.ports.iter().flatten());
    ports.filter_map(|port| Some((port.name.clone()?, u32::try_from(port.container_port).ok()?))).collect()
}

fn annotations(pod: &Pod) -> BTreeMap<String, String> {
    let all = pod.metadata.annotations.iter().flatten();
    all.filter(|(key, _)| ANNOTATIONS.iter().any(|prefix| key.starts_with(prefix)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn is_ready(status: &PodStatus) -> bool {
    status.conditions.iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests;
