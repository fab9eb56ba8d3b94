//! Ports of the workload itself, for the listener and the clusters that serve them.

use std::collections::BTreeMap;

use mesh_model::config::{ConnectionPool, DefaultEndpoint};
use mesh_types::Protocol;

use crate::{context::Context, view::OwnPort};

/// A port that the workload serves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InboundPort<'a> {
    /// What callers dial.
    pub(crate) target: u16,
    /// What it speaks.
    pub(crate) protocol: Protocol,
    /// Services that lead here, oldest first; none where only a Sidecar names the port.
    pub(crate) owners: Vec<&'a OwnPort>,
    /// Where the application listens, if not at the address that was dialled.
    pub(crate) endpoint: Option<DefaultEndpoint>,
    /// Limits that a Sidecar sets for this port.
    pub(crate) pool: Option<ConnectionPool>,
}

/// Ports in ascending order. S8: a Sidecar that lists ports lists all of them; P1: of several services on one port the
/// oldest decides what it speaks.
pub(crate) fn ports<'a>(context: &Context<'a>) -> Vec<InboundPort<'a>> {
    let mut by_target: BTreeMap<u16, Vec<&OwnPort>> = BTreeMap::new();
    for own in context.view.own.iter().filter(|own| own.port.protocol != Protocol::Udp) {
        by_target.entry(own.target).or_default().push(own);
    }
    let sidecar = context.scope.sidecar.as_ref().map(|s| &s.spec);
    let common = sidecar.and_then(|s| s.inbound_connection_pool.clone());
    let listed = sidecar.map(|s| s.ingress.as_slice()).unwrap_or_default();
    if listed.is_empty() {
        let port = |(target, owners): (u16, Vec<&'a OwnPort>)| InboundPort {
            target,
            protocol: owners[0].port.protocol,
            owners,
            endpoint: None,
            pool: common.clone(),
        };
        return by_target.into_iter().map(port).collect();
    }
    let mut ports: BTreeMap<u16, InboundPort<'a>> = BTreeMap::new();
    for ingress in listed {
        let target = ingress.port.number;
        ports.entry(target).or_insert_with(|| InboundPort {
            target,
            protocol: ingress.port.protocol,
            owners: by_target.get(&target).cloned().unwrap_or_default(),
            endpoint: ingress.default_endpoint.clone(),
            pool: ingress.connection_pool.clone().or_else(|| common.clone()),
        });
    }
    ports.into_values().collect()
}

impl InboundPort<'_> {
    /// The service's port, or the port itself where no service leads here.
    pub(crate) fn service_port(&self) -> u16 {
        self.owners.first().map_or(self.target, |own| own.port.number)
    }

    /// The service's host, or nothing where no service leads here.
    pub(crate) fn host(&self) -> &str {
        self.owners.first().map_or("", |own| own.host.as_str())
    }
}
