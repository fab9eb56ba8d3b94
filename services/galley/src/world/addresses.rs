//! Addresses of ServiceEntries' hosts: given once, written into `status.addresses`, and read from there ever after.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mesh_kube::Key;
use mesh_model::{
    config::{Allocated, Kind, Object, ServiceEntry},
    expand::addresses::allocate,
};
use serde_json::{Value, json};

use super::{Finding, Report};

/// Entries that count, and what is to be said in their statuses.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    entries: BTreeMap<Key, (Arc<Object<ServiceEntry>>, Finding)>,
    /// Those that nothing was said of since they changed.
    changed: BTreeSet<Key>,
    /// Some entry came, changed or went.
    is_due: bool,
}

impl Addresses {
    /// An entry is as `finding` was made of.
    pub(super) fn apply(&mut self, key: Key, entry: Arc<Object<ServiceEntry>>, finding: Finding) {
        let fields = self.entries.get(&key).map(|(_, before)| before.fields.clone()).unwrap_or_default();
        self.changed.insert(key.clone());
        self.entries.insert(key, (entry, Finding { fields, ..finding }));
        self.is_due = true;
    }

    /// An object is gone, or does not count.
    pub(super) fn delete(&mut self, kind: Kind, key: &Key) {
        if kind == Kind::ServiceEntry && self.entries.remove(key).is_some() {
            self.changed.remove(key);
            self.is_due = true;
        }
    }

    /// What is to be written since this was last called.
    pub(super) fn settle(&mut self) -> Vec<Report> {
        if !std::mem::take(&mut self.is_due) {
            return Vec::new();
        }
        let mut allocated = allocate(self.entries.values().map(|(entry, _)| entry.as_ref()));
        let changed = std::mem::take(&mut self.changed);
        let mut reports = Vec::new();
        for (key, (entry, finding)) in &mut self.entries {
            let addresses = field(&allocated.remove(&entry.meta.object()).unwrap_or_default());
            let stood = finding.status.as_ref().is_some_and(|status| status["addresses"].is_array());
            // Where there is nothing to say and nothing stands, nothing is said.
            let wanted = (stood || addresses != json!([])).then(|| ("addresses".to_owned(), addresses));
            let fields = wanted.into_iter().collect();
            let is_news = finding.fields != fields;
            finding.fields = fields;
            if is_news || changed.contains(key) {
                reports.push(Report { kind: Kind::ServiceEntry, key: key.clone(), finding: Some(finding.clone()) });
            }
        }
        reports
    }
}

/// `status.addresses`.
/// <https://github.com/istio/api/blob/1.25.1/networking/v1alpha3/service_entry.proto> (`ServiceEntryAddress`)
fn field(addresses: &[Allocated]) -> Value {
    addresses.iter().map(|a| json!({ "value": a.address.to_string(), "host": a.host.as_str() })).collect()
}
