//! A proxy as generators see it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use mesh_model::{
    config::{ClientCertHeader, GatewayTopology},
    push_context::PushContext,
    registry::{Origin, Port, Resolution, Service, Workload},
};
use mesh_types::{BadNodeId, Hostname, Labels, Locality, NodeId, NodeKind};

use crate::pb::{self, core};

/// Who asks: everything about a proxy that its configuration depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyView {
    /// Sidecar or gateway.
    pub kind: NodeKind,
    /// Name of the pod.
    pub name: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// The primary first; never empty.
    pub addresses: Vec<IpAddr>,
    /// Labels of the workload.
    pub labels: Labels,
    /// Where it runs.
    pub locality: Locality,
    /// Name of its node.
    pub node: String,
    /// Such as `default.svc.cluster.local`.
    pub dns_domain: String,
    /// Ports of the services that it belongs to; older services first, each pair of service and port once.
    pub own: Vec<OwnPort>,
    /// Whether it may not open ports below 1024 (metadata `UNPRIVILEGED_POD`).
    pub unprivileged: bool,
    /// Whether DNS questions of the workload are led to the proxy (metadata `DNS_CAPTURE`): it is then told of addresses
    /// that the mesh allocated.
    pub captures_dns: bool,
    /// What stands before it, if its own settings say (metadata `PROXY_CONFIG`).
    pub topology: Option<GatewayTopology>,
    /// Idle time after which connections of clients are closed (metadata `IDLE_TIMEOUT`).
    pub idle_timeout: Option<Duration>,
}

/// A port of a service that the workload is an endpoint of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnPort {
    /// The service.
    pub host: Hostname,
    /// Its object's name.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// As the service has it.
    pub port: Port,
    /// What the workload listens on.
    pub target: u16,
}

/// A node that configuration cannot be made for. The proxy's fault; it has to be started anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the proxy's node id cannot be read")]
pub struct BadNode(#[from] BadNodeId);

/// The text of a metadata field.
fn metadata<'a>(node: &'a core::Node, key: &str) -> Option<&'a str> {
    match node.metadata.as_ref()?.fields.get(key)?.kind.as_ref()? {
        pb::Kind::StringValue(text) => Some(text),
        _ => None,
    }
}

/// A metadata field of texts by name.
fn metadata_labels(node: &core::Node, key: &str) -> Option<Labels> {
    let pb::Kind::StructValue(fields) = node.metadata.as_ref()?.fields.get(key)?.kind.as_ref()? else { return None };
    let texts = fields.fields.iter().filter_map(|(name, value)| match &value.kind {
        Some(pb::Kind::StringValue(text)) => Some((name.clone(), text.clone())),
        _ => None,
    });
    Some(texts.collect())
}

/// `gatewayTopology` of the settings that annotation `proxy.istio.io/config` gave it.
fn topology(node: &core::Node) -> Option<GatewayTopology> {
    let of = |value: &pb::Value| match &value.kind {
        Some(pb::Kind::StructValue(fields)) => Some(fields.clone()),
        _ => None,
    };
    let settings = of(node.metadata.as_ref()?.fields.get("PROXY_CONFIG")?)?;
    let topology = of(settings.fields.get("gatewayTopology")?)?;
    let kind = |key: &str| topology.fields.get(key).and_then(|value| value.kind.clone());
    // JSON has no whole numbers; a count of proxies fits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cast saturates")]
    let trusted_proxies = match kind("numTrustedProxies") {
        Some(pb::Kind::NumberValue(number)) => number as u32,
        _ => 0,
    };
    let client_cert = match kind("forwardClientCertDetails") {
        Some(pb::Kind::StringValue(word)) => ClientCertHeader::of_word(&word),
        _ => ClientCertHeader::default(),
    };
    Some(GatewayTopology { trusted_proxies, client_cert })
}

fn go_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()
}

