//! DestinationRules: merged within a namespace, found for a client and a host.
//!
//! <https://istio.io/latest/docs/ops/best-practices/traffic-management/#cross-namespace-configuration>

use std::sync::Arc;

use mesh_types::{Hostname, Labels};
use rustc_hash::FxHashMap;

use crate::{
    config::{DestinationRule, ExportScope, ExportTo, MeshConfig, Meta, Object, Subset, TrafficPolicy},
    store::Store,
};

/// All DestinationRules of a namespace for one host, as one (D3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedRule {
    /// As written: exact or a wildcard.
    pub host: Hostname,
    /// The objects, oldest first; never empty.
    pub from: Vec<Arc<Object<DestinationRule>>>,
    /// The first top-level policy, and the object it stands in.
    pub policy: Option<(TrafficPolicy, Meta)>,
    /// First definitions of each name, and the object each stands in.
    pub subsets: Vec<(Subset, Meta)>,
    /// Clients that it is for.
    pub selector: Option<Labels>,
    export: Vec<ExportScope>,
}

impl MergedRule {
    fn new(object: &Arc<Object<DestinationRule>>, export: Vec<ExportScope>) -> Self {
        let spec = &object.spec;
        Self {
            host: spec.host.clone(),
            policy: spec.policy.clone().map(|p| (p, object.meta.clone())),
            subsets: spec.subsets.iter().map(|s| (s.clone(), object.meta.clone())).collect(),
            selector: spec.workload_selector.clone(),
            from: vec![Arc::clone(object)],
            export,
        }
    }

    fn absorb(&mut self, object: &Arc<Object<DestinationRule>>) {
        for subset in &object.spec.subsets {
            if self.subset(&subset.name).is_none() {
                self.subsets.push((subset.clone(), object.meta.clone()));
            }
        }
        if self.policy.is_none() {
            self.policy = object.spec.policy.clone().map(|p| (p, object.meta.clone()));
        }
        self.from.push(Arc::clone(object));
    }

    /// The subset of this name.
    pub fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.iter().map(|(subset, _)| subset).find(|s| s.name == name)
    }

    /// The top-level policy.
    pub fn policy(&self) -> Option<&TrafficPolicy> {
        self.policy.as_ref().map(|(policy, _)| policy)
    }

    /// The oldest object.
    pub fn meta(&self) -> &Meta {
        &self.from[0].meta
    }

    fn reaches(&self, client: &str) -> bool {
        ExportTo(self.export.clone()).reaches(&self.meta().namespace, client)
    }
}

/// Rules of one namespace by host.
#[derive(Debug, Default)]
struct Hosts {
    exact: FxHashMap<Hostname, Vec<Arc<MergedRule>>>,
    /// Longest first.
    wildcard: Vec<(Hostname, Vec<Arc<MergedRule>>)>,
}

impl Hosts {
    fn add(&mut self, object: &Arc<Object<DestinationRule>>, export: &[ExportScope]) {
        let host = &object.spec.host;
        let rules = if host.is_wildcard() {
            let index = self.wildcard.iter().position(|(h, _)| h == host).unwrap_or_else(|| {
                self.wildcard.push((host.clone(), Vec::new()));
                self.wildcard.len() - 1
            });
            &mut self.wildcard[index].1
        } else {
            self.exact.entry(host.clone()).or_default()
        };
        merge_into(rules, object, export);
    }

    fn sort(&mut self) {
        self.wildcard.sort_by(|(a, _), (b, _)| a.specificity(b));
    }

    fn all(&self) -> impl Iterator<Item = &Arc<MergedRule>> {
        self.exact.values().chain(self.wildcard.iter().map(|(_, rules)| rules)).flatten()
    }

    /// D2: the exact host, else the longest wildcard.
    fn find(&self, host: &Hostname) -> Option<&[Arc<MergedRule>]> {
        let wildcard = || self.wildcard.iter().find(|(h, _)| h.contains(host)).map(|(_, rules)| rules);
        self.exact.get(host).or_else(wildcard).map(Vec::as_slice)
    }
}

