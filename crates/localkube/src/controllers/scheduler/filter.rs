//! Why a node will not do for a pod, in the order and the words of Kubernetes.

use std::collections::{BTreeMap, HashSet};

use k8s_openapi::api::core::v1::{Affinity, Taint, Toleration, TopologySpreadConstraint};
use serde_json::Value;

use super::{
    Carrier,
    affinity::{self, PodTerms, Spread},
    quantity,
};
use crate::{controllers::pods::condition, object::Object, status::Status, store::Store};

/// Why a node will not do.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    /// One or more short texts.
    pub(super) reasons: Vec<String>,
    /// No pod that left the node would change it.
    pub(super) for_good: bool,
}

/// A pod that looks for a node, with what it asks of it.
pub(super) struct Placing<'a> {
    pod: &'a Object,
    requests: BTreeMap<String, i128>,
    ports: HashSet<(String, i64)>,
    tolerations: Vec<Toleration>,
    affinity: Affinity,
    terms: PodTerms,
    spreads: Vec<Spread>,
}

impl<'a> Placing<'a> {
    pub(super) fn new(store: &Store, pod: &'a Object, nodes: &[Carrier]) -> Result<Self, Status> {
        let affinity: Affinity = decode(pod, "/spec/affinity")?;
        let constraints: Vec<TopologySpreadConstraint> = decode(pod, "/spec/topologySpreadConstraints")?;
        let terms = PodTerms::new(store, pod, &affinity, nodes);
        let mut placing = Self {
            pod,
            requests: quantity::requests(pod),
            ports: host_ports(pod),
            tolerations: decode(pod, "/spec/tolerations")?,
            affinity,
            terms,
            spreads: Vec::new(),
        };
        let eligible: Vec<&Carrier> = nodes.iter().filter(|node| placing.selects(node)).collect();
        let strict = constraints.iter().filter(|constraint| constraint.when_unsatisfiable == "DoNotSchedule");
        placing.spreads = strict.map(|constraint| Spread::new(constraint, pod, &eligible)).collect();
        Ok(placing)
    }

    /// None: the pod may go there.
    pub(super) fn refusal(&self, node: &Carrier) -> Option<Refusal> {
        let for_good = |reason: String| Some(Refusal { reasons: vec![reason], for_good: true });
        let for_now = |reason: &str| Some(Refusal { reasons: vec![reason.to_owned()], for_good: false });
        let object = &node.node.object;
        if object.at("/spec/unschedulable") == Some(&Value::Bool(true))
            && !self.tolerates(&taint("node.kubernetes.io/unschedulable"))
        {
            return for_good("node(s) were unschedulable".to_owned());
        }
        if let Some(taint) = taints(object).into_iter().find(|taint| !self.tolerates(taint)) {
            let value = taint.value.unwrap_or_default();
            return for_good(format!("node(s) had untolerated taint {{{}: {value}}}", taint.key));
        }
        if !self.selects(node) {
            return for_good("node(s) didn't match Pod's node affinity/selector".to_owned());
        }
        if !self.ports.is_empty() && node.pods.iter().any(|other| !host_ports(&other.object).is_disjoint(&self.ports)) {
            return for_now("node(s) didn't have free ports for the requested pod ports");
        }
        let lacking = self.lacking(node);
        if !lacking.is_empty() {
            return Some(Refusal { reasons: lacking, for_good: false });
        }
        if let Some(refusal) = self.spreads.iter().find_map(|spread| spread.refusal(node)) {
            let missing = refusal == affinity::MISSING_LABEL;
            return if missing { for_good(refusal.to_owned()) } else { for_now(refusal) };
        }
        self.terms
            .refusal(node)
            .and_then(|(reason, good)| if good { for_good(reason.to_owned()) } else { for_now(reason) })
    }

    /// How much the pod would like to go there.
    pub(super) fn liking(&self, node: &Carrier) -> i64 {
        let preferences = self.affinity.node_affinity.as_ref();
        let preferences = preferences.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_deref());
        let matching = preferences.unwrap_or(&[]).iter().filter(|p| affinity::term_selects(&p.preference, node));
        matching.map(|preference| i64::from(preference.weight)).sum::<i64>() + self.terms.liking(node)
    }

    /// nodeSelector and required node affinity.
    fn selects(&self, node: &Carrier) -> bool {
        let labels = self.pod.at("/spec/nodeSelector").and_then(Value::as_object).into_iter().flatten();
        let required = self.affinity.node_affinity.as_ref();
        let required = required.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        labels.into_iter().all(|(key, value)| node.label(key) == value.as_str())
            && required.is_none_or(|s| s.node_selector_terms.iter().any(|term| affinity::term_selects(term, node)))
    }

    fn lacking(&self, node: &Carrier) -> Vec<String> {
        let mut reasons = Vec::new();
        let most = node.allocatable.get("pods").copied().unwrap_or(i128::MAX);
        if (node.pods.len() as i128 + 1) * 1000 > most {
            reasons.push("Too many pods".to_owned());
        }
        for (resource, &amount) in self.requests.iter().filter(|(_, amount)| **amount > 0) {
            let used = node.used.get(resource).copied().unwrap_or(0);
            if used + amount > node.allocatable.get(resource).copied().unwrap_or(0) {
                reasons.push(format!("Insufficient {resource}"));
            }
        }
        reasons
    }

    fn tolerates(&self, taint: &Taint) -> bool {
        taint.effect == "PreferNoSchedule" || self.tolerations.iter().any(|toleration| matches(toleration, taint))
    }
}

fn matches(toleration: &Toleration, taint: &Taint) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (effect, key) = (text(&toleration.effect), text(&toleration.key));
    let exists = toleration.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == taint.effect)
        && (key == taint.key || (key.is_empty() && exists))
        && (exists || text(&toleration.value) == text(&taint.value))
}

fn taint(key: &str) -> Taint {
    Taint { key: key.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() }
}

/// The node's taints; a node that is not ready counts as tainted before its controller gets to it.
fn taints(node: &Object) -> Vec<Taint> {
    let mut taints: Vec<Taint> = decode(node, "/spec/taints").unwrap_or_default();
    if condition(node, "Ready").is_none_or(|ready| ready["status"] != "True") {
        taints.push(taint("node.kubernetes.io/not-ready"));
    }
    taints
}

fn host_ports(pod: &Object) -> HashSet<(String, i64)> {
    let containers = pod.at("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let ports = containers.filter_map(|container| container["ports"].as_array()).flatten();
    ports
        .filter_map(|port| {
            let number = port["hostPort"].as_i64().filter(|&number| number != 0)?;
            Some((port["protocol"].as_str().unwrap_or("TCP").to_owned(), number))
        })
        .collect()
}

fn decode<T: serde::de::DeserializeOwned + Default>(object: &Object, pointer: &str) -> Result<T, Status> {
    let Some(value) = object.at(pointer).filter(|value| !value.is_null()) else { return Ok(T::default()) };
    T::deserialize(value).map_err(|e| Status::bad_request(format!("{} {}{pointer}: {e}", object.kind(), object.name())))
}
