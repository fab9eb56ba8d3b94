//! MeshNetworks: which addresses belong to which network, key `meshNetworks` of the ConfigMap `istio`.

use std::collections::BTreeMap;

use crate::declare::message;

message! {
    /// The networks of a mesh, by name.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshNetworks>
    pub struct MeshNetworks {
        /// The networks.
        pub networks: BTreeMap<String, Network>,
    }

    /// Endpoints that reach each other without help, and the doors to them from other networks.
    pub struct Network {
        /// Its endpoints.
        pub endpoints: Vec<NetworkEndpoints>,
        /// Its doors.
        pub gateways: Vec<NetworkGateway>,
    }

    /// Endpoints of a network; one field is set.
    pub struct NetworkEndpoints {
        /// Those with addresses in this range.
        pub from_cidr: Option<String>,
        /// Those of this cluster.
        pub from_registry: Option<String>,
    }

    /// A door to a network; `registryServiceName` or `address` is set.
    pub struct NetworkGateway {
        /// The Service of the gateway, as host name.
        pub registry_service_name: Option<String>,
        /// The gateway's address.
        pub address: Option<String>,
        /// The gateway's port.
        pub port: u32,
        /// The gateway's place.
        pub locality: String,
    }
}
