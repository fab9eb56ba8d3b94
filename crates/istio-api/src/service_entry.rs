//! ServiceEntry: a service that the platform's registry does not know.

use crate::{
    common::WorkloadSelector,
    declare::{message, names},
    workload_entry::WorkloadEntry,
};

message! {
    /// A service added to the registry by hand.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/service-entry/>
    #[schemars(extend("required" = ["hosts"]))]
    pub struct ServiceEntry {
        /// Its names; `*.` names where `resolution` is `NONE`.
        #[schemars(length(min = 1, max = 256))]
        pub hosts: Vec<String>,
        /// Its virtual addresses, single or as CIDR.
        #[schemars(length(max = 256), inner(length(max = 64)))]
        pub addresses: Vec<String>,
        /// Its ports.
        #[schemars(length(max = 256))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub ports: Vec<ServicePort>,
        /// Whether it belongs to the mesh.
        pub location: ServiceEntryLocation,
        /// How its endpoints are found.
        pub resolution: ServiceEntryResolution,
        /// Its endpoints. Not together with `workloadSelector`.
        #[schemars(length(max = 4096))]
        pub endpoints: Vec<WorkloadEntry>,
        /// Pods and WorkloadEntries of this namespace that are its endpoints.
        pub workload_selector: Option<WorkloadSelector>,
        /// The namespaces that see this object: `.` its own, `*` (also when empty) all.
        pub export_to: Vec<String>,
        /// One of these names must be in the certificate of its endpoints.
        pub subject_alt_names: Vec<String>,
    }

    /// A port of a service.
    #[schemars(extend("required" = ["number", "name"]))]
    pub struct ServicePort {
        /// The port's number, 1 to 65535.
        pub number: u32,
        /// HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.
        #[schemars(length(max = 256))]
        pub protocol: String,
        /// The port's name.
        #[schemars(length(max = 256))]
        pub name: String,
        /// The endpoints' port, where it differs.
        pub target_port: u32,
    }
}

names! {
    /// Whether a service belongs to the mesh.
    pub enum ServiceEntryLocation {
        /// Outside: no mesh TLS.
        MeshExternal = 0 "MESH_EXTERNAL",
        /// Inside.
        MeshInternal = 1 "MESH_INTERNAL",
    }

    /// How endpoints are found.
    pub enum ServiceEntryResolution {
        /// The address that the client already has is used.
        None = 0 "NONE",
        /// Those that are listed.
        Static = 1 "STATIC",
        /// By DNS; every address of the answer is an endpoint.
        Dns = 2 "DNS",
        /// By DNS; the first address is used, and changes only for new connections.
        DnsRoundRobin = 3 "DNS_ROUND_ROBIN",
        /// By DNS, for the name that a request or connection asks for. Istio has it since 1.28.
        DynamicDns = 4 "DYNAMIC_DNS",
    }
}