impl ProxyView {
    /// Reads a node, and looks up its workload and the services that it belongs to.
    ///
    /// What the registry knows of the pod counts; what the node says of itself fills the gaps until the registry knows it.
    ///
    /// # Errors
    /// The node's id is not of Istio's form.
    pub fn new(node: &core::Node, push: &PushContext) -> Result<Self, BadNode> {
        let id: NodeId = node.id.parse()?;
        let listed = metadata(node, "INSTANCE_IPS").unwrap_or_default();
        let mut addresses: Vec<IpAddr> = listed.split(',').filter_map(|ip| ip.trim().parse().ok()).collect();
        if addresses.is_empty() {
            addresses.push(id.ip);
        }
        let namespace = metadata(node, "NAMESPACE").unwrap_or(&id.namespace).to_owned();
        let known = push.workload(&format!("{namespace}/{}", id.name));
        let workload = known.cloned().unwrap_or_else(|| Arc::new(assumed(node, &id, &namespace, &addresses)));
        let sent = node.locality.as_ref().map(|l| Locality {
            region: l.region.clone(),
            zone: l.zone.clone(),
            sub_zone: l.sub_zone.clone(),
        });
        Ok(Self {
            own: own_ports(push, &workload, &addresses),
            kind: id.kind,
            name: id.name,
            namespace,
            addresses,
            labels: workload.labels.clone(),
            locality: sent.filter(|l| !l.is_empty()).unwrap_or_else(|| workload.locality.clone()),
            node: workload.node.clone(),
            dns_domain: id.dns_domain,
            topology: topology(node),
            unprivileged: metadata(node, "UNPRIVILEGED_POD") == Some("true"),
            captures_dns: metadata(node, "DNS_CAPTURE").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            idle_timeout: metadata(node, "IDLE_TIMEOUT").and_then(go_duration),
        })
    }

    /// The domain of the cluster, such as `cluster.local`.
    pub fn cluster_domain(&self) -> &str {
        self.dns_domain.split_once(".svc.").map_or("cluster.local", |(_, domain)| domain)
    }

    /// What a gateway listens on for a port of a Gateway: what Services that select it translate that port to, and the
    /// number itself where none has it. Ports that it may not open are left out.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/gateway/#Port>
    pub fn pod_ports(&self, port: u16) -> Vec<u16> {
        let translated = self.own.iter().filter(|own| own.port.number == port).map(|own| own.target);
        let mut ports: Vec<u16> = translated.collect();
        if ports.is_empty() {
            ports.push(port);
        }
        ports.sort_unstable();
        ports.dedup();
        ports.retain(|port| !self.unprivileged || !(1..1024).contains(port));
        ports
    }

    /// Whether its primary address is of IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.addresses.first().is_some_and(IpAddr::is_ipv6)
    }
}

/// A pod that the registry does not know yet, from what its proxy says.
fn assumed(node: &core::Node, id: &NodeId, namespace: &str, addresses: &[IpAddr]) -> Workload {
    let field = |key: &str| metadata(node, key).unwrap_or_default().to_owned();
    Workload {
        name: id.name.clone(),
        namespace: namespace.to_owned(),
        addresses: addresses.to_vec(),
        labels: metadata_labels(node, "LABELS").unwrap_or_default(),
        account: field("SERVICE_ACCOUNT"),
        node: field("NODE_NAME"),
        locality: Locality::default(),
        mesh_tls: false,
        workload_name: field("WORKLOAD_NAME"),
        canonical_name: String::new(),
        canonical_revision: String::new(),
        host_network: false,
        named_ports: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
        ready: false,
    }
}

/// By selector where a service has one, else by address among its endpoints.
fn own_ports(push: &PushContext, workload: &Workload, addresses: &[IpAddr]) -> Vec<OwnPort> {
    let mut own = Vec::new();
    for service in push.services().iter().filter(|s| s.namespace == workload.namespace) {
        if matches!(service.resolution, Resolution::Alias(_)) {
            continue;
        }
        let selected = !service.selector.is_empty() && service.selector.selects(&workload.labels);
        for port in &service.ports {
            let target = if selected {
                Service::target_of(port, workload).or_else(|| listed(push, service, port, addresses))
            } else if service.selector.is_empty() {
                listed(push, service, port, addresses)
            } else {
                None
            };
            let Some(target) = target.filter(|t| *t != 0) else { continue };
            own.push(OwnPort {
                host: service.host.clone(),
                service: service.name.clone(),
                namespace: service.namespace.clone(),
                port: port.clone(),
                target,
            });
        }
    }
    own
}

/// The number at which one of these addresses is an endpoint of the port.
fn listed(push: &PushContext, service: &Service, port: &Port, addresses: &[IpAddr]) -> Option<u16> {
    let ours = |e: &mesh_model::push_context::PortEndpoint| e.address.ip().is_some_and(|ip| addresses.contains(&ip));
    // Endpoints of an entry that lies outside the mesh are not proxies of ours.
    let inside = service.origin == Origin::Kubernetes || !service.external;
    push.endpoints(service, port).into_iter().find(|e| inside && ours(e)).map(|e| e.port)
}