/// D3. A rule is laid into each one before it that it may complete, and stands alone too unless it is wholly in there.
fn merge_into(rules: &mut Vec<Arc<MergedRule>>, object: &Arc<Object<DestinationRule>>, export: &[ExportScope]) {
    let selector = &object.spec.workload_selector;
    let mut alone = true;
    for rule in rules.iter_mut() {
        let both_select = selector.is_some() && rule.selector.is_some();
        if both_select && *selector != rule.selector {
            continue;
        }
        let same_export = rule.export == export;
        if !same_export && !covers(export, &rule.export) {
            continue;
        }
        if same_export && selector.is_some() == rule.selector.is_some() {
            alone = false;
        }
        // Istio's quirk: a rule with a selector lays its subsets into an earlier one without, but not the reverse.
        if selector.is_some() || rule.selector.is_none() {
            Arc::make_mut(rule).absorb(object);
        }
    }
    if alone {
        rules.push(Arc::new(MergedRule::new(object, export.to_vec())));
    }
}

/// Whether whoever sees `narrow` also sees `wide`.
fn covers(wide: &[ExportScope], narrow: &[ExportScope]) -> bool {
    wide.contains(&ExportScope::All) || narrow.iter().all(|scope| wide.contains(scope))
}

/// Every DestinationRule.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// For clients of the same namespace: all of them.
    local: FxHashMap<Arc<str>, Hosts>,
    /// For clients of other namespaces: those that leave theirs.
    exported: FxHashMap<Arc<str>, Hosts>,
    /// For clients of the root namespace: those that do not leave it.
    root_local: Hosts,
}

impl Rules {
    pub(super) fn build(store: &Store) -> Self {
        let mut rules = Self::default();
        for object in store.destination_rules() {
            let export = scopes(&object, store.mesh());
            let namespace = &object.meta.namespace;
            rules.local.entry(Arc::clone(namespace)).or_default().add(&object, &export);
            let private = export.iter().all(|s| matches!(s, ExportScope::Own | ExportScope::Nobody));
            if !private {
                rules.exported.entry(Arc::clone(namespace)).or_default().add(&object, &export);
            } else if **namespace == *store.mesh().root_namespace {
                rules.root_local.add(&object, &export);
            }
        }
        rules.local.values_mut().chain(rules.exported.values_mut()).for_each(Hosts::sort);
        rules.root_local.sort();
        rules
    }

    /// D1: the client's namespace, the service's, the root's; the first that has a rule for the host decides alone.
    pub(super) fn find(
        &self,
        mesh: &MeshConfig,
        client: &str,
        labels: Option<&Labels>,
        host: &Hostname,
        service_namespace: &str,
    ) -> Option<&Arc<MergedRule>> {
        let local = if client == mesh.root_namespace { Some(&self.root_local) } else { self.local.get(client) };
        if let Some(rules) = local.and_then(|hosts| hosts.find(host)) {
            return select(rules.iter(), labels);
        }
        [service_namespace, &mesh.root_namespace].into_iter().find_map(|namespace| {
            let rules = self.exported.get(namespace)?.find(host)?;
            let visible: Vec<_> = rules.iter().filter(|r| r.reaches(client)).collect();
            (!visible.is_empty()).then(|| select(visible.into_iter(), labels))
        })?
    }

    /// Secrets that rules with a selector give to the workloads that they select.
    pub(super) fn selected_credentials<'a>(
        &'a self,
        namespace: &str,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'a str> {
        let hosts = self.local.get(namespace).into_iter();
        let rules = hosts.flat_map(Hosts::all).flat_map(|rule| &rule.from);
        let selected = rules.filter(|object| object.spec.workload_selector.as_ref().is_some_and(|s| s.selects(labels)));
        selected.flat_map(|object| object.spec.credentials())
    }

    /// Every merged rule as its own namespace sees it.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<MergedRule>> {
        self.local.values().flat_map(Hosts::all)
    }
}

fn scopes(object: &Object<DestinationRule>, mesh: &MeshConfig) -> Vec<ExportScope> {
    // D4: a rule with a selector stays in its namespace.
    if object.spec.workload_selector.is_some() {
        return vec![ExportScope::Own];
    }
    let export = object.spec.export_to.as_ref().unwrap_or(&mesh.default_destination_rule_export_to);
    let mut scopes = export.0.clone();
    scopes.sort();
    scopes
}

/// D2: a rule whose selector takes the client, else the one without; `None` labels ask for the latter.
fn select<'a>(
    rules: impl Iterator<Item = &'a Arc<MergedRule>> + Clone,
    labels: Option<&Labels>,
) -> Option<&'a Arc<MergedRule>> {
    let chosen = |rule: &&Arc<MergedRule>| match (&rule.selector, labels) {
        (Some(selector), Some(labels)) => selector.selects(labels),
        _ => false,
    };
    rules.clone().find(chosen).or_else(|| rules.clone().find(|r| r.selector.is_none()))
}
