//! When a Job is over, and how it ended.

use k8s_openapi::{
    api::batch::v1::{JobCondition, JobSpec, JobStatus},
    jiff::Timestamp,
};

use super::{tally::Tally, until};
use crate::controllers::engine::Next;

/// A condition of this type.
pub(super) fn find<'a>(status: &'a JobStatus, kind: &str) -> Option<&'a JobCondition> {
    status.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

fn holds(status: &JobStatus, kind: &str) -> bool {
    find(status, kind).is_some_and(|condition| condition.status == "True")
}

/// True when it is known how the Job ends, although its pods may not be gone yet.
pub(super) fn is_decided(status: &JobStatus) -> bool {
    ending(status).is_some()
}

/// The end that was decided: the final condition's type, and the condition that announced it.
pub(super) fn ending(status: &JobStatus) -> Option<(&'static str, JobCondition)> {
    let announced = [("FailureTarget", "Failed"), ("SuccessCriteriaMet", "Complete")];
    let (sign, end) = announced.into_iter().find(|(sign, _)| holds(status, sign))?;
    Some((end, find(status, sign)?.clone()))
}

/// What is decided now: type, reason and message of the condition that announces it.
pub(super) fn verdict(
    status: &JobStatus,
    spec: &JobSpec,
    tally: &Tally,
    now: Timestamp,
) -> Option<(&'static str, &'static str, String)> {
    if is_decided(status) {
        return None;
    }
    let limit = usize::try_from(spec.backoff_limit.unwrap_or(6)).unwrap_or(0);
    let exhausted = tally.failed > limit || (restarts_in_place(spec) && restarted_too_often(tally.restarts, limit));
    if exhausted {
        let message = "Job has reached the specified backoff limit";
        return Some(("FailureTarget", "BackoffLimitExceeded", message.to_owned()));
    }
    if deadline(status, spec).is_some_and(|deadline| deadline <= now.as_second()) {
        let message = "Job was active longer than specified deadline";
        return Some(("FailureTarget", "DeadlineExceeded", message.to_owned()));
    }
    let complete = match spec.completions {
        None => tally.succeeded > 0 && tally.active == 0,
        Some(completions) => tally.succeeded >= usize::try_from(completions).unwrap_or(0) && tally.active == 0,
    };
    let message = "Reached expected number of succeeded pods";
    complete.then(|| ("SuccessCriteriaMet", "CompletionsReached", message.to_owned()))
}

fn restarts_in_place(spec: &JobSpec) -> bool {
    spec.template.spec.as_ref().and_then(|pod| pod.restart_policy.as_deref()) == Some("OnFailure")
}

fn restarted_too_often(restarts: i64, limit: usize) -> bool {
    let restarts = usize::try_from(restarts).unwrap_or(0);
    if limit == 0 { restarts > 0 } else { restarts >= limit }
}

/// The second at which the Job has been active for too long.
fn deadline(status: &JobStatus, spec: &JobSpec) -> Option<i64> {
    let seconds = spec.active_deadline_seconds.filter(|_| spec.suspend != Some(true))?;
    Some(status.start_time.as_ref()?.0.as_second() + seconds)
}

/// When to look for the deadline.
pub(super) fn next_deadline(status: &JobStatus, spec: &JobSpec, now: Timestamp) -> Next {
    deadline(status, spec).map_or(Next::Change, |deadline| Next::After(until(deadline, now)))
}
