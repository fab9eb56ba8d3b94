//! What galley reads off a cluster, in the mesh's own words; pilot knows no Kubernetes.
//!
//! One record is one resource of its type (see [`crate::type_url`]); its resource name stands at each type.

use std::{collections::BTreeMap, fmt};

use prost::{Enumeration, Message, Name};

/// The package of these records.
const PACKAGE: &str = "lateen.registry.v1";

/// A Kubernetes Service. Resource name: its host.
#[derive(Clone, PartialEq, Message)]
pub struct Service {
    /// `reviews.default.svc.cluster.local`.
    #[prost(string, tag = "1")]
    pub host: String,
    /// Of the Service.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Of the Service.
    #[prost(string, tag = "3")]
    pub namespace: String,
    /// Cluster addresses; none for headless and ExternalName services.
    #[prost(string, repeated, tag = "4")]
    pub vips: Vec<String>,
    /// In the object's order.
    #[prost(message, repeated, tag = "5")]
    pub ports: Vec<ServicePort>,
    /// From annotation `networking.istio.io/exportTo`; empty: the mesh's default.
    #[prost(string, repeated, tag = "6")]
    pub export_to: Vec<String>,
    /// ClusterIP, headless or ExternalName.
    #[prost(enumeration = "Resolution", tag = "7")]
    pub resolution: i32,
    /// Target of an ExternalName service.
    #[prost(string, tag = "8")]
    pub external_name: String,
    /// creationTimestamp, seconds since 1970.
    #[prost(int64, tag = "9")]
    pub created: i64,
    /// The Service's selector; WorkloadEntries are chosen by it too.
    #[prost(btree_map = "string, string", tag = "10")]
    pub selector: BTreeMap<String, String>,
    /// Labels of the Service.
    #[prost(btree_map = "string, string", tag = "11")]
    pub labels: BTreeMap<String, String>,
    /// Endpoints count before they are ready.
    #[prost(bool, tag = "12")]
    pub publish_not_ready: bool,
    /// `internalTrafficPolicy: Local`.
    #[prost(bool, tag = "13")]
    pub node_local: bool,
    /// `sessionAffinity: ClientIP`.
    #[prost(bool, tag = "14")]
    pub client_ip_affinity: bool,
    /// External and load-balancer addresses, for gateways' status.
    #[prost(string, repeated, tag = "15")]
    pub external_addresses: Vec<String>,
    /// `spec.trafficDistribution`, or the annotation of that name; empty: none.
    #[prost(string, tag = "16")]
    pub traffic_distribution: String,
}

/// A port of a [`Service`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ServicePort {
    /// As named; may be empty when it is the only port.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What clients dial.
    #[prost(uint32, tag = "2")]
    pub number: u32,
    /// `TCP` or `UDP`.
    #[prost(string, tag = "3")]
    pub transport: String,
    /// `appProtocol`, or empty.
    #[prost(string, tag = "4")]
    pub app_protocol: String,
    /// A number or a name, as written; empty: same as `number`.
    #[prost(string, tag = "5")]
    pub target_port: String,
    /// 0: none.
    #[prost(uint32, tag = "6")]
    pub node_port: u32,
}

/// How a service's name becomes addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Resolution {
    /// Clients dial a virtual address.
    ClusterIp = 0,
    /// Clients dial pods that DNS names.
    Headless = 1,
    /// Another name.
    ExternalName = 2,
}

/// All endpoints of a service, from its EndpointSlices. Resource name: the service's host.
#[derive(Clone, PartialEq, Message)]
pub struct Endpoints {
    /// Of the service.
    #[prost(string, tag = "1")]
    pub host: String,
    /// Of the service.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Sorted by address.
    #[prost(message, repeated, tag = "3")]
    pub endpoints: Vec<Endpoint>,
}

