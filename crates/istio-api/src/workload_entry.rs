//! WorkloadEntry: one workload that is no pod.

use std::collections::BTreeMap;

use crate::declare::message;

message! {
    /// A workload outside Kubernetes, or an endpoint of a ServiceEntry.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/workload-entry/>
    pub struct WorkloadEntry {
        /// An IP address, a DNS name (in a ServiceEntry with resolution DNS), or `unix://` and a path.
        #[schemars(length(max = 256))]
        pub address: String,
        /// Port numbers by the names of the service's ports, where they differ from the service's.
        #[schemars(extend("maxProperties" = 128))]
        pub ports: BTreeMap<String, u32>,
        /// The workload's labels.
        #[schemars(extend("maxProperties" = 256))]
        pub labels: BTreeMap<String, String>,
        /// The network that the address belongs to.
        #[schemars(length(max = 2048))]
        pub network: String,
        /// The place, `region/zone/subzone`.
        #[schemars(length(max = 2048))]
        pub locality: String,
        /// Its share compared with the other endpoints; 1 when zero.
        pub weight: u32,
        /// The service account that it runs as, in the object's namespace.
        #[schemars(length(max = 253))]
        pub service_account: String,
    }
}
