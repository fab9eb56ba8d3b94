//! The registry's nouns: services, their endpoints, workloads and namespaces, however they became known.
//!
//! Kubernetes Services arrive as [`mesh_proto::registry`] records and are read here; ServiceEntries become the same nouns
//! in [`crate::push_context`]. Nothing above this module asks where a service came from, unless a rule needs it.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc};

use ipnet::IpNet;
use mesh_types::{Hostname, Labels, Locality, Protocol};

use crate::config::ExportTo;

mod read;

pub use read::RecordError;

/// A service as clients see it: one host with its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name that clients use.
    pub host: Hostname,
    /// Name of the object: the Service, or the host for ServiceEntries (as Istio's metadata has it).
    pub name: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Which object made it.
    pub origin: Origin,
    /// Virtual addresses; a single address is a full-length prefix. Empty for headless services.
    pub addresses: Vec<IpNet>,
    /// Addresses that the mesh gave it for want of others; only proxies that answer DNS questions lead anybody there.
    pub allocated: Vec<IpAddr>,
    /// In the object's order.
    pub ports: Vec<Port>,
    /// Who may see it; `None` is the mesh's default.
    pub export_to: Option<ExportTo>,
    /// How its name becomes endpoints.
    pub resolution: Resolution,
    /// Outside the mesh: no identity, no mesh TLS.
    pub external: bool,
    /// Seconds since 1970; older objects come first.
    pub created: i64,
    /// What selects its workloads.
    pub selector: Labels,
    /// Endpoints count before they are ready.
    pub publish_not_ready: bool,
    /// `internalTrafficPolicy: Local`.
    pub node_local: bool,
    /// Names that its certificates must carry (ServiceEntry `subjectAltNames`).
    pub subject_alt_names: Vec<String>,
}

/// Which object a service comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A Kubernetes Service.
    Kubernetes,
    /// The ServiceEntry of this name, in the service's namespace.
    ServiceEntry(String),
}

/// How a service's name becomes endpoints.
///
/// <https://istio.io/latest/docs/reference/config/networking/service-entry/#ServiceEntry-Resolution>
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The control plane knows the endpoints (ClusterIP services, `STATIC`).
    Endpoints,
    /// The caller already dialled the endpoint (headless services, `NONE`).
    Passthrough,
    /// The proxy asks DNS and uses every address (`DNS`).
    Dns,
    /// The proxy asks DNS and uses the first address (`DNS_ROUND_ROBIN`).
    DnsRoundRobin,
    /// The proxy asks DNS for the name that the caller wants, which the wildcard host has to contain (`DYNAMIC_DNS`).
    Dynamic,
    /// Another name for that host (ExternalName).
    Alias(Hostname),
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// As named; may be empty when it is the only port.
    pub name: String,
    /// What clients dial.
    pub number: u16,
    /// What it speaks.
    pub protocol: Protocol,
    /// What the workload listens on.
    pub target: TargetPort,
}

/// What a workload listens on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetPort {
    /// This number.
    Number(u16),
    /// A container port of this name.
    Name(String),
}

/// The endpoints of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Of the service.
    pub host: Hostname,
    /// Of the service.
    pub namespace: String,
    /// Sorted by address.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// Number that it listens on, by the service port's name.
    pub ports: BTreeMap<String, u16>,
    /// Whether it takes traffic.
    pub health: Health,
    /// Resource name of its workload.
    pub workload: Option<String>,
    /// Node that it is on.
    pub node: Option<String>,
    /// Labels that the object itself gives (ServiceEntry endpoints, WorkloadEntries); a workload's own come from its record.
    pub labels: Labels,
    /// Where it is, if the object says so.
    pub locality: Locality,
    /// Share of traffic, at least 1.
    pub weight: u32,
    /// The name that DNS has for it below its service's (pods of a StatefulSet).
    pub hostname: Option<String>,
}

/// Where an endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// A name that the proxy asks DNS for.
    Host(String),
    /// A unix socket, by path.
    Unix(String),
}

impl Address {
    /// Reads an address, a `unix://` path or a host name.
    pub fn read(text: &str) -> Self {
        if let Ok(ip) = text.parse() {
            return Self::Ip(ip);
        }
        text.strip_prefix("unix://").map_or_else(|| Self::Host(text.to_owned()), |path| Self::Unix(path.to_owned()))
    }

    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        if let Self::Ip(ip) = self { Some(*ip) } else { None }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Host(host) => f.write_str(host),
            Self::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

/// Whether an endpoint takes traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// Takes requests.
    Ready,
    /// Does not take requests yet.
    Unready,
    /// Finishes what it has, takes nothing new.
    Draining,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Of the pod.
    pub name: String,
    /// Of the pod.
    pub namespace: String,
    /// The primary first.
    pub addresses: Vec<IpAddr>,
    /// Of the pod.
    pub labels: Labels,
    /// Service account.
    pub account: String,
    /// Name of its node.
    pub node: String,
    /// Where its node is.
    pub locality: Locality,
    /// Whether its proxy speaks the mesh's TLS.
    pub mesh_tls: bool,
    /// Metric label `workload`.
    pub workload_name: String,
    /// Metric label `canonical_service`.
    pub canonical_name: String,
    /// Metric label `canonical_revision`.
    pub canonical_revision: String,
    /// Shares its node's network: its address is not its own.
    pub host_network: bool,
    /// Container ports by name.
    pub named_ports: BTreeMap<String, u16>,
    /// Those that concern proxies.
    pub annotations: BTreeMap<String, String>,
    /// Whether the pod passed its readiness probe.
    pub ready: bool,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// A Secret that some Gateway or DestinationRule names.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    data: BTreeMap<String, Vec<u8>>,
}

impl Secret {
    /// What stands under a key, if it is anything.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(Vec::as_slice).filter(|value| !value.is_empty())
    }
}

/// Its data are nobody's to see.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret {}/{} {:?}", self.namespace, self.name, self.data.keys())
    }
}

impl Service {
    /// The port that clients dial by this number.
    pub fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|p| p.number == number)
    }

    /// Its single virtual addresses.
    pub fn vips(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().filter(|net| net.prefix_len() == net.max_prefix_len()).map(IpNet::addr)
    }

    /// Whether a Kubernetes Service made it.
    pub fn is_kubernetes(&self) -> bool {
        self.origin == Origin::Kubernetes
    }

    /// A Kubernetes Service without a virtual address: DNS names its pods.
    pub fn is_headless(&self) -> bool {
        self.is_kubernetes() && self.resolution == Resolution::Passthrough
    }

    /// Where a workload that it selects listens for `port`; `None` if the workload has no container port of that name.
    pub fn target_of(port: &Port, workload: &Workload) -> Option<u16> {
        match &port.target {
            TargetPort::Number(number) => Some(*number),
            TargetPort::Name(name) => workload.named_ports.get(name).copied(),
        }
    }

    /// The order of services: oldest first, then by name.
    pub fn age_order(a: &Arc<Self>, b: &Arc<Self>) -> std::cmp::Ordering {
        (a.created, &a.host, &a.namespace).cmp(&(b.created, &b.host, &b.namespace))
    }
}
