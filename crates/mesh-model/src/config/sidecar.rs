//! What a sidecar sees and takes.

use std::{net::SocketAddr, sync::Arc};

use mesh_types::{Hostname, Labels, Protocol};

use super::{ConnectionPool, Destination, OutboundPolicyMode, PortNumber};

/// Settings of sidecars of a namespace.
///
/// <https://istio.io/latest/docs/reference/config/networking/sidecar/#Sidecar>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sidecar {
    /// Absent: all of the namespace.
    pub workload_selector: Option<Labels>,
    /// Empty: every port of the workload's services.
    pub ingress: Vec<SidecarIngress>,
    /// Empty: the namespace's default.
    pub egress: Vec<SidecarEgress>,
    /// Of all inbound ports.
    pub inbound_connection_pool: Option<ConnectionPool>,
    /// Absent: the mesh's.
    pub outbound: Option<OutboundPolicy>,
}

/// A port that the workload serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SidecarIngress {
    /// The port.
    pub port: SidecarPort,
    /// An address; absent: the workload's.
    pub bind: Option<String>,
    /// How connections get there.
    pub capture_mode: CaptureMode,
    /// Absent: the workload's address and the same port.
    pub default_endpoint: Option<DefaultEndpoint>,
    /// Over the Sidecar's.
    pub connection_pool: Option<ConnectionPool>,
}

/// Where an application listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DefaultEndpoint {
    /// On a loopback address.
    Loopback(SocketAddr),
    /// On the workload's own address (written `0.0.0.0:PORT` or `[::]:PORT`).
    Workload(PortNumber),
    /// On the socket at this path.
    Unix(String),
}

/// Services that the workload may call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SidecarEgress {
    /// Absent: all ports; only the last listener has none.
    pub port: Option<SidecarPort>,
    /// An address or the path of a socket; absent: those of the services.
    pub bind: Option<String>,
    /// How connections get there.
    pub capture_mode: CaptureMode,
    /// Never empty.
    pub hosts: Vec<EgressHost>,
}

/// A port of a [`Sidecar`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SidecarPort {
    /// 0 only with a unix socket.
    pub number: u16,
    /// What is spoken.
    pub protocol: Protocol,
    /// May be empty.
    pub name: String,
}

/// How connections get to a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CaptureMode {
    /// As the workload's are.
    #[default]
    Default,
    /// By iptables.
    Iptables,
    /// The application dials it.
    None,
}

/// Hosts of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EgressHost {
    /// The part before `/`.
    pub namespace: EgressNamespace,
    /// The part after it.
    pub host: Hostname,
}

/// Whose hosts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EgressNamespace {
    /// `*`.
    Any,
    /// `.`, the namespace of the workload.
    Own,
    /// `~`.
    Nobody,
    /// By name.
    Named(Arc<str>),
}

/// What happens to calls of unknown hosts.
///
/// <https://istio.io/latest/docs/reference/config/networking/sidecar/#OutboundTrafficPolicy>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutboundPolicy {
    /// A policy without a mode means REGISTRY_ONLY, as Istio reads it.
    pub mode: OutboundPolicyMode,
    /// Where they go; only with ALLOW_ANY.
    pub egress_proxy: Option<Destination>,
}
