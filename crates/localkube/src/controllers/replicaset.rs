//! ReplicaSets: as many pods of a template as asked for.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use futures::future::join_all;
use k8s_openapi::{
    api::{
        apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus},
        core::v1::Pod,
    },
    jiff::Timestamp,
};
use serde_json::Value;

use super::{
    Outcome,
    engine::{Engine, Next},
    pods::{self, claim, count, from_template, is_active, is_available, is_ready, selecting},
    seconds,
};
use crate::{
    api::verbs::DeleteOptions,
    client::{Client, Key},
    object::Object,
    status::Status,
    store::{Change, Resource, Stored},
};

/// At most so many pods are created or deleted in one step.
const BURST: usize = 500;

pub(super) fn engine(client: Client) -> Engine {
    Engine::new(client, reconcile).of("apps", "replicasets").owned("", "pods", "ReplicaSet").on(
        "",
        "pods",
        |store, pod, change| match pod.owners().is_empty() && change != Change::Deleted && is_active(pod) {
            true => selecting(store, &Resource::new("apps", "replicasets"), pod),
            false => Vec::new(),
        },
    )
}

async fn reconcile(client: Client, key: Key) -> Outcome {
    let Some(set) = client.get::<ReplicaSet>(&key.namespace, &key.name)? else { return Ok(Next::Change) };
    let Some(spec) = &set.spec else { return Ok(Next::Change) };
    let mut pods = claim::<_, Pod>(&client, &set, &spec.selector).await?;
    pods.retain(|pod| is_active(&pod.object));
    let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    let mut result = Ok(());
    if set.metadata.deletion_timestamp.is_none() {
        result = match pods.len().cmp(&wanted) {
            Ordering::Less => add(&client, &set, (wanted - pods.len()).min(BURST)).await,
            Ordering::Greater => remove(&client, &set, &pods, (pods.len() - wanted).min(BURST)).await,
            Ordering::Equal => Ok(()),
        };
    }
    let mut now_there = claim::<_, Pod>(&client, &set, &spec.selector).await?;
    now_there.retain(|pod| is_active(&pod.object));
    let next = write_status(&client, &set, &now_there, result.as_ref().err()).await?;
    // A whole burst was done: there may be more to do.
    let more = now_there.len() != wanted && set.metadata.deletion_timestamp.is_none();
    result.map(|()| if more { Next::After(std::time::Duration::ZERO) } else { next })
}

async fn add(client: &Client, set: &ReplicaSet, missing: usize) -> Result<(), Status> {
    let prefix = format!("{}-", set.metadata.name.as_deref().unwrap_or_default());
    let template = template(set)?;
    let new = || create(client, set, from_template(set, &template, &prefix));
    slow_start(missing, new).await
}

/// Does something `times` times in batches of 1, 2, 4, ..., and stops after the batch in which one failed: a template
/// that is refused is then refused a few times, not hundreds of times.
pub(super) async fn slow_start<F>(times: usize, mut act: impl FnMut() -> F) -> Result<(), Status>
where
    F: Future<Output = Result<(), Status>>,
{
    let (mut left, mut batch) = (times, 1);
    while left > 0 {
        let now = batch.min(left);
        join_all((0..now).map(|_| act())).await.into_iter().collect::<Result<Vec<()>, Status>>()?;
        left -= now;
        batch *= 2;
    }
    Ok(())
}

/// Creates a pod and tells of it on its owner.
pub(super) async fn create<O: crate::client::Typed + Sync>(
    client: &Client,
    owner: &O,
    pod: Value,
) -> Result<(), Status> {
    let pod = Object::new(pod)?.to_typed::<Pod>()?;
    match client.create(&pod).await {
        Ok(pod) => {
            let name = pod.metadata.name.unwrap_or_default();
            client.event(owner, "Normal", "SuccessfulCreate", &format!("Created pod: {name}")).await;
            Ok(())
        }
        Err(error) => {
            client.event(owner, "Warning", "FailedCreate", &format!("Error creating: {error}")).await;
            Err(error)
        }
    }
}

