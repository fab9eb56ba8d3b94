//! Names of clusters and routes, which listeners, routes, clusters, endpoints, metrics and istioctl agree on.

use mesh_model::{config::ServerSort, push_context::GatewayServer, registry::Service};
use mesh_types::{Hostname, Protocol};

/// Where calls of unknown hosts go under `ALLOW_ANY`.
pub const PASSTHROUGH: &str = "PassthroughCluster";
/// Where connections go that must not go anywhere.
pub const BLACK_HOLE: &str = "BlackHoleCluster";
/// Where calls to ports go that no service has.
pub const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";
/// What stands for a destination that cannot be named.
pub const UNKNOWN_SERVICE: &str = "UnknownService";

/// `outbound|PORT|SUBSET|HOST`
pub fn outbound(port: u16, subset: &str, host: &Hostname) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// What [`server_name`] begins with.
pub const UNOPENED: &str = "outbound_.";

/// `outbound_.PORT_.SUBSET_.HOST`: how TLS of the mesh names a service, and gateways the cluster for it, which TLS passes
/// unopened.
pub fn server_name(port: u16, subset: &str, host: &Hostname) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// `inbound|PORT||`, PORT being what the workload listens on.
pub fn inbound(target: u16) -> String {
    format!("inbound|{target}||")
}

/// The parts of an outbound cluster's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outbound {
    /// The service's port.
    pub port: u16,
    /// Empty: the whole service.
    pub subset: String,
    /// The service.
    pub host: Hostname,
}

impl Outbound {
    /// Reads a cluster's name; `None` for names of other clusters.
    pub fn parse(name: &str) -> Option<Self> {
        let (rest, separator) = match name.strip_prefix(UNOPENED) {
            Some(rest) => (rest, "_."),
            None => (name.strip_prefix("outbound|")?, "|"),
        };
        let mut parts = rest.splitn(3, separator);
        let (port, subset, host) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { port: port.parse().ok()?, subset: subset.to_owned(), host: Hostname::parse(host).ok()? })
    }
}

/// Which route table a name means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RouteTable {
    /// `PORT`: every HTTP service with that port.
    Port(u16),
    /// `HOST:PORT`: one service whose protocol is found out.
    Service(Hostname, u16),
}

impl RouteTable {
    /// Reads a route configuration's name.
    pub fn parse(name: &str) -> Option<Self> {
        match name.rsplit_once(':') {
            None => name.parse().ok().map(Self::Port),
            Some((host, port)) => Some(Self::Service(Hostname::parse(host).ok()?, port.parse().ok()?)),
        }
    }

    /// The port that clients dialled.
    pub fn port(&self) -> u16 {
        match self {
            Self::Port(port) | Self::Service(_, port) => *port,
        }
    }
}

/// The name of the table of a service whose protocol is found out.
pub fn service_table(service: &Service, port: u16) -> String {
    format!("{}:{port}", service.host)
}

/// The route table of a gateway's server, which opens `number` on the pod: `http.PORT` for all plaintext servers of that
/// port, `https.PORT.PORTNAME.GATEWAY.NAMESPACE` for each server that ends TLS, PORT being what its Gateway says there.
/// None: it carries bytes.
pub fn gateway_table(server: &GatewayServer, number: u16) -> Option<String> {
    let (spec, meta) = (server.server(), &server.gateway.meta);
    let bind = spec.bind.as_ref().map(|bind| format!(".{bind}")).unwrap_or_default();
    match spec.sort() {
        ServerSort::Http => Some(format!("http.{number}{bind}")),
        ServerSort::Tls if spec.port.protocol == Protocol::Https && spec.ends_tls() => {
            Some(format!("https.{}.{}.{}.{}{bind}", spec.port.number, spec.port.name, meta.name, meta.namespace))
        }
        ServerSort::Tls | ServerSort::Bytes => None,
    }
}

/// What names of secrets with roots end in.
pub const ROOTS: &str = "-cacert";
/// A secret that nobody has.
pub const NO_SECRET: &str = "invalid://none";

/// Schemes of names that are complete as they are written.
const SCHEMES: [&str; 3] = ["kubernetes://", "kubernetes-gateway://", "invalid://"];

/// The resource name of a `credentialName`.
pub fn secret(credential: &str) -> String {
    let complete = SCHEMES.iter().any(|scheme| credential.starts_with(scheme));
    if complete { credential.to_owned() } else { format!("{}{credential}", SCHEMES[0]) }
}

/// The resource name of the roots that belong to a `credentialName`.
pub fn secret_of_roots(credential: &str) -> String {
    let name = secret(credential);
    if name.ends_with(ROOTS) { name } else { name + ROOTS }
}

/// Which Secret a resource name means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretName {
    /// Of the Secret.
    pub namespace: String,
    /// Of the Secret; ends in [`ROOTS`] when roots are asked for.
    pub name: String,
}

impl SecretName {
    /// Reads a name, for a proxy of namespace `own`; none for names that pilot has nothing for.
    pub fn parse(name: &str, own: &str) -> Option<Self> {
        let (path, needs_namespace) = match name.strip_prefix(SCHEMES[0]) {
            Some(path) => (path, false),
            None => (name.strip_prefix(SCHEMES[1])?, true),
        };
        let (namespace, name) = match path.split_once('/') {
            Some(parts) => parts,
            None if needs_namespace => return None,
            None => (own, path),
        };
        let is_plain = |part: &str| !part.is_empty() && !part.contains('/');
        (is_plain(namespace) && is_plain(name)).then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}
