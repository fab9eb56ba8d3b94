//! What the proxy needs to know of Services and EndpointSlices: one [`ServicePort`] for each port of each service.

use std::{collections::HashMap, net::Ipv4Addr};

use k8s_openapi::api::{
    core::v1::{Service, ServicePort as SpecPort},
    discovery::v1::EndpointSlice,
};

/// How long `sessionAffinity: ClientIP` lasts when the service does not say: three hours.
const AFFINITY_SECONDS: i32 = 10_800;

/// One port of a service, with all its usable endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServicePort {
    /// `namespace/name:port`, or `namespace/name` when the port has no name.
    pub(super) name: String,
    /// `tcp`, `udp` or `sctp`.
    pub(super) protocol: &'static str,
    pub(super) cluster_ip: Ipv4Addr,
    pub(super) port: i32,
    pub(super) node_port: Option<i32>,
    pub(super) external_ips: Vec<Ipv4Addr>,
    pub(super) lb_ips: Vec<Ipv4Addr>,
    /// `loadBalancerSourceRanges`; empty for everyone.
    pub(super) source_ranges: Vec<String>,
    /// Seconds of `sessionAffinity: ClientIP`.
    pub(super) affinity: Option<i32>,
    pub(super) external_local: bool,
    pub(super) internal_local: bool,
    /// In the order of their addresses as text.
    pub(super) endpoints: Vec<Endpoint>,
}

/// A pod's port behind a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    /// `ip:port`.
    pub(super) address: String,
    pub(super) ip: Ipv4Addr,
    pub(super) node: String,
    /// False for one that still serves while it ends: used only where nothing is ready.
    pub(super) ready: bool,
}

impl ServicePort {
    /// The endpoints for cluster-wide traffic.
    pub(super) fn everywhere(&self) -> Vec<&Endpoint> {
        usable(self.endpoints.iter().collect())
    }

    /// The endpoints on `node`.
    pub(super) fn local(&self, node: &str) -> Vec<&Endpoint> {
        usable(self.endpoints.iter().filter(|e| e.node == node).collect())
    }

    /// True for a port that callers beyond the cluster may use.
    pub(super) fn is_external(&self) -> bool {
        self.node_port.is_some() || !self.external_ips.is_empty() || !self.lb_ips.is_empty()
    }
}

fn usable(candidates: Vec<&Endpoint>) -> Vec<&Endpoint> {
    let ready: Vec<_> = candidates.iter().copied().filter(|e| e.ready).collect();
    if ready.is_empty() { candidates } else { ready }
}

/// All service ports that have a cluster IP, in the order of their names.
pub(super) fn service_ports(services: &[Service], slices: &[EndpointSlice]) -> Vec<ServicePort> {
    let mut by_service: HashMap<(&str, &str), Vec<&EndpointSlice>> = HashMap::new();
    for slice in slices.iter().filter(|s| s.address_type == "IPv4") {
        let labels = slice.metadata.labels.as_ref();
        if let Some(service) = labels.and_then(|l| l.get("kubernetes.io/service-name")) {
            let namespace = slice.metadata.namespace.as_deref().unwrap_or_default();
            by_service.entry((namespace, service)).or_default().push(slice);
        }
    }
    let mut found: Vec<ServicePort> = services
        .iter()
        .flat_map(|service| {
            let meta = &service.metadata;
            let key = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
            let slices = by_service.get(&key).map_or(&[][..], Vec::as_slice);
            let ports = service.spec.as_ref().and_then(|s| s.ports.as_deref()).unwrap_or_default();
            ports.iter().filter_map(move |port| service_port(service, key, port, slices))
        })
        .collect();
    found.sort_by(|a, b| (&a.name, a.protocol).cmp(&(&b.name, b.protocol)));
    found
}

fn service_port(
    service: &Service,
    (namespace, name): (&str, &str),
    port: &SpecPort,
    slices: &[&EndpointSlice],
) -> Option<ServicePort> {
    let spec = service.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    // Headless services have the word "None" here.
    let cluster_ip = spec.cluster_ip.as_deref()?.parse().ok()?;
    let port_name = port.name.as_deref().unwrap_or_default();
    let balancer = service.status.as_ref().and_then(|s| s.load_balancer.as_ref());
    let lb_ips = balancer
        .and_then(|l| l.ingress.as_deref())
        .unwrap_or_default()
        .iter()
        .filter(|i| i.ip_mode.as_deref() != Some("Proxy"))
        .filter_map(|i| i.ip.as_deref()?.parse().ok())
        .collect();
    let timeout =
        || spec.session_affinity_config.as_ref()?.client_ip.as_ref()?.timeout_seconds.or(Some(AFFINITY_SECONDS));
    Some(ServicePort {
        name: format!("{namespace}/{name}{}{port_name}", if port_name.is_empty() { "" } else { ":" }),
        protocol: protocol(port.protocol.as_deref())?,
        cluster_ip,
        port: port.port,
        node_port: port.node_port.filter(|p| *p > 0),
        external_ips: spec.external_ips.iter().flatten().filter_map(|ip| ip.parse().ok()).collect(),
        lb_ips,
        source_ranges: spec.load_balancer_source_ranges.iter().flatten().filter_map(|r| range(r)).collect(),
        affinity: (spec.session_affinity.as_deref() == Some("ClientIP")).then(|| timeout().unwrap_or(AFFINITY_SECONDS)),
        external_local: spec.external_traffic_policy.as_deref() == Some("Local"),
        internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
        endpoints: endpoints(port_name, port.protocol.as_deref(), slices),
    })
}

fn endpoints(port_name: &str, protocol_name: Option<&str>, slices: &[&EndpointSlice]) -> Vec<Endpoint> {
    let mut found: Vec<Endpoint> = Vec::new();
    for slice in slices {
        let port = slice.ports.iter().flatten().find(|p| {
            p.name.as_deref().unwrap_or_default() == port_name
                && protocol(p.protocol.as_deref()) == protocol(protocol_name)
        });
        let Some(port) = port.and_then(|p| p.port) else { continue };
        for endpoint in &slice.endpoints {
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            let ready = conditions.ready != Some(false);
            let ending = conditions.terminating == Some(true) && conditions.serving != Some(false);
            // All addresses of one endpoint mean the same; the first is the one to use.
            let Some(ip) = endpoint.addresses.first().and_then(|a| a.parse::<Ipv4Addr>().ok()) else { continue };
            if ready || ending {
                let node = endpoint.node_name.clone().unwrap_or_default();
                found.push(Endpoint { address: format!("{ip}:{port}"), ip, node, ready });
            }
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.address == b.address);
    found
}

fn protocol(name: Option<&str>) -> Option<&'static str> {
    match name.unwrap_or("TCP") {
        "TCP" => Some("tcp"),
        "UDP" => Some("udp"),
        "SCTP" => Some("sctp"),
        _ => None,
    }
}

/// An IPv4 range as rules take it.
fn range(text: &str) -> Option<String> {
    let (address, bits) = text.trim().split_once('/')?;
    let (address, bits) = (address.parse::<Ipv4Addr>().ok()?, bits.parse::<u8>().ok()?);
    (bits <= 32).then(|| format!("{address}/{bits}"))
}
