//! Reading a Job's pods: what runs, what ended, what is not counted yet.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::batch::v1::{JobSpec, JobStatus, UncountedTerminatedPods},
    jiff::Timestamp,
};
use serde_json::Value;

use super::{TRACKING, index, until};
use crate::{
    controllers::pods::{is_active, is_ready, phase, time_at},
    object::Object,
    store::Stored,
};

/// The first wait after a pod failed; it doubles up to [`MAX_BACK_OFF`].
const BACK_OFF: i64 = 10;
const MAX_BACK_OFF: i64 = 600;

/// What a Job has.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) active: usize,
    pub(super) ready: usize,
    pub(super) terminating: usize,
    /// Ended pods whose uids are not in the counts yet.
    pub(super) uncounted: usize,
    pub(super) succeeded: usize,
    pub(super) failed: usize,
    /// Restarts of containers in pods that still run.
    pub(super) restarts: i64,
    /// Failures since the last success, and the time of the last.
    failures: u32,
    last_failure: Option<i64>,
}

/// How an ended pod counts; None for one that has not ended. A deleted pod may never tell its end: it failed.
fn end(pod: &Object, spec: &JobSpec) -> Option<bool> {
    let only_failed = spec.pod_replacement_policy.as_deref() == Some("Failed");
    match phase(pod) {
        "Succeeded" => Some(true),
        "Failed" => Some(false),
        _ if pod.is_deleting() && !only_failed => Some(false),
        _ => None,
    }
}

/// Moves pods on their way into the counts of `status`, and gives the uids of those to be let go next.
pub(super) fn count(status: &mut JobStatus, spec: &JobSpec, pods: &[Arc<Stored>]) -> Vec<String> {
    let mut waiting = status.uncounted_terminated_pods.take().unwrap_or_default();
    let tracked = |uid: &String| pods.iter().any(|pod| pod.object.uid() == uid && is_tracked(&pod.object));
    let settle = |list: &mut Option<Vec<String>>, counter: &mut Option<i32>| {
        let (held, free): (Vec<String>, Vec<String>) = list.take().unwrap_or_default().into_iter().partition(&tracked);
        let counted = counter.unwrap_or(0) + i32::try_from(free.len()).unwrap_or(0);
        *counter = Some(counted).filter(|&counted| counted > 0);
        held
    };
    let mut succeeded = settle(&mut waiting.succeeded, &mut status.succeeded);
    let mut failed = settle(&mut waiting.failed, &mut status.failed);
    for pod in pods.iter().map(|pod| &pod.object).filter(|pod| is_tracked(pod)) {
        let Some(good) = end(pod, spec) else { continue };
        let uid = pod.uid().to_owned();
        if succeeded.contains(&uid) || failed.contains(&uid) {
            continue;
        }
        match index::is_indexed(spec).then(|| index::of(pod)).flatten() {
            // An index counts once, however many of its pods succeed; its count is read off the indexes.
            Some(done) if good => index::complete(status, spec, done),
            _ => {}
        }
        if good { succeeded.push(uid) } else { failed.push(uid) }
    }
    let uids = succeeded.iter().chain(&failed).cloned().collect();
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    status.uncounted_terminated_pods =
        Some(UncountedTerminatedPods { succeeded: some(succeeded), failed: some(failed) });
    if index::is_indexed(spec) {
        status.succeeded = Some(index::completed(status).len()).and_then(|n| i32::try_from(n).ok()).filter(|&n| n > 0);
    }
    uids
}

fn is_tracked(pod: &Object) -> bool {
    pod.finalizers().contains(&TRACKING)
}

impl Tally {
    pub(super) fn new(status: &JobStatus, spec: &JobSpec, pods: &[Arc<Stored>]) -> Self {
        let objects = || pods.iter().map(|pod| &pod.object);
        let many = |holds: &dyn Fn(&Object) -> bool| objects().filter(|pod| holds(pod)).count();
        let uncounted = status.uncounted_terminated_pods.as_ref();
        let length = |list: Option<&Vec<String>>| list.map_or(0, Vec::len);
        let (new_good, new_bad) =
            (length(uncounted.and_then(|u| u.succeeded.as_ref())), length(uncounted.and_then(|u| u.failed.as_ref())));
        let number = |count: Option<i32>| usize::try_from(count.unwrap_or(0)).unwrap_or(0);
        let (failures, last_failure) = failures(objects(), spec);
        let indexed = index::is_indexed(spec);
        Self {
            active: many(&is_active),
            ready: many(&|pod| is_active(pod) && is_ready(pod)),
            terminating: many(&|pod| pod.is_deleting() && !matches!(phase(pod), "Succeeded" | "Failed")),
            uncounted: new_good + new_bad,
            succeeded: number(status.succeeded) + if indexed { 0 } else { new_good },
            failed: number(status.failed) + new_bad,
            restarts: objects().filter(|pod| is_active(pod)).map(restarts).sum(),
            failures,
            last_failure,
        }
    }

    /// How many pods should run now.
    pub(super) fn wanted(&self, spec: &JobSpec) -> usize {
        let parallelism = usize::try_from(spec.parallelism.unwrap_or(1)).unwrap_or(0);
        match spec.completions {
            Some(completions) => {
                usize::try_from(completions).unwrap_or(0).saturating_sub(self.succeeded).min(parallelism)
            }
            // A queue of work: once one pod says that it is empty, no more are started.
            None if self.succeeded > 0 => self.active,
            None => parallelism,
        }
    }

    /// How long to wait before the next pod, for the failures so far.
    pub(super) fn back_off(&self, now: Timestamp) -> Duration {
        let Some(last) = self.last_failure.filter(|_| self.failures > 0) else { return Duration::ZERO };
        let wait = BACK_OFF.saturating_mul(1 << (self.failures - 1).min(10)).min(MAX_BACK_OFF);
        until(last + wait, now)
    }

    pub(super) fn write_counts(&self, status: &mut JobStatus) {
        let number = |count: usize| i32::try_from(count).ok();
        status.active = number(self.active).filter(|&count| count > 0);
        status.ready = number(self.ready);
        status.terminating = number(self.terminating);
    }
}

fn restarts(pod: &Object) -> i64 {
    let count = |pointer: &str| {
        let statuses = pod.at(pointer).and_then(Value::as_array).into_iter().flatten();
        statuses.filter_map(|status| status["restartCount"].as_i64()).sum::<i64>()
    };
    count("/status/containerStatuses") + count("/status/initContainerStatuses")
}

/// Failures after the last success, and the time of the last one.
fn failures<'a>(pods: impl Iterator<Item = &'a Object>, spec: &JobSpec) -> (u32, Option<i64>) {
    let mut ends: Vec<(i64, bool)> =
        pods.filter_map(|pod| Some((ended_at(pod).map_or(0, |time| time.as_second()), end(pod, spec)?))).collect();
    ends.sort_unstable();
    let since: Vec<i64> = ends.iter().rev().take_while(|(_, good)| !good).map(|(time, _)| *time).collect();
    (u32::try_from(since.len()).unwrap_or(u32::MAX), since.first().copied())
}

/// When the last container ended; for a pod that tells none, when it was deleted or last heard of.
fn ended_at(pod: &Object) -> Option<Timestamp> {
    let statuses = pod.at("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let ends = statuses.filter_map(|status| status.pointer("/state/terminated/finishedAt")?.as_str()?.parse().ok());
    ends.max()
        .or_else(|| time_at(pod, "/metadata/deletionTimestamp"))
        .or_else(|| time_at(pod, "/metadata/creationTimestamp"))
}
