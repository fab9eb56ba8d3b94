//! DestinationRule: what happens to traffic after routing has chosen a host.

use std::collections::BTreeMap;

use crate::{common::LabelSelector, declare::message, traffic_policy::TrafficPolicy};

message! {
    /// Policies for the traffic to a host, and the named subsets of its endpoints.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/destination-rule/>
    #[schemars(extend("required" = ["host"]))]
    pub struct DestinationRule {
        /// The service's name in the registry. A short name is completed with the namespace of this object.
        pub host: String,
        /// What applies to every endpoint.
        pub traffic_policy: Option<TrafficPolicy>,
        /// Named groups of endpoints, for versions and the like.
        pub subsets: Vec<Subset>,
        /// The namespaces that see this object: `.` its own, `*` (also when empty) all.
        pub export_to: Vec<String>,
        /// The client workloads of this namespace that it applies to; all when absent.
        pub workload_selector: Option<LabelSelector>,
    }

    /// A named group of a host's endpoints.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/destination-rule/#Subset>
    #[schemars(extend("required" = ["name"]))]
    pub struct Subset {
        /// The name that routes call it by.
        pub name: String,
        /// Labels that its endpoints carry.
        pub labels: BTreeMap<String, String>,
        /// What applies to it; what is absent here is taken from the rule's own policy.
        pub traffic_policy: Option<TrafficPolicy>,
    }
}
