//! Pods and the nodes they are on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::api::core::v1::{Node, Pod};
use mesh_kube::Key;
use mesh_proto::registry::Workload;
use mesh_types::Locality;

use crate::registry::{locality, workload};

/// Workloads by their names, found again by address and by node.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    /// As the pods say, without their nodes' localities.
    by_name: BTreeMap<String, Workload>,
    /// Several during a change of hands; those on the host's network are not here, they share its address.
    by_address: HashMap<String, BTreeSet<String>>,
    by_node: HashMap<String, BTreeSet<String>>,
    localities: HashMap<String, Locality>,
    changed: BTreeSet<String>,
    addresses_changed: bool,
}

impl Workloads {
    pub(super) fn apply(&mut self, pod: &Pod) {
        let name = Key::of(pod).to_string();
        let Some(workload) = workload::record(pod) else { return self.forget(&name) };
        if self.by_name.get(&name) == Some(&workload) {
            return;
        }
        self.forget(&name);
        for address in own_addresses(&workload) {
            self.addresses_changed |= self.by_address.entry(address.clone()).or_default().insert(name.clone());
        }
        self.by_node.entry(workload.node.clone()).or_default().insert(name.clone());
        self.by_name.insert(name.clone(), workload);
        self.changed.insert(name);
    }

    pub(super) fn delete(&mut self, key: &Key) {
        self.forget(&key.to_string());
    }

    pub(super) fn apply_node(&mut self, node: &Node) {
        let name = node.metadata.name.clone().unwrap_or_default();
        let locality = locality::of_node(node);
        if self.localities.get(&name) != Some(&locality) {
            self.changed.extend(self.by_node.get(&name).into_iter().flatten().cloned());
            self.localities.insert(name, locality);
        }
    }

    pub(super) fn delete_node(&mut self, name: &str) {
        if self.localities.remove(name).is_some() {
            self.changed.extend(self.by_node.get(name).into_iter().flatten().cloned());
        }
    }

    /// The one workload at an address; none when nobody or several are there.
    pub(super) fn at(&self, address: &str) -> Option<String> {
        let names = self.by_address.get(address)?;
        if names.len() == 1 { names.first().cloned() } else { None }
    }

    /// Records that changed since this was last called; none: it is gone.
    pub(super) fn take_changed(&mut self) -> Vec<(String, Option<Workload>)> {
        let changed = std::mem::take(&mut self.changed);
        let placed = |workload: &Workload| workload::placed(workload.clone(), self.localities.get(&workload.node));
        changed.into_iter().map(|name| (name.clone(), self.by_name.get(&name).map(placed))).collect()
    }

    /// Namespace and labels of each.
    pub(super) fn pods(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> + Clone {
        self.by_name.values().map(|workload| (workload.namespace.as_str(), &workload.labels))
    }

    /// Whether [`Workloads::at`] may answer differently than before.
    pub(super) fn take_addresses_changed(&mut self) -> bool {
        std::mem::take(&mut self.addresses_changed)
    }

    fn forget(&mut self, name: &str) {
        let Some(workload) = self.by_name.remove(name) else { return };
        self.changed.insert(name.to_owned());
        let leave = |map: &mut HashMap<String, BTreeSet<String>>, key: &str| {
            if let Some(names) = map.get_mut(key) {
                names.remove(name);
                if names.is_empty() {
                    map.remove(key);
                }
            }
        };
        for address in own_addresses(&workload) {
            leave(&mut self.by_address, address);
            self.addresses_changed = true;
        }
        leave(&mut self.by_node, &workload.node);
    }
}

fn own_addresses(workload: &Workload) -> &[String] {
    if workload.host_network { &[] } else { &workload.addresses }
}
