//! A pod's row: its status is read off its containers as much as off its phase.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;
use crate::object::Object;

/// Containers counted together.
#[derive(Default)]
struct Tally {
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Tally {
    fn count(&mut self, status: &Value) {
        self.restarts += status["restartCount"].as_i64().unwrap_or(0);
        let finished = status.pointer("/lastState/terminated/finishedAt").and_then(Value::as_str);
        self.last_restart = self.last_restart.max(finished.and_then(|t| t.parse().ok()));
    }

    fn text(&self, now: Timestamp) -> String {
        match self.last_restart {
            Some(at) if self.restarts != 0 => {
                format!("{} ({} ago)", self.restarts, age::human_duration(now.as_second() - at.as_second()))
            }
            _ => self.restarts.to_string(),
        }
    }
}

fn list<'a>(object: &'a Object, pointer: &str) -> &'a [Value] {
    object.at(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn has_condition(pod: &Object, kind: &str) -> bool {
    list(pod, "/status/conditions").iter().any(|c| c["type"] == kind && c["status"] == "True")
}

/// `Signal:9` or `ExitCode:1` for an end without a reason, else the reason.
fn ending(terminated: &Value) -> String {
    let reason = terminated["reason"].as_str().unwrap_or_default();
    let signal = terminated["signal"].as_i64().unwrap_or(0);
    match (reason, signal) {
        ("", 0) => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// The cells of a pod.
pub(super) fn cells(pod: &Object, now: Timestamp) -> Vec<Value> {
    let inits = list(pod, "/spec/initContainers");
    let is_sidecar = |name: &Value| inits.iter().any(|c| c["name"] == *name && c["restartPolicy"] == "Always");
    let sidecars = inits.iter().filter(|c| c["restartPolicy"] == "Always").count();
    let total = list(pod, "/spec/containers").len() + sidecars;
    let phase = pod.text("/status/phase").to_owned();
    let mut reason =
        if pod.text("/status/reason").is_empty() { phase.clone() } else { pod.text("/status/reason").to_owned() };
    let gated = |c: &Value| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated";
    if list(pod, "/status/conditions").iter().any(gated) {
        reason = "SchedulingGated".into();
    }
    let (mut ready, mut all, mut kept) = (0, Tally::default(), Tally::default());
    let mut initializing = false;
    for (i, status) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
        all.count(status);
        let sidecar = is_sidecar(&status["name"]);
        if sidecar {
            kept.count(status);
        }
        let terminated = &status["state"]["terminated"];
        if terminated.is_object() && terminated["exitCode"] == 0 {
            continue;
        }
        if sidecar && status["started"] == true {
            ready += usize::from(status["ready"] == true);
            continue;
        }
        let waiting = status["state"]["waiting"]["reason"].as_str().unwrap_or_default();
        reason = if terminated.is_object() {
            format!("Init:{}", ending(terminated))
        } else if !matches!(waiting, "" | "PodInitializing") {
            format!("Init:{waiting}")
        } else {
            format!("Init:{i}/{}", inits.len())
        };
        initializing = true;
        break;
    }
    if !initializing || has_condition(pod, "Initialized") {
        all = kept;
        let mut running = false;
        for status in list(pod, "/status/containerStatuses").iter().rev() {
            all.count(status);
            let (waiting, terminated) = (&status["state"]["waiting"]["reason"], &status["state"]["terminated"]);
            if let Some(waiting) = waiting.as_str().filter(|w| !w.is_empty()) {
                reason = waiting.to_owned();
            } else if terminated.is_object() {
                reason = ending(terminated);
            } else if status["ready"] == true && status["state"]["running"].is_object() {
                running = true;
                ready += 1;
            }
        }
        if reason == "Completed" && running {
            reason = if has_condition(pod, "Ready") { "Running".into() } else { "NotReady".into() };
        }
    }
    if pod.is_deleting() {
        if pod.text("/status/reason") == "NodeLost" {
            reason = "Unknown".into();
        } else if !matches!(phase.as_str(), "Succeeded" | "Failed") {
            reason = "Terminating".into();
        }
    }
    let or_none = |text: &str| if text.is_empty() { json!("<none>") } else { json!(text) };
    vec![
        json!(pod.name()),
        json!(format!("{ready}/{total}")),
        json!(reason),
        json!(all.text(now)),
        age::of(pod, now),
        or_none(pod.text("/status/podIP")),
        or_none(pod.text("/spec/nodeName")),
        or_none(pod.text("/status/nominatedNodeName")),
        gates(pod),
    ]
}

fn gates(pod: &Object) -> Value {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return json!("<none>");
    }
    let met = gates.iter().filter(|g| has_condition(pod, g["conditionType"].as_str().unwrap_or_default())).count();
    json!(format!("{met}/{}", gates.len()))
}
