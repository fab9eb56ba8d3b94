//! Registry records off the wire, read into nouns.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use mesh_proto::registry as wire;
use mesh_types::{BadHostname, Hostname, Labels, Locality, Protocol};

use crate::config::{ExportScope, ExportTo};

use super::{
    Address, Endpoint, Endpoints, Health, Namespace, Origin, Port, Resolution, Secret, Service, TargetPort, Workload,
};

/// Why a record makes no sense. It is the sender's fault (galley); a retry brings the same record again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The host is no host name.
    #[error("the record's host is wrong")]
    Host(#[from] BadHostname),
    /// An address is none.
    #[error("`{0}` is not an IP address")]
    Address(String),
    /// A port does not fit 1..=65535.
    #[error("port {0} is not between 1 and 65535")]
    Port(u32),
}

fn port_number(number: u32) -> Result<u16, RecordError> {
    u16::try_from(number).ok().filter(|n| *n != 0).ok_or(RecordError::Port(number))
}

fn ip(text: &str) -> Result<IpAddr, RecordError> {
    text.parse().map_err(|_| RecordError::Address(text.to_owned()))
}

fn numbered(ports: &BTreeMap<String, u32>) -> Result<BTreeMap<String, u16>, RecordError> {
    ports.iter().map(|(name, number)| Ok((name.clone(), port_number(*number)?))).collect()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The values of annotation `networking.istio.io/exportTo`.
fn export_to(values: &[String]) -> Option<ExportTo> {
    let scope = |value: &String| match value.as_str() {
        "." => ExportScope::Own,
        "*" => ExportScope::All,
        "~" => ExportScope::Nobody,
        name => ExportScope::Namespace(name.to_owned()),
    };
    (!values.is_empty()).then(|| ExportTo(values.iter().map(scope).collect()))
}

impl TryFrom<&wire::ServicePort> for Port {
    type Error = RecordError;

    fn try_from(port: &wire::ServicePort) -> Result<Self, RecordError> {
        let number = port_number(port.number)?;
        let target = match (port.target_port.as_str(), port.target_port.parse::<u32>()) {
            ("", _) => TargetPort::Number(number),
            (_, Ok(target)) => TargetPort::Number(port_number(target)?),
            (name, Err(_)) => TargetPort::Name(name.to_owned()),
        };
        let app_protocol = some(&port.app_protocol);
        let protocol = Protocol::of_service_port(&port.transport, app_protocol.as_deref(), &port.name, number);
        Ok(Self { name: port.name.clone(), number, protocol, target })
    }
}

impl TryFrom<&wire::Service> for Service {
    type Error = RecordError;

    fn try_from(record: &wire::Service) -> Result<Self, RecordError> {
        let resolution = match record.resolution() {
            wire::Resolution::ClusterIp => Resolution::Endpoints,
            wire::Resolution::Headless => Resolution::Passthrough,
            wire::Resolution::ExternalName => Resolution::Alias(Hostname::parse(&record.external_name)?),
        };
        Ok(Self {
            host: Hostname::parse(&record.host)?,
            name: record.name.clone(),
            namespace: record.namespace.clone(),
            origin: Origin::Kubernetes,
            addresses: record.vips.iter().map(|vip| ip(vip).map(IpNet::from)).collect::<Result<_, _>>()?,
            allocated: Vec::new(),
            ports: record.ports.iter().map(Port::try_from).collect::<Result<_, _>>()?,
            export_to: export_to(&record.export_to),
            resolution,
            external: false,
            created: record.created,
            selector: Labels(record.selector.clone()),
            publish_not_ready: record.publish_not_ready,
            node_local: record.node_local,
            subject_alt_names: Vec::new(),
        })
    }
}

impl TryFrom<&wire::Endpoint> for Endpoint {
    type Error = RecordError;

    fn try_from(record: &wire::Endpoint) -> Result<Self, RecordError> {
        let health = match (record.draining, record.ready) {
            (true, _) => Health::Draining,
            (false, true) => Health::Ready,
            (false, false) => Health::Unready,
        };
        Ok(Self {
            address: Address::Ip(ip(&record.address)?),
            ports: numbered(&record.ports)?,
            health,
            workload: some(&record.workload),
            node: some(&record.node),
            labels: Labels::default(),
            locality: Locality::default(),
            weight: 1,
            hostname: some(&record.hostname),
        })
    }
}

impl TryFrom<&wire::Endpoints> for Endpoints {
    type Error = RecordError;

    fn try_from(record: &wire::Endpoints) -> Result<Self, RecordError> {
        let mut endpoints: Vec<Endpoint> = record.endpoints.iter().map(Endpoint::try_from).collect::<Result<_, _>>()?;
        endpoints.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(Self { host: Hostname::parse(&record.host)?, namespace: record.namespace.clone(), endpoints })
    }
}

impl TryFrom<&wire::Workload> for Workload {
    type Error = RecordError;

    fn try_from(record: &wire::Workload) -> Result<Self, RecordError> {
        Ok(Self {
            name: record.name.clone(),
            namespace: record.namespace.clone(),
            addresses: record.addresses.iter().map(|a| ip(a)).collect::<Result<_, _>>()?,
            labels: Labels(record.labels.clone()),
            account: record.account.clone(),
            node: record.node.clone(),
            locality: Locality::parse(&record.locality),
            mesh_tls: record.mesh_tls,
            workload_name: record.workload_name.clone(),
            canonical_name: record.canonical_name.clone(),
            canonical_revision: record.canonical_revision.clone(),
            host_network: record.host_network,
            named_ports: numbered(&record.named_ports)?,
            annotations: record.annotations.clone(),
            ready: record.ready,
        })
    }
}

impl From<&wire::Namespace> for Namespace {
    fn from(record: &wire::Namespace) -> Self {
        Self { name: record.name.clone(), labels: Labels(record.labels.clone()) }
    }
}

impl From<wire::Secret> for Secret {
    fn from(record: wire::Secret) -> Self {
        Self { name: record.name, namespace: record.namespace, data: record.data }
    }
}
