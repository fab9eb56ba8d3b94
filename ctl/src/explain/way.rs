//! Where a call comes in: at a sidecar, on its way to the address that was dialled; at a gateway, by a port of its own.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use mesh_snapshot::Listener;
use mesh_types::NodeKind;

use super::{request::Parts, world::World};

/// The listener that takes redirected connections.
const CAPTURE: &str = "virtualOutbound";
/// Where names lead that nobody knows, and where clients of gateways are: an address of no network.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Where a call comes in.
#[derive(Debug)]
pub(super) struct Way<'a> {
    /// The address that is dialled.
    pub(super) destination: SocketAddr,
    /// Why that one, for people.
    pub(super) how: String,
    /// Where it comes from.
    pub(super) source: IpAddr,
    /// The listener whose socket takes it.
    pub(super) bound: Option<&'a Arc<Listener>>,
    /// What else is good to know.
    pub(super) note: Option<String>,
}

impl World {
    pub(super) fn way(&self, parts: &Parts) -> Way<'_> {
        match self.view.kind {
            NodeKind::Sidecar => self.captured(parts),
            NodeKind::Router => self.entered(parts),
        }
    }

    /// The workload's own call.
    fn captured(&self, parts: &Parts) -> Way<'_> {
        let resolved = self.resolve(&parts.host);
        let note =
            format!("`{}` is resolved by whoever runs its DNS; only its port and name are known here", parts.host);
        Way {
            destination: SocketAddr::new(resolved.ip.unwrap_or(NOWHERE), parts.port),
            how: resolved.how,
            source: self.own_address(),
            bound: self.snapshot.listener(CAPTURE),
            note: (!resolved.known).then_some(note),
        }
    }

    /// A client's call of a gateway, by the port of a service that leads there, or else by the pod's own port.
    fn entered(&self, parts: &Parts) -> Way<'_> {
        let own = self.view.own.iter().find(|own| own.port.number == parts.port);
        let port = self.view.pod_ports(parts.port).first().copied().unwrap_or(parts.port);
        let how = match own {
            Some(own) => format!("port {} of service {}/{} leads there", parts.port, own.namespace, own.service),
            None => format!("no service leads to this gateway by port {}: taken as a port of its pod", parts.port),
        };
        let takes = |listener: &&Arc<Listener>| {
            listener.binds && listener.addresses.iter().any(|address| address.port() == port)
        };
        Way {
            destination: SocketAddr::new(self.own_address(), port),
            how,
            source: NOWHERE,
            bound: self.snapshot.listeners().find(takes),
            note: None,
        }
    }

    fn own_address(&self) -> IpAddr {
        self.view.addresses.first().copied().unwrap_or(NOWHERE)
    }
}
