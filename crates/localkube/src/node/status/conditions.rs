//! The conditions of a pod, with the kubelet's reasons and messages.

use k8s_openapi::{
    api::core::v1::{Container, PodCondition, PodSpec, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{Observed, State, is_sidecar};

/// The kubelet's five conditions, then those of others as they were. Transition times move only with the status.
pub fn conditions(spec: &PodSpec, seen: &Observed, phase: &str, old: &PodStatus, now: &Time) -> Vec<PodCondition> {
    let before = old.conditions.as_deref().unwrap_or_default();
    let containers_ready = containers_ready(spec, seen, phase);
    let network = seen.network && !seen.over;
    let own = [
        ("PodReadyToStartContainers", Verdict::plain(network)),
        ("Initialized", initialized(spec, seen, phase)),
        ("Ready", gates(spec, before, containers_ready.clone())),
        ("ContainersReady", containers_ready),
        ("PodScheduled", Verdict::plain(true)),
    ];
    let mut all: Vec<PodCondition> = own
        .into_iter()
        .map(|(type_, verdict)| {
            let known = before.iter().find(|c| c.type_ == type_);
            let status = if verdict.holds { "True" } else { "False" };
            let since = known.filter(|c| c.status == status).and_then(|c| c.last_transition_time.clone());
            PodCondition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: (!verdict.reason.is_empty()).then(|| verdict.reason.to_owned()),
                message: (!verdict.message.is_empty()).then_some(verdict.message),
                last_transition_time: Some(since.unwrap_or_else(|| now.clone())),
                ..PodCondition::default()
            }
        })
        .collect();
    let foreign = before.iter().filter(|c| !all.iter().any(|own| own.type_ == c.type_)).cloned();
    let foreign: Vec<_> = foreign.collect();
    all.extend(foreign);
    all
}

#[derive(Clone)]
struct Verdict {
    holds: bool,
    reason: &'static str,
    message: String,
}

impl Verdict {
    fn plain(holds: bool) -> Self {
        Self { holds, reason: "", message: String::new() }
    }

    fn no(reason: &'static str, message: String) -> Self {
        Self { holds: false, reason, message }
    }
}

fn initialized(spec: &PodSpec, seen: &Observed, phase: &str) -> Verdict {
    if phase == "Succeeded" {
        return Verdict { holds: true, reason: "PodCompleted", message: String::new() };
    }
    let begun = spec.containers.iter().any(|c| seen.containers.get(&c.name).is_some_and(|s| !s.id.is_empty()));
    let done = |container: &&Container| {
        begun
            || seen.containers.get(&container.name).is_some_and(|status| match &status.state {
                State::Running { .. } => is_sidecar(container) && status.started,
                State::Terminated(end) => !is_sidecar(container) && end.exit_code == 0,
                State::Waiting { .. } => false,
            })
    };
    let open: Vec<&str> = spec.init_containers.iter().flatten().filter(|c| !done(c)).map(|c| c.name.as_str()).collect();
    if open.is_empty() {
        return Verdict::plain(true);
    }
    Verdict::no("ContainersNotInitialized", format!("containers with incomplete status: [{}]", open.join(" ")))
}

fn containers_ready(spec: &PodSpec, seen: &Observed, phase: &str) -> Verdict {
    match phase {
        "Succeeded" => return Verdict::no("PodCompleted", String::new()),
        "Failed" => return Verdict::no("PodFailed", String::new()),
        _ => {}
    }
    let sidecars = spec.init_containers.iter().flatten().filter(|c| is_sidecar(c));
    let is_ready =
        |c: &&Container| seen.containers.get(&c.name).is_some_and(|s| s.is_running() && s.started && s.ready);
    let unready: Vec<&str> =
        sidecars.chain(&spec.containers).filter(|c| !is_ready(c)).map(|c| c.name.as_str()).collect();
    if unready.is_empty() {
        return Verdict::plain(true);
    }
    Verdict::no("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" ")))
}

fn gates(spec: &PodSpec, before: &[PodCondition], containers: Verdict) -> Verdict {
    if !containers.holds {
        return containers;
    }
    let wanting: Vec<String> = spec
        .readiness_gates
        .iter()
        .flatten()
        .filter_map(|gate| {
            let name = &gate.condition_type;
            match before.iter().find(|c| c.type_ == *name) {
                None => Some(format!("corresponding condition of pod readiness gate \"{name}\" does not exist.")),
                Some(c) if c.status == "True" => None,
                Some(c) => {
                    Some(format!("the status of pod readiness gate \"{name}\" is not \"True\", but {}", c.status))
                }
            }
        })
        .collect();
    if wanting.is_empty() { containers } else { Verdict::no("ReadinessGatesNotReady", wanting.join(", ")) }
}
