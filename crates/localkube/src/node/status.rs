//! What became of a pod: spec and observation in, `PodStatus` out. Pure.

use std::{collections::BTreeMap, net::Ipv4Addr};

use k8s_openapi::{
    api::core::v1::{
        Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus, HostIP, Pod, PodIP, PodSpec, PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};

pub mod conditions;
pub mod qos;

/// The state of a container.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Not running; why, in the kubelet's words.
    Waiting {
        /// `ContainerCreating`, `CrashLoopBackOff`, ...
        reason: String,
        /// For people; may be "".
        message: String,
    },
    /// Its main process runs.
    Running {
        /// Since then.
        since: Time,
    },
    /// Its main process has ended.
    Terminated(ContainerStateTerminated),
}

/// What the agent has seen of one container.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Now.
    pub state: State,
    /// The end before the present state.
    pub last: Option<ContainerStateTerminated>,
    /// How often it was started again.
    pub restarts: i32,
    /// `localkube://...` of the newest instance; "" before the first.
    pub id: String,
    /// The resolved image; "" before the first start.
    pub image_id: String,
    /// Its startup probe has passed (or it has none) since it runs.
    pub started: bool,
    /// Its readiness probe passes (or it has none).
    pub ready: bool,
}

impl Seen {
    /// A container that was not started yet.
    pub fn waiting(reason: &str) -> Self {
        Self {
            state: State::Waiting { reason: reason.to_owned(), message: String::new() },
            last: None,
            restarts: 0,
            id: String::new(),
            image_id: String::new(),
            started: false,
            ready: false,
        }
    }

    /// Whether the main process runs.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// The newest end: the present state's, or the one before it.
    pub fn ended(&self) -> Option<&ContainerStateTerminated> {
        match &self.state {
            State::Terminated(end) => Some(end),
            _ => self.last.as_ref(),
        }
    }
}

/// What the agent has seen of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The pod's address, once it has a network.
    pub ip: Option<Ipv4Addr>,
    /// The node's address.
    pub host_ip: Ipv4Addr,
    /// When the agent took the pod over.
    pub start: Time,
    /// Whether its network stands.
    pub network: bool,
    /// By name, init containers among them.
    pub containers: BTreeMap<String, Seen>,
    /// Why the pod was ended before its time (`DeadlineExceeded`): reason and message.
    pub failed: Option<(String, String)>,
    /// Everything was stopped for good.
    pub over: bool,
}

/// The time in whole seconds, as the API keeps it.
pub fn now() -> Time {
    let now = Timestamp::now();
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// Whether an init container is a sidecar.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// The status to report.
pub fn pod_status(pod: &Pod, seen: &Observed, now: &Time) -> PodStatus {
    let empty = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    let old = pod.status.clone().unwrap_or_default();
    let phase = phase(spec, seen);
    let ip = seen.ip.map(|ip| ip.to_string());
    let statuses = |list: &[Container], init: bool| -> Option<Vec<ContainerStatus>> {
        let all: Vec<_> =
            list.iter().filter_map(|c| seen.containers.get(&c.name).map(|s| container_status(c, s, init))).collect();
        (!all.is_empty()).then_some(all)
    };
    let (reason, message) = seen.failed.clone().unzip();
    PodStatus {
        conditions: Some(conditions::conditions(spec, seen, phase, &old, now)),
        container_statuses: statuses(&spec.containers, false),
        init_container_statuses: statuses(spec.init_containers.as_deref().unwrap_or_default(), true),
        host_ip: Some(seen.host_ip.to_string()),
        host_ips: Some(vec![HostIP { ip: seen.host_ip.to_string() }]),
        pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: ip,
        phase: Some(phase.to_owned()),
        qos_class: Some(old.qos_class.unwrap_or_else(|| qos::class(spec).to_owned())),
        reason,
        message,
        start_time: Some(seen.start.clone()),
        nominated_node_name: None,
        ..old
    }
}

/// `Pending`, `Running`, `Succeeded` or `Failed`.
pub fn phase(spec: &PodSpec, seen: &Observed) -> &'static str {
    if seen.failed.is_some() {
        return "Failed";
    }
    let never = spec.restart_policy.as_deref() == Some("Never");
    let (mut initializing, mut init_failed) = (0, 0);
    for container in spec.init_containers.iter().flatten() {
        let Some(status) = seen.containers.get(&container.name) else {
            initializing += 1;
            continue;
        };
        match &status.state {
            State::Running { .. } if is_sidecar(container) && status.started => {}
            State::Terminated(_) if is_sidecar(container) => {}
            State::Terminated(end) if end.exit_code == 0 => {}
            State::Terminated(_) => init_failed += 1,
            State::Waiting { .. } if status.last.as_ref().is_some_and(|end| end.exit_code != 0) => {
                if is_sidecar(container) { initializing += 1 } else { init_failed += 1 }
            }
            _ => initializing += 1,
        }
    }
    if init_failed > 0 && (never || seen.over) {
        return "Failed";
    }
    let (mut waiting, mut running, mut stopped, mut succeeded) = (0, 0, 0, 0);
    for container in &spec.containers {
        match seen.containers.get(&container.name).map(|s| (&s.state, &s.last)) {
            Some((State::Running { .. }, _)) => running += 1,
            Some((State::Terminated(end), _)) => {
                stopped += 1;
                succeeded += i32::from(end.exit_code == 0);
            }
            Some((State::Waiting { .. }, Some(_))) => stopped += 1,
            _ => waiting += 1,
        }
    }
    let begun = running + stopped > 0;
    match () {
        // A sidecar that starts again after the pod was up does not make it Pending.
        () if seen.over && stopped > 0 && stopped == succeeded && waiting == 0 => "Succeeded",
        () if seen.over => "Failed",
        () if waiting > 0 || (initializing + init_failed > 0 && !begun) => "Pending",
        () if running > 0 => "Running",
        () if stopped > 0 && spec.restart_policy.as_deref().unwrap_or("Always") == "Always" => "Running",
        () if stopped > 0 && stopped == succeeded => "Succeeded",
        () if stopped > 0 && never => "Failed",
        () if stopped > 0 => "Running",
        () => "Pending",
    }
}

fn container_status(container: &Container, seen: &Seen, init: bool) -> ContainerStatus {
    let ready = match &seen.state {
        State::Running { .. } => seen.started && seen.ready && (!init || is_sidecar(container)),
        State::Terminated(end) => init && !is_sidecar(container) && end.exit_code == 0,
        State::Waiting { .. } => false,
    };
    let ended =
        |end: &ContainerStateTerminated| ContainerState { terminated: Some(end.clone()), ..ContainerState::default() };
    let state = match &seen.state {
        State::Waiting { reason, message } => ContainerState {
            waiting: Some(ContainerStateWaiting {
                reason: Some(reason.clone()),
                message: (!message.is_empty()).then(|| message.clone()),
            }),
            ..ContainerState::default()
        },
        State::Running { since } => ContainerState {
            running: Some(ContainerStateRunning { started_at: Some(since.clone()) }),
            ..ContainerState::default()
        },
        State::Terminated(end) => ended(end),
    };
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        image_id: seen.image_id.clone(),
        container_id: (!seen.id.is_empty()).then(|| seen.id.clone()),
        last_state: Some(seen.last.as_ref().map(ended).unwrap_or_default()),
        ready,
        restart_count: seen.restarts,
        started: Some(seen.is_running() && seen.started),
        state: Some(state),
        ..ContainerStatus::default()
    }
}

#[cfg(test)]
mod tests;
