//! Nodes: one whose lease is not renewed counts as lost, and its pods as not ready, until it speaks again.

use std::time::Duration;

use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{Node, NodeCondition, Pod, PodCondition, Taint},
    },
    jiff::Timestamp,
};

use super::{
    Outcome,
    engine::{Engine, Next},
    pods,
};
use crate::{
    api::Part,
    client::{Client, Key},
    object::Object,
    status::Status,
    store::{Change, Store},
};

/// A node that was silent for so long is lost.
const GRACE_SECONDS: i64 = 40;
const LEASES: &str = "kube-node-lease";
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

pub(super) fn engine(client: Client) -> Engine {
    let leased = |_: &Store, lease: &Object, _: Change| match lease.namespace() {
        LEASES => vec![Key { namespace: String::new(), name: lease.name().to_owned() }],
        _ => Vec::new(),
    };
    Engine::new(client, reconcile).of("", "nodes").on("coordination.k8s.io", "leases", leased)
}

async fn reconcile(client: Client, key: Key) -> Outcome {
    let Some(node) = client.get::<Node>("", &key.name)? else { return Ok(Next::Change) };
    let lease = client.get::<Lease>(LEASES, &key.name)?.and_then(|lease| lease.spec?.renew_time);
    let born = node.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let Some(heard) = lease.map(|time| time.0).max(born) else { return Ok(Next::Change) };
    let silent = Timestamp::now().as_second() - heard.as_second();
    if silent > GRACE_SECONDS {
        client.modify("", &key.name, Part::Status, mark_lost).await?;
        mark_pods(&client, &key.name).await?;
    }
    let Some(node) = client.get::<Node>("", &key.name)? else { return Ok(Next::Change) };
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.and_then(|list| list.iter().find(|condition| condition.type_ == "Ready"));
    let taint = match ready.map(|ready| ready.status.as_str()) {
        Some("True") => None,
        Some("Unknown") => Some(UNREACHABLE),
        _ => Some(NOT_READY),
    };
    client.modify("", &key.name, Part::Main, |node: &mut Node| set_taints(node, taint)).await?;
    let left = u64::try_from(GRACE_SECONDS + 1 - silent).unwrap_or(0).max(1);
    Ok(if silent > GRACE_SECONDS { Next::Change } else { Next::After(Duration::from_secs(left)) })
}

fn mark_lost(node: &mut Node) -> bool {
    let list = node.status.get_or_insert_default().conditions.get_or_insert_default();
    let mut changed = false;
    for kind in CONDITIONS {
        let new = NodeCondition {
            type_: kind.to_owned(),
            status: "Unknown".to_owned(),
            reason: Some("NodeStatusUnknown".to_owned()),
            message: Some("Kubelet stopped posting node status.".to_owned()),
            last_transition_time: Some(pods::now()),
            last_heartbeat_time: None,
        };
        match list.iter_mut().find(|old| old.type_ == kind) {
            Some(old) if old.status == "Unknown" => {}
            Some(old) => {
                *old = NodeCondition { last_heartbeat_time: old.last_heartbeat_time.clone(), ..new };
                changed = true;
            }
            None => {
                list.push(new);
                changed = true;
            }
        }
    }
    changed
}

async fn mark_pods(client: &Client, node: &str) -> Result<(), Status> {
    let (found, _) = client.api().store().list(&client.kind::<Pod>()?.resource(), None);
    for pod in found.iter().map(|stored| &stored.object) {
        if pod.text("/spec/nodeName") == node && pods::is_ready(pod) {
            client.modify(pod.namespace(), pod.name(), Part::Status, mark_unready).await?;
        }
    }
    Ok(())
}

fn mark_unready(pod: &mut Pod) -> bool {
    let list = pod.status.get_or_insert_default().conditions.get_or_insert_default();
    let Some(ready) = list.iter_mut().find(|condition| condition.type_ == "Ready" && condition.status == "True") else {
        return false;
    };
    *ready = PodCondition {
        status: "False".to_owned(),
        reason: Some("NodeNotReady".to_owned()),
        last_transition_time: Some(pods::now()),
        ..ready.clone()
    };
    true
}

/// Leaves of our two taints the one that applies.
fn set_taints(node: &mut Node, only: Option<&str>) -> bool {
    let old = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let mut taints: Vec<Taint> = old
        .iter()
        .filter(|taint| ![NOT_READY, UNREACHABLE].contains(&taint.key.as_str()) || Some(taint.key.as_str()) == only)
        .cloned()
        .collect();
    if let Some(key) = only {
        for effect in ["NoSchedule", "NoExecute"] {
            if !taints.iter().any(|taint| taint.key == key && taint.effect == effect) {
                let time_added = (effect == "NoExecute").then(pods::now);
                taints.push(Taint { key: key.to_owned(), effect: effect.to_owned(), value: None, time_added });
            }
        }
    }
    let changed = taints != old;
    node.spec.get_or_insert_default().taints = (!taints.is_empty()).then_some(taints);
    changed
}
