//! What goes away by itself: pods of nodes that are gone, finished Jobs, old events.

use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{Event, Node, Pod},
    },
    jiff::Timestamp,
};

use super::{
    Outcome,
    engine::{Engine, Next, key_of},
    job::finished_at,
    seconds,
};
use crate::{
    api::verbs::DeleteOptions,
    client::{Client, Key},
    store::{Change, Resource},
};

/// A pod whose node does not exist is given this time for the node to appear.
const QUARANTINE_SECONDS: i64 = 40;
/// How long events are kept.
const EVENT_SECONDS: i64 = 3600;

/// Removes pods that are bound to a node that does not exist.
pub(super) fn pods_engine(client: Client) -> Engine {
    Engine::new(client, sweep_pod).of("", "pods").on("", "nodes", |store, node, change| {
        if change != Change::Deleted {
            return Vec::new();
        }
        let (pods, _) = store.list(&Resource::new("", "pods"), None);
        let bound = pods.iter().filter(|pod| pod.object.text("/spec/nodeName") == node.name());
        bound.map(|pod| key_of(&pod.object)).collect()
    })
}

async fn sweep_pod(client: Client, key: Key) -> Outcome {
    let pod = client.api().store().get(&client.kind::<Pod>()?.resource(), &key.namespace, &key.name);
    let Some(pod) = pod.as_ref().map(|stored| &stored.object) else { return Ok(Next::Change) };
    let node = pod.text("/spec/nodeName");
    let nodes = client.kind::<Node>()?.resource();
    if node.is_empty() || client.api().store().get(&nodes, "", node).is_some() {
        return Ok(Next::Change);
    }
    let born = super::pods::time_at(pod, "/metadata/creationTimestamp").unwrap_or_default();
    let left = QUARANTINE_SECONDS - (Timestamp::now().as_second() - born.as_second());
    if left > 0 {
        return Ok(Next::After(seconds(left)));
    }
    let options = DeleteOptions { grace_period: Some(0), uid: Some(pod.uid().to_owned()), ..DeleteOptions::default() };
    client.delete::<Pod>(&key.namespace, &key.name, &options).await?;
    Ok(Next::Change)
}

/// Deletes Jobs `ttlSecondsAfterFinished` after their end.
pub(super) fn jobs_engine(client: Client) -> Engine {
    Engine::new(client, sweep_job).of("batch", "jobs")
}

async fn sweep_job(client: Client, key: Key) -> Outcome {
    let Some(job) = client.get::<Job>(&key.namespace, &key.name)? else { return Ok(Next::Change) };
    let ttl = job.spec.as_ref().and_then(|spec| spec.ttl_seconds_after_finished);
    let (Some(ttl), Some(end)) = (ttl, finished_at(&job)) else { return Ok(Next::Change) };
    if job.metadata.deletion_timestamp.is_some() {
        return Ok(Next::Change);
    }
    let left = end.as_second() + i64::from(ttl) - Timestamp::now().as_second();
    if left > 0 {
        return Ok(Next::After(seconds(left)));
    }
    let options = DeleteOptions {
        propagation: Some("Foreground".to_owned()),
        uid: job.metadata.uid.clone(),
        ..DeleteOptions::default()
    };
    client.delete::<Job>(&key.namespace, &key.name, &options).await?;
    Ok(Next::Change)
}

/// Deletes events an hour after they last happened.
pub(super) fn events_engine(client: Client) -> Engine {
    Engine::new(client, sweep_event).of("", "events").workers(1)
}

async fn sweep_event(client: Client, key: Key) -> Outcome {
    let event = client.api().store().get(&client.kind::<Event>()?.resource(), &key.namespace, &key.name);
    let Some(event) = event.as_ref().map(|stored| &stored.object) else { return Ok(Next::Change) };
    let times = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime", "/metadata/creationTimestamp"];
    let last = times.iter().filter_map(|pointer| super::pods::time_at(event, pointer)).max().unwrap_or_default();
    let left = EVENT_SECONDS - (Timestamp::now().as_second() - last.as_second());
    if left > 0 {
        return Ok(Next::After(seconds(left)));
    }
    client.delete::<Event>(&key.namespace, &key.name, &DeleteOptions::default()).await?;
    Ok(Next::Change)
}
