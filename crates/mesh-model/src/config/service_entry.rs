//! Services that Kubernetes does not know.

use std::net::IpAddr;

use ipnet::IpNet;
use mesh_types::{Hostname, Labels, Protocol};

use super::{ExportTo, PortNumber, WorkloadEntry};

/// Services by name, and where they are.
///
/// <https://istio.io/latest/docs/reference/config/networking/service-entry/#ServiceEntry>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceEntry {
    /// Never empty.
    pub hosts: Vec<Hostname>,
    /// Virtual addresses; a single address is a network of its whole length.
    pub addresses: Vec<IpNet>,
    /// Names and numbers are unique.
    pub ports: Vec<ServiceEntryPort>,
    /// Whether it is part of the mesh.
    pub location: Location,
    /// How endpoints are found.
    pub resolution: Resolution,
    /// As listed; empty when there is a selector, and for [`Resolution::None`].
    pub endpoints: Vec<WorkloadEntry>,
    /// WorkloadEntries and pods of its namespace that are its endpoints.
    pub workload_selector: Option<Labels>,
    /// Absent: the mesh's default.
    pub export_to: Option<ExportTo>,
    /// Names of which the server's certificate has one.
    pub subject_alt_names: Vec<String>,
    /// Addresses that the mesh gave its hosts, as `status.addresses` has them; [`crate::expand`] completes them.
    pub allocated: Vec<Allocated>,
}

/// An address that the mesh gave a host which has none of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Allocated {
    /// One of the entry's hosts.
    pub host: Hostname,
    /// Of 240.240.0.0/16 or 2001:2::/48.
    pub address: IpAddr,
}

/// A port of a [`ServiceEntry`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceEntryPort {
    /// What clients dial.
    pub number: PortNumber,
    /// What is spoken.
    pub protocol: Protocol,
    /// Unique.
    pub name: String,
    /// What endpoints listen on; absent: the same number.
    pub target_port: Option<PortNumber>,
}

/// Whether a service is part of the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Location {
    /// No.
    #[default]
    MeshExternal,
    /// Yes.
    MeshInternal,
}

/// How endpoints of a service are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The client dialled one.
    #[default]
    None,
    /// They are listed, or selected.
    Static,
    /// By name; all addresses are used.
    Dns,
    /// By name; a new connection uses the first address.
    DnsRoundRobin,
    /// By the name that each request or connection asks for, which is one of the wildcard's.
    Dynamic,
}
