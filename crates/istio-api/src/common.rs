//! Messages that several kinds share: matches, headers, destinations, selectors.

use std::collections::BTreeMap;

use crate::declare::message;

message! {
    /// How a text is compared; exactly one field is set. None set, where a kind allows it, asks for mere presence.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#StringMatch>
    pub struct StringMatch {
        /// The text is this, letter for letter.
        pub exact: Option<String>,
        /// The text starts with this.
        pub prefix: Option<String>,
        /// The whole text matches this RE2 expression.
        pub regex: Option<String>,
    }

    /// Changes of headers, on the way to the service and on the way back.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#Headers>
    pub struct Headers {
        /// Changes made to the request before it is sent on.
        pub request: Option<HeaderOperations>,
        /// Changes made to the response before it is returned.
        pub response: Option<HeaderOperations>,
    }

    /// What is done to headers. Header names are compared without regard to case.
    pub struct HeaderOperations {
        /// Replaces the header's values by this one.
        pub set: BTreeMap<String, String>,
        /// Adds this value beside those that are there.
        pub add: BTreeMap<String, String>,
        /// Takes these headers away.
        pub remove: Vec<String>,
    }

    /// A service, or a subset of one, and its port.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination>
    #[schemars(extend("required" = ["host"]))]
    pub struct Destination {
        /// The service's name in the registry. A short name is completed with the namespace of the object it stands in.
        pub host: String,
        /// A subset that a DestinationRule of this host defines.
        pub subset: String,
        /// The service's port; may be left out when the service has only one.
        pub port: Option<PortSelector>,
    }

    /// A port by its number.
    pub struct PortSelector {
        /// The port's number, 1 to 65535.
        pub number: u32,
    }

    /// A share in percent, 0.0 to 100.0, in steps of 0.0001.
    pub struct Percent {
        /// The share.
        pub value: f64,
    }

    /// Workloads of the object's namespace, by labels of their pods or WorkloadEntries.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/sidecar/#WorkloadSelector>
    pub struct WorkloadSelector {
        /// All of these labels must be there. Empty: every workload.
        #[schemars(extend("maxProperties" = 256, "x-lateen-value-length" = 63))]
        pub labels: BTreeMap<String, String>,
    }

    /// Workloads by labels; the form of the security, telemetry and extension kinds and of DestinationRule.
    ///
    /// <https://istio.io/latest/docs/reference/config/type/workload-selector/>
    pub struct LabelSelector {
        /// All of these labels must be there. Empty: every workload.
        #[schemars(extend("maxProperties" = 4096, "x-lateen-value-length" = 63))]
        pub match_labels: BTreeMap<String, String>,
    }

    /// An object to which a policy is attached: a Gateway, a Service, a ServiceEntry or a GatewayClass.
    ///
    /// <https://istio.io/latest/docs/reference/config/type/workload-selector/#PolicyTargetReference>
    #[schemars(extend("required" = ["kind", "name"]))]
    pub struct PolicyTargetReference {
        /// The object's API group; empty for the core group.
        #[schemars(length(max = 253))]
        #[schemars(regex(pattern = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"))]
        pub group: String,
        /// The object's kind.
        #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"))]
        pub kind: String,
        /// The object's name.
        #[schemars(length(min = 1, max = 253))]
        pub name: String,
        /// Must be empty: the object is in the policy's own namespace.
        pub namespace: String,
    }
}
