//! How a service is called.

use mesh_types::{Hostname, Labels};

use super::{ExportTo, TrafficPolicy};

/// Policy of calls to a host, and its subsets.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#DestinationRule>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DestinationRule {
    /// Complete: a short name got the rule's namespace.
    pub host: Hostname,
    /// Of all calls.
    pub policy: Option<TrafficPolicy>,
    /// In the order written; names are unique within the rule.
    pub subsets: Vec<Subset>,
    /// Absent: the mesh's default. With a selector: the rule's own namespace only.
    pub export_to: Option<ExportTo>,
    /// Clients that it is for. Absent: all that see it.
    pub workload_selector: Option<Labels>,
}

impl DestinationRule {
    /// Secrets that its policies name, some perhaps twice.
    pub fn credentials(&self) -> impl Iterator<Item = &str> {
        let policies = self.policy.iter().chain(self.subsets.iter().filter_map(|subset| subset.policy.as_ref()));
        let blocks = policies.flat_map(|policy| std::iter::once(&policy.blocks).chain(policy.ports.values()));
        blocks.filter_map(|blocks| blocks.tls.as_ref()?.credential())
    }
}

/// Some endpoints of a host, by label.
///
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#Subset>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subset {
    /// Its name, a DNS label.
    pub name: String,
    /// Labels of its endpoints. Empty: all of the host's.
    pub labels: Labels,
    /// Laid over the rule's.
    pub policy: Option<TrafficPolicy>,
}
