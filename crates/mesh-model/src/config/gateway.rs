//! What gateways listen to.

use std::{collections::BTreeSet, sync::Arc};

use mesh_types::{Hostname, Labels, Protocol};

use super::{ServerCertificate, ServerTls, ServerTlsMode};

/// Servers of the gateways that a selector chooses.
///
/// <https://istio.io/latest/docs/reference/config/networking/gateway/#Gateway>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gateway {
    /// Labels of gateway pods, in every namespace. Empty: all gateways.
    pub selector: Labels,
    /// Only pods of its own namespace are chosen, as the Gateway API has it.
    pub own_namespace_only: bool,
    /// Never empty; the index is the index in `spec.servers`.
    pub servers: Vec<Server>,
}

impl Gateway {
    /// Secrets that its servers name, some perhaps twice.
    pub fn credentials(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().filter_map(|server| match server.tls.as_ref()?.certificate.as_ref()? {
            ServerCertificate::Credential(name) if server.ends_tls() => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether a Gateway of namespace `own` is for a gateway pod.
    pub fn chooses(&self, own: &str, namespace: &str, labels: &Labels) -> bool {
        (!self.own_namespace_only || own == namespace) && self.selector.selects(labels)
    }
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

/// What a server's port carries. Servers of different sorts cannot share a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerSort {
    /// HTTP in the clear.
    Http,
    /// TLS, told apart by server name.
    Tls,
    /// Opaque bytes.
    Bytes,
}

impl Server {
    /// What its port carries.
    pub fn sort(&self) -> ServerSort {
        match self.port.protocol {
            protocol if protocol.is_http() => ServerSort::Http,
            protocol if protocol.is_tls() => ServerSort::Tls,
            _ => ServerSort::Bytes,
        }
    }

    /// Whether TLS ends here.
    pub fn ends_tls(&self) -> bool {
        let mode = self.tls.as_ref().map(|tls| tls.mode).unwrap_or_default();
        self.sort() == ServerSort::Tls && !matches!(mode, ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough)
    }

    /// G4: the hosts for which a VirtualService of `namespace` with `hosts` answers here; of two that overlap the more
    /// specific one.
    pub fn hosts_for(&self, namespace: &str, hosts: &[Hostname]) -> BTreeSet<Hostname> {
        let ours = || self.hosts.iter().filter(|h| h.scope.admits(namespace)).map(|h| &h.host);
        let common = |theirs: &Hostname, own: &Hostname| match (own.contains(theirs), theirs.contains(own)) {
            (true, _) => Some(theirs.clone()),
            (false, true) => Some(own.clone()),
            (false, false) => None,
        };
        hosts.iter().flat_map(|theirs| ours().filter_map(move |own| common(theirs, own))).collect()
    }
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

impl ServerHostScope {
    /// Whether a VirtualService of this namespace may answer.
    pub fn admits(&self, namespace: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Namespace(name) => **name == *namespace,
        }
    }
}
