//! How a rollout goes: the Deployment's counts and its conditions Available, Progressing and ReplicaFailure.

use std::time::Duration;

use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus, ReplicaSet},
    jiff::Timestamp,
};

use super::{Rollout, available, name, size};
use crate::controllers::{Outcome, engine::Next, pods, seconds};

/// A condition of this type.
pub(super) fn condition<'a>(status: Option<&'a DeploymentStatus>, kind: &str) -> Option<&'a DeploymentCondition> {
    status?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

pub(super) fn new_condition(kind: &str, status: &str, reason: &str, message: &str) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_update_time: Some(pods::now()),
        last_transition_time: Some(pods::now()),
    }
}

/// Puts a condition in its place; one with the same status and reason stays as it is. True: something changed.
pub(super) fn set_condition(conditions: &mut Vec<DeploymentCondition>, mut new: DeploymentCondition) -> bool {
    if let Some(old) = conditions.iter().find(|old| old.type_ == new.type_) {
        if old.status == new.status && old.reason == new.reason {
            return false;
        }
        if old.status == new.status {
            new.last_transition_time = old.last_transition_time.clone();
        }
    }
    conditions.retain(|old| old.type_ != new.type_);
    conditions.push(new);
    true
}

/// True when a rollout may take only so long.
pub(super) fn has_deadline(spec: &DeploymentSpec) -> bool {
    spec.progress_deadline_seconds.is_some_and(|deadline| deadline != i32::MAX)
}

/// Every pod is of the new template and available, and no old one is left.
pub(super) fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let all = |count: Option<i32>| count.unwrap_or(0) == wanted;
    all(status.updated_replicas)
        && all(status.replicas)
        && all(status.available_replicas)
        && status.observed_generation >= deployment.metadata.generation
}

/// Something came nearer to completion between the two.
fn has_moved(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let n = |count: Option<i32>| count.unwrap_or(0);
    let outdated = |status: &DeploymentStatus| n(status.replicas) - n(status.updated_replicas);
    n(new.updated_replicas) > n(old.updated_replicas)
        || outdated(new) < outdated(old)
        || n(new.ready_replicas) > n(old.ready_replicas)
        || n(new.available_replicas) > n(old.available_replicas)
}

impl Rollout {
    /// Writes counts and condition Available.
    pub(super) async fn write_status(&mut self) -> Outcome {
        let status = self.counts();
        self.put_status(status).await?;
        Ok(Next::Change)
    }

    /// Writes counts and all conditions, and asks to be called again when the deadline may have passed.
    pub(super) async fn tell_progress(&mut self) -> Outcome {
        let old = self.deployment.status.clone().unwrap_or_default();
        let mut status = self.counts();
        let deadline = has_deadline(&self.spec).then_some(self.spec.progress_deadline_seconds).flatten();
        let conditions = status.conditions.take().unwrap_or_default();
        let mut conditions = self.with_progress(deadline, &old, &status, conditions);
        match self.failure() {
            Some(failure) => {
                set_condition(&mut conditions, failure);
            }
            None => conditions.retain(|condition| condition.type_ != "ReplicaFailure"),
        }
        status.conditions = Some(conditions);
        let next = self.next_look(deadline, &status);
        self.put_status(status).await?;
        Ok(next)
    }

    fn with_progress(
        &self,
        deadline: Option<i32>,
        old: &DeploymentStatus,
        status: &DeploymentStatus,
        mut conditions: Vec<DeploymentCondition>,
    ) -> Vec<DeploymentCondition> {
        let Some(deadline) = deadline else {
            conditions.retain(|condition| condition.type_ != "Progressing");
            return conditions;
        };
        let current = condition(Some(old), "Progressing").cloned();
        let done = current.as_ref().is_some_and(|c| c.reason.as_deref() == Some("NewReplicaSetAvailable"));
        if done && status.replicas == status.updated_replicas {
            return conditions;
        }
        let subject = match &self.new {
            Some(new) => format!("ReplicaSet \"{}\"", name(new)),
            None => format!("Deployment \"{}\"", self.name()),
        };
        if is_complete(&self.deployment, status) {
            let message = format!("{subject} has successfully progressed.");
            set_condition(&mut conditions, new_condition("Progressing", "True", "NewReplicaSetAvailable", &message));
        } else if has_moved(old, status) {
            let message = format!("{subject} is progressing.");
            let mut moved = new_condition("Progressing", "True", "ReplicaSetUpdated", &message);
            if let Some(current) = current.filter(|current| current.status == "True") {
                moved.last_transition_time = current.last_transition_time;
            }
            // The update time must advance with every bit of progress: the deadline counts from it.
            conditions.retain(|condition| condition.type_ != "Progressing");
            conditions.push(moved);
        } else if timed_out(current.as_ref(), deadline) {
            let message = format!("{subject} has timed out progressing.");
            set_condition(&mut conditions, new_condition("Progressing", "False", "ProgressDeadlineExceeded", &message));
        }
        conditions
    }

