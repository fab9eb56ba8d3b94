//! What is to be done with a pod's containers next. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, PodSpec};

use crate::node::{
    probe::Kind,
    status::{Seen, State, is_sidecar},
};

/// What was noticed about running containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Whose startup or liveness probe has given up.
    pub sick: BTreeMap<String, Kind>,
    /// Whose image is another one now.
    pub changed: BTreeSet<String>,
}

/// The next steps, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Containers to stop, each with the text of its `Killing` event.
    pub kill: Vec<(String, String)>,
    /// Containers to start (once their back-off is over).
    pub start: Vec<String>,
    /// The pod has nothing more to do: sidecars may be stopped.
    pub finished: bool,
}

/// Whether a container that ended like this is started again under the pod's restart policy.
pub fn restarts(policy: &str, container: &Container, exit_code: i32) -> bool {
    match policy {
        _ if is_sidecar(container) => true,
        "Never" => false,
        "OnFailure" => exit_code != 0,
        _ => true,
    }
}

/// Decides.
pub fn plan(spec: &PodSpec, seen: &BTreeMap<String, Seen>, noticed: &Noticed) -> Plan {
    let policy = spec.restart_policy.as_deref().unwrap_or("Always");
    let mut plan = Plan { kill: kills(spec, seen, noticed), ..Plan::default() };
    let status = |container: &Container| seen.get(&container.name);
    // Once a main container has been up, finished init containers are history; only sidecars are kept going.
    let begun = spec.containers.iter().any(|c| status(c).is_some_and(|s| !s.id.is_empty()));
    for container in spec.init_containers.iter().flatten() {
        let Some(now) = status(container) else { return plan };
        let done = match &now.state {
            State::Running { .. } if is_sidecar(container) => now.started || begun,
            State::Running { .. } => false,
            _ if begun && !is_sidecar(container) => true,
            State::Terminated(end) if end.exit_code == 0 && !is_sidecar(container) => true,
            _ if now.ended().is_none_or(|end| restarts(policy, container, end.exit_code)) => {
                plan.start.push(container.name.clone());
                begun
            }
            _ => {
                plan.finished = true;
                false
            }
        };
        if !done {
            return plan;
        }
    }
    let mut busy = false;
    for container in &spec.containers {
        let Some(now) = status(container) else { continue };
        if now.is_running() {
            busy = true;
        } else if now.ended().is_none_or(|end| restarts(policy, container, end.exit_code)) {
            busy = true;
            plan.start.push(container.name.clone());
        }
    }
    plan.finished = !busy;
    plan
}

fn kills(spec: &PodSpec, seen: &BTreeMap<String, Seen>, noticed: &Noticed) -> Vec<(String, String)> {
    let all = spec.init_containers.iter().flatten().chain(&spec.containers);
    let running = all.filter(|c| seen.get(&c.name).is_some_and(Seen::is_running));
    let why = |name: &String| {
        if noticed.changed.contains(name) {
            return Some(format!("Container {name} definition changed, will be restarted"));
        }
        let kind = noticed.sick.get(name)?;
        Some(format!("Container {name} failed {} probe, will be restarted", kind.word()))
    };
    running.filter_map(|c| why(&c.name).map(|message| (c.name.clone(), message))).collect()
}

#[cfg(test)]
mod tests;
