//! Likes and dislikes: node affinity terms, pods beside each other or apart, even spreads.

use std::collections::HashMap;

use k8s_openapi::{
    api::core::v1::{Affinity, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::Carrier;
use crate::{
    controllers::pods::{is_active, selects},
    object::Object,
    store::{Resource, Store},
};

/// A node without the label that a spread goes by.
pub(super) const MISSING_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

/// True when a node selector term selects a node; an empty term selects none.
pub(super) fn term_selects(term: &NodeSelectorTerm, node: &Carrier) -> bool {
    let (labels, fields) = (term.match_expressions.as_deref(), term.match_fields.as_deref());
    let (labels, fields) = (labels.unwrap_or(&[]), fields.unwrap_or(&[]));
    let name = |requirement: &NodeSelectorRequirement| (requirement.key == "metadata.name").then(|| node.name());
    !(labels.is_empty() && fields.is_empty())
        && labels.iter().all(|requirement| holds(requirement, node.label(&requirement.key)))
        && fields.iter().all(|requirement| holds(requirement, name(requirement)))
}

fn holds(requirement: &NodeSelectorRequirement, found: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or(&[]);
    let listed = found.is_some_and(|found| values.iter().any(|value| value == found));
    let order = || {
        let found: i64 = found?.parse().ok()?;
        let bound: i64 = values.first()?.parse().ok()?;
        Some(found.cmp(&bound))
    };
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => order().is_some_and(std::cmp::Ordering::is_gt),
        "Lt" => order().is_some_and(std::cmp::Ordering::is_lt),
        _ => false,
    }
}

/// A term about other pods, with how many pods that it means are in each domain of its topology key.
struct Counted {
    key: String,
    weight: i64,
    domains: HashMap<String, i64>,
    /// The pod itself is one that the term means.
    means_itself: bool,
}

impl Counted {
    fn new(store: &Store, pod: &Object, term: &PodAffinityTerm, weight: i64, nodes: &[Carrier]) -> Self {
        let means = |other: &Object| {
            term.label_selector.as_ref().is_some_and(|selector| selects(selector, other))
                && in_namespaces(store, term, pod.namespace(), other.namespace())
        };
        let domains = domains(&term.topology_key, nodes.iter(), means);
        Self { key: term.topology_key.clone(), weight, domains, means_itself: means(pod) }
    }

    fn here(&self, node: &Carrier) -> Option<i64> {
        Some(self.domains.get(node.label(&self.key)?).copied().unwrap_or(0))
    }
}

/// Every domain of a topology key, with the number of its active pods that `means` picks.
fn domains<'a>(
    key: &str,
    nodes: impl Iterator<Item = &'a Carrier>,
    means: impl Fn(&Object) -> bool,
) -> HashMap<String, i64> {
    let mut domains = HashMap::new();
    for node in nodes {
        let Some(domain) = node.label(key) else { continue };
        let meant = node.pods.iter().filter(|other| is_active(&other.object) && means(&other.object)).count();
        *domains.entry(domain.to_owned()).or_insert(0) += i64::try_from(meant).unwrap_or(i64::MAX);
    }
    domains
}

fn in_namespaces(store: &Store, term: &PodAffinityTerm, own: &str, other: &str) -> bool {
    let named = term.namespaces.as_deref().unwrap_or(&[]);
    if named.is_empty() && term.namespace_selector.is_none() {
        return own == other;
    }
    let selected = |selector: &LabelSelector| {
        let namespace = store.get(&Resource::new("", "namespaces"), "", other);
        namespace.is_some_and(|namespace| selects(selector, &namespace.object))
    };
    named.iter().any(|name| name == other) || term.namespace_selector.as_ref().is_some_and(selected)
}

/// What a pod wants of the pods beside it.
pub(super) struct PodTerms {
    near: Vec<Counted>,
    apart: Vec<Counted>,
    liked: Vec<Counted>,
}

impl PodTerms {
    pub(super) fn new(store: &Store, pod: &Object, affinity: &Affinity, nodes: &[Carrier]) -> Self {
        let count = |term: &PodAffinityTerm, weight: i32| Counted::new(store, pod, term, i64::from(weight), nodes);
        let (near, apart) = (affinity.pod_affinity.as_ref(), affinity.pod_anti_affinity.as_ref());
        let required_near = near.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        let required_apart = apart.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        let liked = near.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_ref());
        let disliked = apart.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_ref());
        let liked = liked.into_iter().flatten().map(|term| count(&term.pod_affinity_term, term.weight));
        let disliked = disliked.into_iter().flatten().map(|term| count(&term.pod_affinity_term, -term.weight));
        Self {
            near: required_near.into_iter().flatten().map(|term| count(term, 0)).collect(),
            apart: required_apart.into_iter().flatten().map(|term| count(term, 0)).collect(),
            liked: liked.chain(disliked).collect(),
        }
    }

    /// Why a node will not do, and whether for good.
    pub(super) fn refusal(&self, node: &Carrier) -> Option<(&'static str, bool)> {
        // The first of pods that want to be together has nobody to be near to.
        let alone = |term: &Counted| term.means_itself && term.domains.values().all(|&count| count == 0);
        let is_near = |term: &Counted| term.here(node).is_some_and(|count| count > 0 || alone(term));
        if !self.near.iter().all(is_near) {
            return Some(("node(s) didn't match pod affinity rules", true));
        }
        let crowded = self.apart.iter().any(|term| term.here(node).is_some_and(|count| count > 0));
        crowded.then_some(("node(s) didn't match pod anti-affinity rules", false))
    }

    pub(super) fn liking(&self, node: &Carrier) -> i64 {
        self.liked.iter().map(|term| term.weight * term.here(node).unwrap_or(0)).sum()
    }
}

/// A spread over the domains of a topology key that must stay even.
pub(super) struct Spread {
    counted: Counted,
    max_skew: i64,
    least: i64,
}

impl Spread {
    pub(super) fn new(constraint: &TopologySpreadConstraint, pod: &Object, eligible: &[&Carrier]) -> Self {
        let mut selector = constraint.label_selector.clone();
        for key in constraint.match_label_keys.iter().flatten() {
            if let (Some(selector), Some(value)) = (&mut selector, pod.label(key)) {
                selector.match_labels.get_or_insert_default().insert(key.clone(), value.to_owned());
            }
        }
        let means = |other: &Object| {
            other.namespace() == pod.namespace() && selector.as_ref().is_some_and(|selector| selects(selector, other))
        };
        let key = constraint.topology_key.clone();
        let domains = domains(&key, eligible.iter().copied(), means);
        let too_few = constraint.min_domains.is_some_and(|min| domains.len() < usize::try_from(min).unwrap_or(0));
        let least = if too_few { 0 } else { domains.values().copied().min().unwrap_or(0) };
        let counted = Counted { key, weight: 0, domains, means_itself: means(pod) };
        Self { counted, max_skew: i64::from(constraint.max_skew), least }
    }

    pub(super) fn refusal(&self, node: &Carrier) -> Option<&'static str> {
        let Some(here) = self.counted.here(node) else { return Some(MISSING_LABEL) };
        let skew = here + i64::from(self.counted.means_itself) - self.least;
        (skew > self.max_skew).then_some("node(s) didn't match pod topology spread constraints")
    }
}
