//! The scheduler: finds a node for each pod that has none.
//!
//! One step places all waiting pods, oldest first, against one count of what each node carries; [`filter`] says why a
//! node will not do, [`affinity`] what a pod likes or dislikes beside it, [`quantity`] reads amounts.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

use super::{
    Outcome,
    engine::{Engine, Next},
    pods::{self, condition, is_terminal},
};
use crate::{
    api::verbs::{At, now},
    client::{Client, Key},
    object::Object,
    status::Status,
    store::{Change, Precondition, Resource, Stored},
};

mod affinity;
mod filter;
mod quantity;

use filter::{Placing, Refusal};

/// Everything is done in one step, under one key.
const ALL: Key = Key { namespace: String::new(), name: String::new() };

pub(super) fn engine(client: Client) -> Engine {
    Engine::new(client, |client, _| schedule(client))
        .on("", "pods", |_, pod, change| {
            let frees = change == Change::Deleted || is_terminal(pod);
            if frees || is_waiting(pod) { vec![ALL] } else { Vec::new() }
        })
        .on("", "nodes", |_, _, _| vec![ALL])
}

fn is_waiting(pod: &Object) -> bool {
    let scheduler = pod.text("/spec/schedulerName");
    pod.text("/spec/nodeName").is_empty()
        && !pod.is_deleting()
        && !is_terminal(pod)
        && matches!(scheduler, "" | "default-scheduler")
        && pod.at("/spec/schedulingGates").and_then(Value::as_array).is_none_or(Vec::is_empty)
}

async fn schedule(client: Client) -> Outcome {
    let store = client.api().store();
    let (pods, _) = store.list(&client.kind::<Pod>()?.resource(), None);
    let mut waiting: Vec<&Arc<Stored>> = pods.iter().filter(|pod| is_waiting(&pod.object)).collect();
    if waiting.is_empty() {
        return Ok(Next::Change);
    }
    waiting.sort_by_key(|pod| {
        let (priority, created) = (pod.object.int("/spec/priority"), pod.object.text("/metadata/creationTimestamp"));
        (Reverse(priority.unwrap_or(0)), created)
    });
    let (nodes, _) = store.list(&client.kind::<Node>()?.resource(), None);
    let mut nodes: Vec<Carrier> = nodes.into_iter().map(Carrier::new).collect();
    for pod in &pods {
        let node = pod.object.text("/spec/nodeName");
        if !node.is_empty()
            && !is_terminal(&pod.object)
            && let Some(carrier) = nodes.iter_mut().find(|carrier| carrier.name() == node)
        {
            carrier.take(pod.clone());
        }
    }
    let mut outcome = Ok(Next::Change);
    for pod in waiting {
        // One that cannot be placed for an error of its own does not keep the others waiting.
        outcome = place(&client, &mut nodes, pod).await.and(outcome);
    }
    outcome
}

/// A node and what it carries.
struct Carrier {
    node: Arc<Stored>,
    allocatable: BTreeMap<String, i128>,
    used: BTreeMap<String, i128>,
    pods: Vec<Arc<Stored>>,
    /// How many of them each owner has here, by its uid.
    by_owner: HashMap<String, usize>,
}

impl Carrier {
    fn new(node: Arc<Stored>) -> Self {
        let allocatable = quantity::amounts(node.object.at("/status/allocatable"));
        Self { node, allocatable, used: BTreeMap::new(), pods: Vec::new(), by_owner: HashMap::new() }
    }

    fn name(&self) -> &str {
        self.node.object.name()
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.node.object.label(key)
    }

    fn take(&mut self, pod: Arc<Stored>) {
        for (resource, amount) in quantity::requests(&pod.object) {
            *self.used.entry(resource).or_default() += amount;
        }
        *self.by_owner.entry(owner_uid(&pod.object).to_owned()).or_default() += 1;
        self.pods.push(pod);
    }
}