/// Deletes a pod and tells of it on its owner.
pub(super) async fn delete<O: crate::client::Typed + Sync>(
    client: &Client,
    owner: &O,
    pod: &Object,
) -> Result<(), Status> {
    let options = DeleteOptions { uid: Some(pod.uid().to_owned()), ..DeleteOptions::default() };
    let name = pod.name();
    match client.delete::<Pod>(pod.namespace(), name, &options).await {
        Ok(()) => {
            client.event(owner, "Normal", "SuccessfulDelete", &format!("Deleted pod: {name}")).await;
            Ok(())
        }
        // The uid did not match: another pod has the name, ours is gone.
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => {
            client.event(owner, "Warning", "FailedDelete", &format!("Error deleting: {error}")).await;
            Err(error)
        }
    }
}

async fn remove(client: &Client, set: &ReplicaSet, pods: &[Arc<Stored>], surplus: usize) -> Result<(), Status> {
    let related = related_per_node(client, set)?;
    let now = Timestamp::now();
    let mut ranked: Vec<Rank> = pods.iter().map(|pod| Rank::new(&pod.object, &related)).collect();
    ranked.sort_by(|a, b| a.cmp(b, now));
    let doomed = ranked.iter().take(surplus).map(|rank| delete(client, set, rank.pod));
    join_all(doomed).await.into_iter().collect::<Result<Vec<()>, Status>>().map(|_| ())
}

/// How many active pods of this set and its siblings (of the same Deployment) each node has.
fn related_per_node(client: &Client, set: &ReplicaSet) -> Result<HashMap<String, usize>, Status> {
    let store = client.api().store();
    let (sets, pods) = (client.kind::<ReplicaSet>()?.resource(), client.kind::<Pod>()?.resource());
    let own_uid = set.metadata.uid.clone().unwrap_or_default();
    let owner = set.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let uids: Vec<String> = match owner {
        Some(owner) => store.owned(&sets, &owner.uid).iter().map(|set| set.object.uid().to_owned()).collect(),
        None => vec![own_uid],
    };
    let mut per_node = HashMap::new();
    for uid in uids {
        for pod in store.owned(&pods, &uid).iter().filter(|pod| is_active(&pod.object)) {
            *per_node.entry(pod.object.text("/spec/nodeName").to_owned()).or_insert(0) += 1;
        }
    }
    Ok(per_node)
}

/// What decides which pods go first when there are too many.
pub(super) struct Rank<'a> {
    pod: &'a Object,
    assigned: bool,
    phase: u8,
    ready: bool,
    cost: i64,
    related: usize,
    ready_since: Option<Timestamp>,
    restarts: (i64, i64),
    created: Option<Timestamp>,
}

