//! Workloads that Kubernetes does not run.

use std::{collections::BTreeMap, net::IpAddr, num::NonZeroU32, time::Duration};

use mesh_types::{Hostname, Labels, Locality};

use super::PortNumber;

/// One workload.
///
/// <https://istio.io/latest/docs/reference/config/networking/workload-entry/#WorkloadEntry>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkloadEntry {
    /// Absent only when a network's gateway is the way to it, and in templates.
    pub address: Option<WorkloadAddress>,
    /// By the service's port name; else the service's target port.
    pub ports: BTreeMap<String, PortNumber>,
    /// Its labels.
    pub labels: Labels,
    /// May be empty.
    pub network: String,
    /// Empty: unknown.
    pub locality: Locality,
    /// Its share among the endpoints; absent: 1.
    pub weight: Option<NonZeroU32>,
    /// Absent: it has no identity.
    pub service_account: Option<String>,
}

/// Where a workload listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WorkloadAddress {
    /// An address.
    Ip(IpAddr),
    /// A name that DNS knows.
    Name(Hostname),
    /// Absolute path of a socket, or `@name`.
    Unix(String),
}

/// What workloads of a kind have in common.
///
/// <https://istio.io/latest/docs/reference/config/networking/workload-group/#WorkloadGroup>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkloadGroup {
    /// Of the entries that are made.
    pub labels: Labels,
    /// Of the entries that are made.
    pub annotations: BTreeMap<String, String>,
    /// Without address.
    pub template: WorkloadEntry,
    /// How readiness is found out; absent: ready.
    pub probe: Option<WorkloadProbe>,
}

/// How the readiness of a workload is found out; fields and defaults as Kubernetes has them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkloadProbe {
    /// Before the first try; 0 s.
    pub initial_delay: Duration,
    /// Of a try; 1 s.
    pub timeout: Duration,
    /// Between two tries; 10 s.
    pub period: Duration,
    /// In a row; 1.
    pub success_threshold: u32,
    /// In a row; 3.
    pub failure_threshold: u32,
    /// What a try is.
    pub action: ProbeAction,
}

/// What a try of a [`WorkloadProbe`] is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProbeAction {
    /// GET.
    Http {
        /// May be empty.
        path: String,
        /// The port.
        port: PortNumber,
        /// Absent: the workload itself.
        host: Option<String>,
        /// `http` or `https`; may be empty.
        scheme: String,
        /// In the order written.
        headers: Vec<(String, String)>,
    },
    /// A connection.
    Tcp {
        /// The port.
        port: PortNumber,
        /// Absent: the workload itself.
        host: Option<String>,
    },
    /// A program.
    Exec {
        /// Program and arguments; never empty.
        command: Vec<String>,
    },
    /// gRPC's health service.
    Grpc {
        /// The port.
        port: PortNumber,
        /// May be empty.
        service: String,
    },
}
