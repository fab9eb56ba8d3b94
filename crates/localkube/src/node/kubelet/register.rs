//! The Node object and its Lease.

use std::time::Duration;

use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::{Node as NodeObject, NodeAddress, NodeCondition, NodeSpec, NodeStatus},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use tokio::time::interval;

use super::{Node, machine};
use crate::{api::Part, net::topology::pod_range, node::status::now, status::Status};

const LEASES: &str = "kube-node-lease";
const RENEWAL: Duration = Duration::from_secs(10);
const LEASE_SECONDS: i32 = 40;
/// How many renewals go by between reports of an unchanged status: five minutes.
const QUIET: u32 = 30;

/// Creates the Node, or takes over the one that is there.
pub(super) async fn register(node: &Node) -> Result<(), Status> {
    let object = describe(node);
    let created = node.client.create(&object).await;
    if let Err(error) = created
        && !error.is_already_exists()
    {
        return Err(error);
    }
    let status = status(node);
    let report = |found: &mut NodeObject| {
        found.status = Some(status.clone());
        true
    };
    let found = node.client.modify("", &node.name, Part::Status, report).await?;
    if let Some(found) = found {
        node.client.event(&found, "Normal", "Starting", "Starting kubelet.").await;
        let ready = format!("Node {} status is now: NodeReady", node.name);
        node.client.event(&found, "Normal", "NodeReady", &ready).await;
    }
    Ok(())
}

/// Renews the lease, and now and then the status.
pub(super) async fn keep_alive(node: &Node) -> Result<(), Status> {
    let mut ticks = interval(RENEWAL);
    let mut since_report = 0;
    loop {
        ticks.tick().await;
        if let Err(error) = renew(node).await {
            tracing::warn!(%error, node = node.name, "node lease not renewed");
        }
        since_report += 1;
        if since_report < QUIET {
            continue;
        }
        since_report = 0;
        let beat = |found: &mut NodeObject| {
            let conditions = found.status.as_mut().and_then(|s| s.conditions.as_mut());
            conditions.into_iter().flatten().for_each(|c| c.last_heartbeat_time = Some(now()));
            true
        };
        if let Err(error) = node.client.modify("", &node.name, Part::Status, beat).await {
            tracing::warn!(%error, node = node.name, "node status not reported");
        }
    }
}

async fn renew(node: &Node) -> Result<(), Status> {
    let time = || Some(MicroTime(Timestamp::now()));
    let renewed = |lease: &mut Lease| {
        lease.spec.get_or_insert_default().renew_time = time();
        true
    };
    if node.client.modify(LEASES, &node.name, Part::Main, renewed).await?.is_some() {
        return Ok(());
    }
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(node.name.clone()),
            namespace: Some(LEASES.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(node.name.clone()),
            lease_duration_seconds: Some(LEASE_SECONDS),
            renew_time: time(),
            ..LeaseSpec::default()
        }),
    };
    node.client.create(&lease).await.map(|_| ())
}

fn describe(node: &Node) -> NodeObject {
    let role = if node.index == 0 { "node-role.kubernetes.io/control-plane" } else { "node-role.kubernetes.io/worker" };
    let arch = machine::architecture();
    let labels = [
        ("beta.kubernetes.io/arch", arch),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", arch),
        ("kubernetes.io/hostname", &node.name),
        ("kubernetes.io/os", "linux"),
        (role, ""),
    ];
    let range = pod_range(node.index);
    NodeObject {
        metadata: ObjectMeta {
            name: Some(node.name.clone()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec {
            pod_cidr: Some(range.clone()),
            pod_cidrs: Some(vec![range]),
            provider_id: Some(format!("localkube://{}", node.name)),
            ..NodeSpec::default()
        }),
        status: None,
    }
}

fn status(node: &Node) -> NodeStatus {
    const CONDITIONS: [(&str, &str, &str, &str); 4] = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ];
    let conditions = CONDITIONS.map(|(type_, status, reason, message)| NodeCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: Some(now()),
        last_transition_time: Some(now()),
    });
    let address = |type_: &str, address: String| NodeAddress { type_: type_.to_owned(), address };
    NodeStatus {
        addresses: Some(vec![address("InternalIP", node.net.ip.to_string()), address("Hostname", node.name.clone())]),
        allocatable: Some(node.allocatable.clone()),
        capacity: Some(node.allocatable.clone()),
        conditions: Some(conditions.to_vec()),
        node_info: Some(machine::info()),
        ..NodeStatus::default()
    }
}
