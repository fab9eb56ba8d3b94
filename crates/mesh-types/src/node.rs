//! How a proxy names itself to the control plane.

use std::{fmt, net::IpAddr, str::FromStr};

/// What a proxy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// Beside an application.
    Sidecar,
    /// A gateway.
    Router,
}

/// `TYPE~IP~NAME.NAMESPACE~NAMESPACE.svc.DOMAIN`, the `node.id` that Istio's proxies send.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeId {
    /// Sidecar or router.
    pub kind: NodeKind,
    /// The pod's first address.
    pub ip: IpAddr,
    /// The pod's name.
    pub name: String,
    /// The pod's namespace.
    pub namespace: String,
    /// Such as `default.svc.cluster.local`.
    pub dns_domain: String,
}

/// A text that is no node id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a node id (`sidecar~IP~POD.NAMESPACE~NAMESPACE.svc.DOMAIN`): {why}")]
pub struct BadNodeId {
    text: String,
    why: &'static str,
}

impl FromStr for NodeId {
    type Err = BadNodeId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why| BadNodeId { text: text.to_owned(), why };
        let parts: Vec<&str> = text.split('~').collect();
        let [kind, ip, name, domain] = parts[..] else { return Err(bad("it needs four parts between `~`")) };
        let kind = match kind {
            "sidecar" => NodeKind::Sidecar,
            "router" => NodeKind::Router,
            _ => return Err(bad("the first part is `sidecar` or `router`")),
        };
        // Names of pods may hold dots, names of namespaces may not.
        let (name, namespace) = name.rsplit_once('.').ok_or_else(|| bad("the third part is POD.NAMESPACE"))?;
        Ok(Self {
            kind,
            ip: ip.parse().map_err(|_| bad("the second part is an address"))?,
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            dns_domain: domain.to_owned(),
        })
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, ip, name, namespace, dns_domain } = self;
        write!(f, "{kind}~{ip}~{name}.{namespace}~{dns_domain}")
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sidecar => "sidecar",
            Self::Router => "router",
        })
    }
}

#[cfg(test)]
mod tests;
