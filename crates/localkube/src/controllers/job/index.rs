//! Completion indexes: `completionMode: Indexed` runs one pod to success for each number below `completions`.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::batch::v1::{JobSpec, JobStatus};
use serde_json::{Value, json};

use crate::{controllers::pods::is_active, object::Object, store::Stored};

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// True when the Job's pods have indexes.
pub(super) fn is_indexed(spec: &JobSpec) -> bool {
    spec.completion_mode.as_deref() == Some("Indexed")
}

/// A pod's index.
pub(super) fn of(pod: &Object) -> Option<i32> {
    pod.annotation(INDEX)?.parse().ok()
}

/// Gives a new pod its index: annotation, label, host name and `JOB_COMPLETION_INDEX`.
pub(super) fn mark(mut pod: Value, job: &str, index: i32) -> Value {
    pod["metadata"]["annotations"][INDEX] = index.to_string().into();
    pod["metadata"]["labels"][INDEX] = index.to_string().into();
    if pod["spec"]["hostname"].is_null() {
        pod["spec"]["hostname"] = format!("{job}-{index}").into();
    }
    let field = json!({"fieldRef": {"fieldPath": format!("metadata.labels['{INDEX}']")}});
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let mut env = container["env"].as_array().cloned().unwrap_or_default();
            if !env.iter().any(|variable| variable["name"] == "JOB_COMPLETION_INDEX") {
                env.push(json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": field}));
            }
            container["env"] = env.into();
        }
    }
    pod
}

/// Indexes that are neither completed nor being worked on, in order.
pub(super) fn free(status: &JobStatus, spec: &JobSpec, pods: &[Arc<Stored>]) -> Vec<i32> {
    let done = completed(status);
    let busy: BTreeSet<i32> =
        pods.iter().filter(|pod| is_active(&pod.object)).filter_map(|pod| of(&pod.object)).collect();
    (0..spec.completions.unwrap_or(0)).filter(|index| !done.contains(index) && !busy.contains(index)).collect()
}

/// The indexes in `completedIndexes`, which is written as `0-2,5`.
pub(super) fn completed(status: &JobStatus) -> BTreeSet<i32> {
    let text = status.completed_indexes.as_deref().unwrap_or_default();
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<i32>().ok()?..=last.parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

/// Notes an index as completed.
pub(super) fn complete(status: &mut JobStatus, spec: &JobSpec, index: i32) {
    let mut done = completed(status);
    if index < spec.completions.unwrap_or(0) {
        done.insert(index);
    }
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for index in done {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => runs.push((index, index)),
        }
    }
    let text = |(first, last): (i32, i32)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    status.completed_indexes = Some(runs.into_iter().map(text).collect::<Vec<String>>().join(","));
}
