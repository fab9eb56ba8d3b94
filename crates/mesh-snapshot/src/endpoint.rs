//! Endpoints as they are sent: localities of addresses, with weights, priorities and health.

use std::net::{IpAddr, SocketAddr};

use mesh_proto::envoy::envoy::config::{core::v3 as core, endpoint::v3 as pb};
use mesh_types::Locality;

use crate::{
    refusal::{At, Bad},
    take::{ensure, nothing_left, number, text_of},
};

/// The endpoints of a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Groups of endpoints in one place and of one priority.
    pub localities: Vec<LocalityEndpoints>,
    /// By how much a priority's healthy part counts for more than its share, in percent (140).
    pub overprovisioning: Option<u32>,
}

/// The endpoints of one place.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalityEndpoints {
    /// Where.
    pub locality: Locality,
    /// Its share of the requests, where localities have shares.
    pub weight: Option<u32>,
    /// 0 is asked first.
    pub priority: u32,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: EndpointAddress,
    /// Its own name, for rewrites of the host.
    pub hostname: Option<Box<str>>,
    /// Its share, from 1.
    pub weight: u32,
    /// What the control plane says of it.
    pub healthy: bool,
    /// `WORKLOAD;NAMESPACE;CANONICAL-SERVICE;CANONICAL-REVISION;CLUSTER`, Istio's word about who is there.
    pub workload: Option<Box<str>>,
}

/// The address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointAddress {
    /// An address.
    Ip(SocketAddr),
    /// A name that DNS has to resolve, and a port.
    Name(Box<str>, u16),
}

impl Assignment {
    pub(crate) fn parse(mut message: pb::ClusterLoadAssignment) -> Result<Self, Bad> {
        message.cluster_name.clear();
        let localities = std::mem::take(&mut message.endpoints).into_iter().enumerate();
        let localities = localities
            .map(|(i, l)| LocalityEndpoints::parse(l).at_index("endpoints", i))
            .collect::<Result<Vec<_>, _>>()?;
        let mut overprovisioning = None;
        if let Some(mut policy) = message.policy.take() {
            overprovisioning = number(policy.overprovisioning_factor.take());
            nothing_left(&policy).at("policy")?;
        }
        nothing_left(&message)?;
        ensure(overprovisioning != Some(0), "policy.overprovisioning_factor", "is zero")?;
        Ok(Self { localities, overprovisioning })
    }

    /// All endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.localities.iter().flat_map(|l| &l.endpoints)
    }
}

impl LocalityEndpoints {
    fn parse(mut message: pb::LocalityLbEndpoints) -> Result<Self, Bad> {
        let locality = message.locality.take().unwrap_or_default();
        let endpoints = std::mem::take(&mut message.lb_endpoints).into_iter().enumerate();
        let parsed = Self {
            locality: Locality { region: locality.region, zone: locality.zone, sub_zone: locality.sub_zone },
            weight: number(message.load_balancing_weight.take()),
            priority: std::mem::take(&mut message.priority),
            endpoints: endpoints
                .map(|(i, e)| Endpoint::parse(e).at_index("lb_endpoints", i))
                .collect::<Result<_, _>>()?,
        };
        message.metadata = None;
        nothing_left(&message)?;
        ensure(parsed.priority <= 128, "priority", "is above 128")?;
        Ok(parsed)
    }
}

impl Endpoint {
    fn parse(mut message: pb::LbEndpoint) -> Result<Self, Bad> {
        use pb::lb_endpoint::HostIdentifier as H;
        let Some(H::Endpoint(mut endpoint)) = message.host_identifier.take() else {
            return Err(Bad::new("host_identifier", "is no endpoint"));
        };
        let address = EndpointAddress::parse(endpoint.address.take()).at("endpoint.address")?;
        let hostname = Some(std::mem::take(&mut endpoint.hostname)).filter(|h| !h.is_empty()).map(Into::into);
        // Where active health checks go: there are none.
        endpoint.health_check_config = None;
        nothing_left(&endpoint).at("endpoint")?;
        let healthy = match core::HealthStatus::try_from(std::mem::take(&mut message.health_status)) {
            Ok(core::HealthStatus::Unknown | core::HealthStatus::Healthy) => true,
            Ok(core::HealthStatus::Unhealthy | core::HealthStatus::Draining | core::HealthStatus::Timeout) => false,
            _ => return Err(Bad::new("health_status", "is not supported")),
        };
        let metadata = message.metadata.take().unwrap_or_default().filter_metadata;
        let workload = metadata.get("istio").and_then(|s| text_of(s, "workload")).map(Into::into);
        let weight = number(message.load_balancing_weight.take()).unwrap_or(1);
        ensure(weight > 0, "load_balancing_weight", "is zero")?;
        nothing_left(&message)?;
        Ok(Self { address, hostname, weight, healthy, workload })
    }
}

impl EndpointAddress {
    fn parse(address: Option<core::Address>) -> Result<Self, Bad> {
        let (host, port) = socket_address(address)?;
        Ok(match host.parse::<IpAddr>() {
            Ok(ip) => Self::Ip(SocketAddr::new(ip, port)),
            Err(_) => Self::Name(host.into(), port),
        })
    }
}

/// A TCP address: host and port.
pub(crate) fn socket_address(address: Option<core::Address>) -> Result<(String, u16), Bad> {
    let Some(core::address::Address::SocketAddress(socket)) = address.and_then(|a| a.address) else {
        return Err(Bad::new("socket_address", "is missing, or another kind of address stands there"));
    };
    host_and_port(socket)
}

pub(crate) fn host_and_port(mut socket: core::SocketAddress) -> Result<(String, u16), Bad> {
    let port = match socket.port_specifier.take() {
        Some(core::socket_address::PortSpecifier::PortValue(port)) => port,
        None => 0,
        Some(_) => return Err(Bad::new("named_port", "is not supported")),
    };
    let host = std::mem::take(&mut socket.address);
    ensure(!host.is_empty(), "address", "is empty")?;
    // An address of version 6 that takes version 4 too: sockets are opened so in any case.
    socket.ipv4_compat = false;
    nothing_left(&socket)?;
    let port = u16::try_from(port).map_err(|_| Bad::new("port_value", "is above 65535"))?;
    Ok((host, port))
}