/// One address of a service.
#[derive(Clone, PartialEq, Message)]
pub struct Endpoint {
    /// An IP address.
    #[prost(string, tag = "1")]
    pub address: String,
    /// Port name (as in [`ServicePort::name`]) to the number that the workload listens on.
    #[prost(btree_map = "string, uint32", tag = "2")]
    pub ports: BTreeMap<String, u32>,
    /// Passed its readiness probe.
    #[prost(bool, tag = "3")]
    pub ready: bool,
    /// Is ending; finishes what it has, takes nothing new.
    #[prost(bool, tag = "4")]
    pub draining: bool,
    /// Resource name of its [`Workload`], or empty when it has none.
    #[prost(string, tag = "5")]
    pub workload: String,
    /// Name of the node it is on, if it is on one.
    #[prost(string, tag = "6")]
    pub node: String,
    /// Host name within a headless service.
    #[prost(string, tag = "7")]
    pub hostname: String,
}

/// A pod. Resource name: `NAMESPACE/NAME`.
#[derive(Clone, PartialEq, Message)]
pub struct Workload {
    /// Of the pod.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Of the pod.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Its addresses, the primary first.
    #[prost(string, repeated, tag = "3")]
    pub addresses: Vec<String>,
    /// Labels of the pod.
    #[prost(btree_map = "string, string", tag = "4")]
    pub labels: BTreeMap<String, String>,
    /// Service account.
    #[prost(string, tag = "5")]
    pub account: String,
    /// Node name.
    #[prost(string, tag = "6")]
    pub node: String,
    /// `region/zone/subzone` of its node or of label `istio-locality`; empty: unknown.
    #[prost(string, tag = "7")]
    pub locality: String,
    /// Whether its proxy speaks the mesh's TLS: label `security.istio.io/tlsMode=istio`.
    #[prost(bool, tag = "8")]
    pub mesh_tls: bool,
    /// What made it: name of the Deployment or other owner (metric label `workload`), the pod's own name without one.
    #[prost(string, tag = "9")]
    pub workload_name: String,
    /// `service.istio.io/canonical-name`, or as injection would compute it.
    #[prost(string, tag = "10")]
    pub canonical_name: String,
    /// `service.istio.io/canonical-revision`, or as injection would compute it.
    #[prost(string, tag = "11")]
    pub canonical_revision: String,
    /// `spec.hostNetwork`.
    #[prost(bool, tag = "12")]
    pub host_network: bool,
    /// Named container ports, for target ports by name.
    #[prost(btree_map = "string, uint32", tag = "13")]
    pub named_ports: BTreeMap<String, u32>,
    /// Annotations that begin with `proxy.istio.io/`, `sidecar.istio.io/`, `traffic.sidecar.istio.io/`, `lateen.io/`.
    #[prost(btree_map = "string, string", tag = "14")]
    pub annotations: BTreeMap<String, String>,
    /// Whether the pod passed its readiness probe.
    #[prost(bool, tag = "15")]
    pub ready: bool,
}

/// A namespace. Resource name: its name.
#[derive(Clone, PartialEq, Message)]
pub struct Namespace {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its labels.
    #[prost(btree_map = "string, string", tag = "2")]
    pub labels: BTreeMap<String, String>,
}

/// A secret that some Gateway or DestinationRule names. Resource name: `NAMESPACE/NAME`. Sent over mutual TLS only.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct Secret {
    /// Of the Secret.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Of the Secret.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// `kubernetes.io/tls`, `Opaque`.
    #[prost(string, tag = "3")]
    pub kind: String,
    /// Its data, decoded.
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub data: BTreeMap<String, Vec<u8>>,
}

/// Its data are nobody's to see.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.data.keys().collect();
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .field("keys", &keys)
            .finish()
    }
}

/// The mesh's settings. One resource, named `istio`.
#[derive(Clone, PartialEq, Message)]
pub struct MeshConfig {
    /// MeshConfig as JSON text, as the ConfigMap `istio` holds it under key `mesh`, without defaults filled in.
    #[prost(string, tag = "1")]
    pub json: String,
}

macro_rules! named {
    ($($record:ident),*) => {$(
        impl Name for $record {
            const NAME: &'static str = stringify!($record);
            const PACKAGE: &'static str = PACKAGE;
        }
    )*};
}

named!(Service, Endpoints, Workload, Namespace, Secret, MeshConfig);
