//! Ports of the workload itself, for the listener and the clusters that serve them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use mesh_model::config::{CaptureMode, ConnectionPool, DefaultEndpoint, SidecarIngress};
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
    /// How calls arrive.
    pub(crate) arrival: Arrival,
}

/// How calls arrive at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Redirected, whatever address was dialled.
    Anywhere,
    /// Redirected, if this address was dialled; at others the port is closed.
    At(IpAddr),
    /// At a socket of the proxy's own.
    Opened(IpAddr),
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
            arrival: Arrival::Anywhere,
        };
        return by_target.into_iter().map(port).collect();
    }
    let mut ports: BTreeMap<u16, InboundPort<'a>> = BTreeMap::new();
    for ingress in listed {
        let target = ingress.port.number;
        let arrival = arrival(context, ingress);
        // Where the proxy has taken the port at the workload's address the loopback address is left.
        let own = || (matches!(arrival, Arrival::Opened(_))).then(|| (loopback(context), target).into());
        ports.entry(target).or_insert_with(|| InboundPort {
            target,
            protocol: ingress.port.protocol,
            owners: by_target.get(&target).cloned().unwrap_or_default(),
            endpoint: ingress.default_endpoint.clone().or_else(|| own().map(DefaultEndpoint::Loopback)),
            pool: ingress.connection_pool.clone().or_else(|| common.clone()),
            arrival,
        });
    }
    ports.into_values().collect()
}

fn arrival(context: &Context<'_>, ingress: &SidecarIngress) -> Arrival {
    let bind = ingress.bind.as_ref().and_then(|bind| bind.parse::<IpAddr>().ok());
    let own = context.view.addresses.first().copied();
    match (ingress.capture_mode, bind) {
        (CaptureMode::None, bind) => bind.or(own).map_or(Arrival::Anywhere, Arrival::Opened),
        (_, Some(bind)) if !bind.is_unspecified() => Arrival::At(bind),
        _ => Arrival::Anywhere,
    }
}

fn loopback(context: &Context<'_>) -> IpAddr {
    if context.view.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
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