/// The uid of the controlling owner, or "".
fn owner_uid(pod: &Object) -> &str {
    pods::controller(pod).and_then(|owner| owner["uid"].as_str()).unwrap_or_default()
}

async fn place(client: &Client, nodes: &mut [Carrier], stored: &Arc<Stored>) -> Result<(), Status> {
    let pod = &stored.object;
    let placing = Placing::new(client.api().store(), pod, nodes)?;
    let refusals: Vec<Option<Refusal>> = nodes.iter().map(|node| placing.refusal(node)).collect();
    let fitting = nodes.iter().zip(&refusals).enumerate().filter(|(_, (_, refusal))| refusal.is_none());
    let siblings = |node: &Carrier| node.by_owner.get(owner_uid(pod)).copied().unwrap_or(0);
    let best = fitting.min_by_key(|(_, (node, _))| {
        (Reverse(placing.liking(node)), siblings(node), node.pods.len(), node.name().to_owned())
    });
    let Some((at, _)) = best else {
        return refuse(client, pod, &explain(&refusals)).await;
    };
    let name = nodes[at].name().to_owned();
    let target = At { namespace: pod.namespace(), name: pod.name() };
    let binding = json!({"metadata": {"uid": pod.uid()}, "target": {"name": name}});
    match client.api().bind(&*client.kind::<Pod>()?, target, &binding).await {
        Ok(_) => {}
        // Deleted, or bound by someone else, a moment ago.
        Err(error) if error.is_conflict() || error.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    }
    nodes[at].take(stored.clone());
    let message = format!("Successfully assigned {}/{} to {name}", pod.namespace(), pod.name());
    client.event(&pod.to_typed::<Pod>()?, "Normal", "Scheduled", &message).await;
    Ok(())
}

fn set_condition(pod: &mut Object, condition: Value) {
    let value = pod.value_mut();
    if !value["status"].is_object() {
        value["status"] = json!({"phase": "Pending"});
    }
    let status = &mut value["status"]["conditions"];
    let mut conditions = status.as_array().cloned().unwrap_or_default();
    conditions.retain(|other| other["type"] != condition["type"]);
    conditions.push(condition);
    *status = conditions.into();
}

/// `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. preemption: ...`
fn explain(refusals: &[Option<Refusal>]) -> String {
    let total = refusals.len();
    if total == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let tally = |texts: Vec<String>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        texts.into_iter().for_each(|text| *counts.entry(text).or_default() += 1);
        let mut list: Vec<String> = counts.into_iter().map(|(text, count)| format!("{count} {text}")).collect();
        list.sort();
        list.join(", ")
    };
    let reasons = refusals.iter().flatten().flat_map(|refusal| refusal.reasons.clone()).collect();
    let preemption = refusals.iter().flatten().map(|refusal| {
        let text = if refusal.for_good {
            "Preemption is not helpful for scheduling"
        } else {
            "No preemption victims found for incoming pod"
        };
        text.to_owned()
    });
    let (reasons, preemption) = (tally(reasons), tally(preemption.collect()));
    format!("0/{total} nodes are available: {reasons}. preemption: 0/{total} nodes are available: {preemption}.")
}

/// Tells once that a pod fits nowhere, and again when the reasons are others.
async fn refuse(client: &Client, pod: &Object, message: &str) -> Result<(), Status> {
    let told = condition(pod, "PodScheduled").is_some_and(|c| c["status"] == "False" && c["message"] == message);
    if told {
        return Ok(());
    }
    let pods = Resource::new("", "pods");
    let mut marked = pod.clone();
    set_condition(
        &mut marked,
        json!({
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
            "lastProbeTime": null, "lastTransitionTime": now(),
        }),
    );
    // A lost race means that the pod changed, and so a step of its own.
    if client.api().store().put(&pods, marked, Precondition::Revision(pod.revision())).is_ok() {
        client.event(&pod.to_typed::<Pod>()?, "Warning", "FailedScheduling", message).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
