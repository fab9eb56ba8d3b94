//! What gateways listen to.

use std::sync::Arc;

use mesh_types::{Hostname, Labels, Protocol};

use super::ServerTls;

/// Servers of the gateways that a selector chooses.
///
/// <https://istio.io/latest/docs/reference/config/networking/gateway/#Gateway>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gateway {
    /// Labels of gateway pods, in every namespace. Empty: all gateways.
    pub selector: Labels,
    /// Never empty; the index is the index in `spec.servers`.
    pub servers: Vec<Server>,
}

/// A port and the hosts behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// The port.
    pub port: ServerPort,
    /// An address or the path of a unix socket; absent: every address.
    pub bind: Option<String>,
    /// Never empty.
    pub hosts: Vec<ServerHost>,
    /// May be empty.
    pub name: String,
    /// Absent: plaintext.
    pub tls: Option<ServerTls>,
}

/// The port of a [`Server`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerPort {
    /// 0 only with a unix socket.
    pub number: u16,
    /// What is spoken.
    pub protocol: Protocol,
    /// Unique within the Gateway.
    pub name: String,
}

/// A host, and whose VirtualServices may answer for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerHost {
    /// The part before `/`.
    pub scope: ServerHostScope,
    /// The part after it.
    pub host: Hostname,
}

/// Namespaces of VirtualServices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerHostScope {
    /// Any: `*` or nothing.
    Any,
    /// This one; `.` became the Gateway's own.
    Namespace(Arc<str>),
}
