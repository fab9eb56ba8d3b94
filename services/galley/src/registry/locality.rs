//! Where a node or a pod is.
//!
//! <https://istio.io/latest/docs/tasks/traffic-management/locality-load-balancing/>

use k8s_openapi::api::core::v1::{Node, Pod};
use mesh_types::Locality;

use super::value;

/// Of a node, by its well-known labels (the older names of the same labels count where the newer are absent).
pub fn of_node(node: &Node) -> Locality {
    let labels = node.metadata.labels.as_ref();
    let first = |keys: &[&str]| keys.iter().find_map(|key| value(labels, key)).unwrap_or_default().to_owned();
    Locality {
        region: first(&["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"]),
        zone: first(&["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"]),
        sub_zone: first(&["topology.istio.io/subzone"]),
    }
}

/// That a pod claims for itself by label `istio-locality`: dots stand for the slashes that a label cannot hold.
pub fn of_pod_label(pod: &Pod) -> Option<Locality> {
    let text = value(pod.metadata.labels.as_ref(), "istio-locality")?;
    Some(Locality::parse(&if text.contains('/') { text.to_owned() } else { text.replace('.', "/") }))
}
