//! Jobs: pods that run to an end, as often as it takes within limits.
//!
//! Each pod carries a finalizer until it is counted, so that one that is deleted is counted as well. Counting goes in
//! three writes: the pod's uid into `uncountedTerminatedPods`, the finalizer off the pod, the uid into the count.
//! [`tally`] reads the pods, [`verdict`] decides, [`index`] is about completion indexes.

use std::time::Duration;

use k8s_openapi::{
    api::{
        batch::v1::{Job, JobCondition, JobSpec, JobStatus},
        core::v1::Pod,
    },
    jiff::Timestamp,
};
use serde_json::Value;

use super::{
    Outcome,
    engine::{Engine, Next},
    pods::{self, from_template},
    replicaset::{create, delete, slow_start},
    seconds,
};
use crate::{
    api::Part,
    client::{Client, Key},
    object::Object,
    status::Status,
    store::Stored,
};

mod index;
mod tally;
mod verdict;

use tally::Tally;

/// On a pod that is not counted yet.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";

pub(super) fn engine(client: Client) -> Engine {
    Engine::new(client, reconcile).of("batch", "jobs").owned("", "pods", "Job")
}

/// When a Job completed or failed; None while it has not.
pub(super) fn finished_at(job: &Job) -> Option<Timestamp> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let end = conditions.iter().find(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True")?;
    end.last_transition_time.as_ref().map(|time| time.0)
}

async fn reconcile(client: Client, key: Key) -> Outcome {
    let job = client.get::<Job>(&key.namespace, &key.name)?;
    let Some(job) = job.filter(|job| job.metadata.deletion_timestamp.is_none()) else {
        return release_orphans(&client, &key).await;
    };
    let Some(spec) = job.spec.clone() else { return Ok(Next::Change) };
    if spec.managed_by.as_deref().is_some_and(|by| by != "kubernetes.io/job-controller") {
        return Ok(Next::Change);
    }
    let resource = client.kind::<Pod>()?.resource();
    let pods = client.api().store().owned(&resource, job.metadata.uid.as_deref().unwrap_or_default());
    let mut status = job.status.clone().unwrap_or_default();
    let counted = tally::count(&mut status, &spec, &pods);
    let tally = Tally::new(&status, &spec, &pods);
    let mut step = Step { client, job, spec, status, pods, tally };
    let next = if finished_at(&step.job).is_some() { Ok(Next::Change) } else { step.advance().await };
    step.write().await?;
    step.release(&counted).await?;
    next
}

/// The pods of a Job that is gone, or going, are nobody's to count.
async fn release_orphans(client: &Client, key: &Key) -> Outcome {
    let (found, _) = client.api().store().list(&client.kind::<Pod>()?.resource(), Some(&key.namespace));
    for pod in found.iter().map(|stored| &stored.object) {
        let owner = pods::controller(pod).is_some_and(|o| o["kind"] == "Job" && o["name"] == key.name.as_str());
        if owner && pod.finalizers().contains(&TRACKING) {
            untrack(client, pod).await?;
        }
    }
    Ok(Next::Change)
}

async fn untrack(client: &Client, pod: &Object) -> Result<(), Status> {
    let change = |pod: &mut Pod| {
        let finalizers = pod.metadata.finalizers.get_or_insert_default();
        let before = finalizers.len();
        finalizers.retain(|finalizer| finalizer != TRACKING);
        finalizers.len() != before
    };
    client.modify::<Pod>(pod.namespace(), pod.name(), Part::Main, change).await.map(|_| ())
}

struct Step {
    client: Client,
    job: Job,
    spec: JobSpec,
    status: JobStatus,
    pods: Vec<std::sync::Arc<Stored>>,
    tally: Tally,
}

impl Step {
    /// Takes the Job one step on: decides, makes or deletes pods, and puts conditions.
    async fn advance(&mut self) -> Outcome {
        let now = Timestamp::now();
        let suspended = self.spec.suspend == Some(true);
        if !suspended && self.status.start_time.is_none() {
            self.status.start_time = Some(pods::now());
        }
        if let Some((kind, reason, message)) = verdict::verdict(&self.status, &self.spec, &self.tally, now) {
            self.set(kind, "True", reason, &message);
        }
        if verdict::is_decided(&self.status) {
            let deleted = self.delete_active(usize::MAX).await;
            self.end_if_quiet().await;
            return deleted.map(|()| Next::Change);
        }
        self.note_suspension(suspended).await;
        let next = verdict::next_deadline(&self.status, &self.spec, now);
        self.resize(suspended, now).await.map(|wait| wait.or(next))
    }