    fn next_look(&self, deadline: Option<i32>, status: &DeploymentStatus) -> Next {
        let (Some(deadline), Some(current)) = (deadline, condition(Some(status), "Progressing")) else {
            return Next::Change;
        };
        let settled = matches!(current.reason.as_deref(), Some("ProgressDeadlineExceeded" | "NewReplicaSetAvailable"));
        match &current.last_update_time {
            Some(since) if !settled && !is_complete(&self.deployment, status) => {
                let left = since.0.as_second() + i64::from(deadline) - Timestamp::now().as_second();
                Next::After(seconds(left) + Duration::from_secs(1))
            }
            _ => Next::Change,
        }
    }

    fn counts(&self) -> DeploymentStatus {
        let old = self.deployment.status.clone().unwrap_or_default();
        let sum = |of: &dyn Fn(&ReplicaSet) -> i32| self.sets().map(of).sum::<i32>();
        let actual = |set: &ReplicaSet| set.status.as_ref().map_or(0, |status| status.replicas);
        let ready = |set: &ReplicaSet| set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
        let some = |count: i32| Some(count).filter(|&count| count > 0);
        let up = sum(&available);
        let mut conditions = old.conditions.unwrap_or_default();
        let enough = up >= self.replicas() - self.limits().unavailable();
        set_condition(
            &mut conditions,
            if enough {
                let message = "Deployment has minimum availability.";
                new_condition("Available", "True", "MinimumReplicasAvailable", message)
            } else {
                let message = "Deployment does not have minimum availability.";
                new_condition("Available", "False", "MinimumReplicasUnavailable", message)
            },
        );
        DeploymentStatus {
            observed_generation: self.deployment.metadata.generation,
            replicas: some(sum(&actual)),
            updated_replicas: some(self.new.as_ref().map_or(0, actual)),
            ready_replicas: some(sum(&ready)),
            available_replicas: some(up),
            unavailable_replicas: some(sum(&size) - up),
            collision_count: old.collision_count,
            conditions: Some(conditions),
            ..DeploymentStatus::default()
        }
    }

    /// What keeps a ReplicaSet from making or deleting pods: the new one's word goes first.
    fn failure(&self) -> Option<DeploymentCondition> {
        let failing = |set: &ReplicaSet| {
            let conditions = set.status.as_ref()?.conditions.as_ref()?;
            let failure = conditions.iter().find(|condition| condition.type_ == "ReplicaFailure")?;
            Some(DeploymentCondition {
                type_: failure.type_.clone(),
                status: failure.status.clone(),
                reason: failure.reason.clone(),
                message: failure.message.clone(),
                last_transition_time: failure.last_transition_time.clone(),
                last_update_time: failure.last_transition_time.clone(),
            })
        };
        self.new.iter().chain(&self.old).find_map(failing)
    }

    async fn put_status(&mut self, status: DeploymentStatus) -> Result<(), crate::status::Status> {
        if self.deployment.status.as_ref() != Some(&status) {
            self.deployment.status = Some(status);
            self.deployment = self.client.update_status(&self.deployment).await?;
        }
        Ok(())
    }
}

fn timed_out(current: Option<&DeploymentCondition>, deadline: i32) -> bool {
    let Some(current) = current else { return false };
    match current.reason.as_deref() {
        Some("NewReplicaSetAvailable") => false,
        Some("ProgressDeadlineExceeded") => true,
        _ => current
            .last_update_time
            .as_ref()
            .is_some_and(|since| since.0.as_second() + i64::from(deadline) < Timestamp::now().as_second()),
    }
}
