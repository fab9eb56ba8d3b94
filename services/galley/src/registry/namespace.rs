//! Namespaces.

use k8s_openapi::api::core::v1::Namespace;
use mesh_proto::registry;

use super::labels;

/// The record of a namespace.
pub fn record(namespace: &Namespace) -> registry::Namespace {
    registry::Namespace {
        name: namespace.metadata.name.clone().unwrap_or_default(),
        labels: labels(namespace.metadata.labels.as_ref()),
    }
}