    async fn resize(&mut self, suspended: bool, now: Timestamp) -> Outcome {
        let wanted = if suspended { 0 } else { self.tally.wanted(&self.spec) };
        let active = self.tally.active;
        if active > wanted {
            self.delete_active(active - wanted).await?;
            return Ok(Next::Change);
        }
        let replacing =
            if self.spec.pod_replacement_policy.as_deref() == Some("Failed") { self.tally.terminating } else { 0 };
        let missing = wanted.saturating_sub(active + replacing);
        if missing == 0 {
            return Ok(Next::Change);
        }
        let wait = self.tally.back_off(now);
        if wait > Duration::ZERO {
            return Ok(Next::After(wait));
        }
        let mut new = self.new_pods(missing)?.into_iter();
        let (client, job) = (&self.client, &self.job);
        slow_start(new.len(), || {
            let pod = new.next();
            async move {
                match pod {
                    Some(pod) => create(client, job, pod).await,
                    None => Ok(()),
                }
            }
        })
        .await?;
        Ok(Next::Change)
    }

    fn new_pods(&self, count: usize) -> Result<Vec<Value>, Status> {
        let template = serde_json::to_value(&self.spec.template).map_err(|e| Status::bad_request(e.to_string()))?;
        let name = self.job.metadata.name.as_deref().unwrap_or_default();
        let uid = self.job.metadata.uid.as_deref().unwrap_or_default();
        let one = |prefix: &str| {
            let mut pod = from_template(&self.job, &template, prefix);
            let meta = &mut pod["metadata"];
            for prefix in ["", "batch.kubernetes.io/"] {
                meta["labels"][format!("{prefix}job-name")] = name.into();
                meta["labels"][format!("{prefix}controller-uid")] = uid.into();
            }
            let mut finalizers = meta["finalizers"].as_array().cloned().unwrap_or_default();
            finalizers.push(TRACKING.into());
            meta["finalizers"] = finalizers.into();
            pod
        };
        if !index::is_indexed(&self.spec) {
            return Ok((0..count).map(|_| one(&format!("{name}-"))).collect());
        }
        let free = index::free(&self.status, &self.spec, &self.pods);
        let indexed = |index: i32| index::mark(one(&format!("{name}-{index}-")), name, index);
        Ok(free.into_iter().take(count).map(indexed).collect())
    }

    /// Deletes active pods, those that are least far first.
    async fn delete_active(&self, count: usize) -> Result<(), Status> {
        let mut active: Vec<&Object> =
            self.pods.iter().map(|pod| &pod.object).filter(|pod| pods::is_active(pod)).collect();
        active.sort_by_key(|pod| {
            (!pod.text("/spec/nodeName").is_empty(), pods::phase(pod) == "Running", pods::is_ready(pod))
        });
        for pod in active.into_iter().take(count) {
            delete(&self.client, &self.job, pod).await?;
        }
        Ok(())
    }

    async fn note_suspension(&mut self, suspended: bool) {
        let noted = verdict::find(&self.status, "Suspended").is_some_and(|c| c.status == "True");
        if suspended && !noted {
            self.set("Suspended", "True", "JobSuspended", "Job suspended");
            self.status.start_time = None;
            self.client.event(&self.job, "Normal", "Suspended", "Job suspended").await;
        } else if !suspended && noted {
            self.set("Suspended", "False", "JobResumed", "Job resumed");
            self.status.start_time = Some(pods::now());
            self.client.event(&self.job, "Normal", "Resumed", "Job resumed").await;
        }
    }

    /// A decided Job ends once no pod of it is left that runs or is not counted.
    async fn end_if_quiet(&mut self) {
        let quiet = self.tally.active == 0 && self.tally.terminating == 0 && self.tally.uncounted == 0;
        let Some((kind, decided)) = verdict::ending(&self.status).filter(|_| quiet) else { return };
        let (reason, message) = (decided.reason.unwrap_or_default(), decided.message.unwrap_or_default());
        self.set(kind, "True", &reason, &message);
        if kind == "Complete" {
            self.status.completion_time = Some(pods::now());
            self.client.event(&self.job, "Normal", "Completed", "Job completed").await;
        } else {
            self.client.event(&self.job, "Warning", &reason, &message).await;
        }
    }

    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let conditions = self.status.conditions.get_or_insert_default();
        conditions.retain(|condition| condition.type_ != kind);
        conditions.push(JobCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_probe_time: Some(pods::now()),
            last_transition_time: Some(pods::now()),
        });
    }

    async fn write(&mut self) -> Result<(), Status> {
        self.tally.write_counts(&mut self.status);
        if self.job.status.as_ref() != Some(&self.status) {
            self.job.status = Some(self.status.clone());
            self.job = self.client.update_status(&self.job).await?;
        }
        Ok(())
    }

    /// Lets pods go whose uids are written down.
    async fn release(&self, uids: &[String]) -> Result<(), Status> {
        for pod in self.pods.iter().map(|stored| &stored.object) {
            if uids.iter().any(|uid| uid == pod.uid()) {
                untrack(&self.client, pod).await?;
            }
        }
        Ok(())
    }
}

/// A whole number of seconds from `now` until `then`, at least one when it is not past.
fn until(then: i64, now: Timestamp) -> Duration {
    seconds(then - now.as_second())
}
