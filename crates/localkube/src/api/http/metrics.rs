//! Counts of requests, as `/metrics` shows them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Requests answered, by verb, resource and code.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, String, u16), u64>>,
}

impl Metrics {
    /// Counts an answer.
    pub fn count(&self, verb: &'static str, resource: &str, code: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        // A name that nothing is served under must not grow the table.
        let resource = if code == 404 { String::new() } else { resource.to_owned() };
        *requests.entry((verb, resource, code)).or_default() += 1;
    }

    /// The text form of Prometheus. `revision` is the store's.
    pub fn render(&self, revision: u64) -> String {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = format!("# TYPE localkube_store_revision gauge\nlocalkube_store_revision {revision}\n");
        text.push_str("# TYPE apiserver_request_total counter\n");
        for ((verb, resource, code), count) in &*requests {
            let labels = format!("verb=\"{verb}\",resource=\"{resource}\",code=\"{code}\"");
            text.push_str(&format!("apiserver_request_total{{{labels}}} {count}\n"));
        }
        text
    }
}
