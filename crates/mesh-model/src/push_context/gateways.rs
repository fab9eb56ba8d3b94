//! Which servers a gateway pod opens: those of all Gateways that select it, by port.
//!
//! <https://istio.io/latest/docs/reference/config/networking/gateway/>

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mesh_types::{Hostname, Labels};

use crate::{
    config::{Gateway, GatewayRef, Object, ObjectRef, Server, ServerSort},
    store::Store,
};

/// Every Gateway, oldest first.
#[derive(Debug, Default)]
pub(super) struct Gateways(pub(super) Vec<Arc<Object<Gateway>>>);

/// A port that a gateway pod opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayPort {
    /// An address or the path of a unix socket; absent: every address.
    pub bind: Option<String>,
    /// What the pod listens on.
    pub number: u16,
    /// What the port carries.
    pub sort: ServerSort,
    /// In the order of their Gateways' age; never empty.
    pub servers: Vec<GatewayServer>,
}

/// A server of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayServer {
    /// The Gateway.
    pub gateway: Arc<Object<Gateway>>,
    /// The index in its `spec.servers`.
    pub index: usize,
}

/// A server that a gateway pod does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// The server.
    pub server: GatewayServer,
    /// Whose server was there before.
    pub owner: ObjectRef,
    /// Hosts that both have; empty: the two cannot share a port at all.
    pub hosts: BTreeSet<Hostname>,
}

impl GatewayServer {
    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.gateway.spec.servers[self.index]
    }

    /// Its Gateway as VirtualServices name it.
    pub fn place(&self) -> GatewayRef {
        GatewayRef::to(&self.gateway.meta)
    }

    /// Such as `spec.servers[0]`.
    pub fn path(&self) -> String {
        format!("spec.servers[{}]", self.index)
    }

    fn hosts(&self) -> BTreeSet<Hostname> {
        self.server().hosts.iter().map(|h| h.host.clone()).collect()
    }
}

impl GatewayPort {
    /// G2, G3: takes one more server, or says who keeps it out.
    fn add(&mut self, server: GatewayServer) -> Option<Unserved> {
        let owner = |other: &GatewayServer| other.gateway.meta.object();
        let first = owner(&self.servers[0]);
        if server.server().sort() != self.sort || self.sort == ServerSort::Bytes {
            return Some(Unserved { server, owner: first, hosts: BTreeSet::new() });
        }
        if self.sort == ServerSort::Tls {
            let wanted = server.hosts();
            let taken = |other: &&GatewayServer| !other.hosts().is_disjoint(&wanted);
            if let Some(other) = self.servers.iter().find(taken) {
                let hosts = other.hosts().intersection(&wanted).cloned().collect();
                return Some(Unserved { owner: owner(other), hosts, server });
            }
        }
        self.servers.push(server);
        None
    }
}

impl Gateways {
    pub(super) fn build(store: &Store) -> Self {
        Self(store.gateways())
    }

    /// Those that are for a gateway pod.
    pub(super) fn of<'a>(
        &'a self,
        namespace: &'a str,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'a Arc<Object<Gateway>>> {
        self.0.iter().filter(move |g| g.spec.chooses(&g.meta.namespace, namespace, labels))
    }

    /// G1: by address and port; what comes first by age stays.
    pub(super) fn ports(
        &self,
        namespace: &str,
        labels: &Labels,
        resolve: impl Fn(u16) -> Vec<u16>,
    ) -> (Vec<GatewayPort>, Vec<Unserved>) {
        let mut ports: BTreeMap<(u16, Option<String>), GatewayPort> = BTreeMap::new();
        let mut unserved = Vec::new();
        for gateway in self.of(namespace, labels) {
            for (index, server) in gateway.spec.servers.iter().enumerate() {
                for number in resolve(server.port.number) {
                    let ours = GatewayServer { gateway: Arc::clone(gateway), index };
                    let bind = server.bind.clone();
                    match ports.get_mut(&(number, bind.clone())) {
                        Some(port) => unserved.extend(port.add(ours)),
                        None => {
                            let port =
                                GatewayPort { bind: bind.clone(), number, sort: server.sort(), servers: vec![ours] };
                            ports.insert((number, bind), port);
                        }
                    }
                }
            }
        }
        (ports.into_values().collect(), unserved)
    }
}
