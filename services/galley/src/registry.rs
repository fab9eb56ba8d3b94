//! Kubernetes objects as registry records: pure functions, one module for each kind of record.
//!
//! <https://istio.io/latest/docs/ops/deployment/application-requirements/>

pub mod endpoints;
pub mod locality;
pub mod mesh;
pub mod namespace;
pub mod service;
pub mod workload;

use std::collections::BTreeMap;

/// Labels or annotations, which Kubernetes' types hold as an option.
fn labels(map: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    map.cloned().unwrap_or_default()
}

/// A value of labels or annotations, if it is there and says something.
fn value<'a>(map: Option<&'a BTreeMap<String, String>>, key: &str) -> Option<&'a str> {
    map?.get(key).map(String::as_str).filter(|value| !value.is_empty())
}