impl<'a> Rank<'a> {
    fn new(pod: &'a Object, related: &HashMap<String, usize>) -> Self {
        let node = pod.text("/spec/nodeName");
        let restarts = |pointer: &str| {
            let statuses = pod.at(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            statuses.iter().filter_map(|status| status["restartCount"].as_i64()).max().unwrap_or(0)
        };
        let cost = pod.annotation("controller.kubernetes.io/pod-deletion-cost").and_then(|cost| cost.parse().ok());
        let phase = match pods::phase(pod) {
            "Running" => 2,
            "Unknown" => 1,
            _ => 0,
        };
        Self {
            pod,
            assigned: !node.is_empty(),
            phase,
            ready: is_ready(pod),
            cost: cost.unwrap_or(0),
            related: related.get(node).copied().unwrap_or(0),
            ready_since: pods::ready_since(pod),
            restarts: (restarts("/status/containerStatuses"), restarts("/status/initContainerStatuses")),
            created: pods::time_at(pod, "/metadata/creationTimestamp"),
        }
    }

    /// `Less`: goes first. The order of Kubernetes: unassigned, pending, not ready, cheap, crowded, lately ready,
    /// often restarted, young; ages are compared by their magnitude only, so that equals go by uid.
    fn cmp(&self, other: &Self, now: Timestamp) -> Ordering {
        let youngest = |a: Option<Timestamp>, b: Option<Timestamp>| magnitude(a, now).cmp(&magnitude(b, now));
        let first = (self.assigned, self.phase, self.ready, self.cost)
            .cmp(&(other.assigned, other.phase, other.ready, other.cost))
            .then(other.related.cmp(&self.related));
        let by_readiness = if self.ready && other.ready && self.ready_since != other.ready_since {
            youngest(self.ready_since, other.ready_since).then(self.pod.uid().cmp(other.pod.uid()))
        } else {
            Ordering::Equal
        };
        first
            .then(by_readiness)
            .then(other.restarts.cmp(&self.restarts))
            .then_with(|| youngest(self.created, other.created))
            .then_with(|| self.pod.uid().cmp(other.pod.uid()))
    }
}

/// The binary logarithm of an age in nanoseconds; -1 for the future and for no age at all.
fn magnitude(since: Option<Timestamp>, now: Timestamp) -> i32 {
    let age = since.map_or(0, |since| now.as_nanosecond() - since.as_nanosecond());
    u128::try_from(age).ok().and_then(|age| age.checked_ilog2()).and_then(|log| i32::try_from(log).ok()).unwrap_or(-1)
}

fn template(set: &ReplicaSet) -> Result<Value, Status> {
    let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
    serde_json::to_value(template).map_err(|e| Status::bad_request(e.to_string()))
}

async fn write_status(
    client: &Client,
    set: &ReplicaSet,
    pods: &[Arc<Stored>],
    failed: Option<&Status>,
) -> Result<Next, Status> {
    let Some(spec) = &set.spec else { return Ok(Next::Change) };
    let now = Timestamp::now();
    let min_ready = i64::from(spec.min_ready_seconds.unwrap_or(0));
    let labels = spec.template.as_ref().and_then(|t| t.metadata.as_ref()).and_then(|m| m.labels.clone());
    let labels = labels.unwrap_or_default();
    let full = |pod: &Object| labels.iter().all(|(key, value)| pod.label(key) == Some(value.as_str()));
    let many = |holds: &dyn Fn(&Object) -> bool| count(pods.iter().filter(|pod| holds(&pod.object)).count());
    let old = set.status.clone().unwrap_or_default();
    let status = ReplicaSetStatus {
        replicas: i32::try_from(pods.len()).unwrap_or(i32::MAX),
        fully_labeled_replicas: many(&full),
        ready_replicas: many(&is_ready),
        available_replicas: many(&|pod| is_available(pod, min_ready, now)),
        observed_generation: set.metadata.generation,
        conditions: conditions(old.conditions.clone(), failed, pods.len() < wanted(set)),
        ..ReplicaSetStatus::default()
    };
    let waiting = status.ready_replicas != status.available_replicas;
    if status != old {
        let mut set = set.clone();
        set.status = Some(status);
        client.update_status(&set).await?;
    }
    let ready = pods.iter().filter_map(|pod| pods::ready_since(&pod.object));
    let wait = ready.map(|since| since.as_second() + min_ready - now.as_second()).filter(|&wait| wait > 0).min();
    Ok(if waiting { Next::After(seconds(wait.unwrap_or(1))) } else { Next::Change })
}

fn wanted(set: &ReplicaSet) -> usize {
    set.spec.as_ref().and_then(|spec| spec.replicas).and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

/// Sets or clears condition ReplicaFailure. One that stands is left as it is, so that its time says when it began.
fn conditions(
    old: Option<Vec<ReplicaSetCondition>>,
    failed: Option<&Status>,
    too_few: bool,
) -> Option<Vec<ReplicaSetCondition>> {
    let (mut failures, mut rest): (Vec<_>, Vec<_>) =
        old.unwrap_or_default().into_iter().partition(|condition| condition.type_ == "ReplicaFailure");
    if let Some(error) = failed {
        let reason = if too_few { "FailedCreate" } else { "FailedDelete" };
        if failures.first().is_none_or(|failure| failure.reason.as_deref() != Some(reason)) {
            failures = vec![ReplicaSetCondition {
                type_: "ReplicaFailure".to_owned(),
                status: "True".to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(error.message.clone()),
                last_transition_time: Some(pods::now()),
            }];
        }
        rest.append(&mut failures);
    }
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests;
