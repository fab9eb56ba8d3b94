//! The service proxy: kube-proxy's iptables mode, in each node's namespace.
//!
//! Any change of a Service or EndpointSlice leads to a new set of rules, made from all of them by a pure function
//! ([`rules::rules`]); what differs from the last set goes to each node in one `iptables-restore`.

mod ports;
mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::Duration,
};

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};

use self::{
    ports::{ServicePort, service_ports},
    rules::{BASE, Rules, rules, transition},
};
use super::{
    changes::Changes,
    command::{forget_udp, iptables_restore},
    netns::NetNs,
    topology::Network,
};
use crate::{client::Client, status::Status};

/// How long after a failure the next try comes.
const RETRY: Duration = Duration::from_secs(1);

/// Where UDP goes: from each address of a service to the addresses of its endpoints.
type UdpTargets = BTreeMap<String, BTreeSet<String>>;

/// One node's rules as they were last written.
struct NodeProxy {
    name: String,
    netns: NetNs,
    written: Rules,
    udp: UdpTargets,
}

/// Keeps the service rules of all nodes up to date until the cluster ends or the task is aborted.
pub async fn start(client: Client, network: &Network) -> io::Result<JoinHandle<()>> {
    let places: Vec<(String, NetNs)> = network.nodes().map(|(n, place)| (n.to_owned(), place.netns.clone())).collect();
    let nodes = spawn_blocking(move || {
        let base = |(name, netns): (String, NetNs)| {
            iptables_restore(&netns, BASE)?;
            Ok(NodeProxy { name, netns, written: Rules::default(), udp: UdpTargets::new() })
        };
        places.into_iter().map(base).collect::<io::Result<Vec<_>>>()
    });
    let nodes = nodes.await.map_err(io::Error::other)??;
    Ok(tokio::spawn(async move {
        if let Err(error) = keep(client, nodes).await {
            tracing::error!(%error, "the service proxy stopped");
        }
    }))
}

async fn keep(client: Client, mut nodes: Vec<NodeProxy>) -> Result<(), Status> {
    let mut changes = Changes::new(&client);
    loop {
        changes.next().await;
        loop {
            let ports = service_ports(&client.list::<Service>(None)?, &client.list::<EndpointSlice>(None)?);
            let (back, done) = sync(nodes, ports).await?;
            nodes = back;
            let Err(error) = done else { break };
            tracing::warn!(%error, "service rules not written; trying again");
            sleep(RETRY).await;
        }
    }
}

/// Writes the rules of every node, from a thread that may wait for programs.
async fn sync(mut nodes: Vec<NodeProxy>, ports: Vec<ServicePort>) -> Result<(Vec<NodeProxy>, io::Result<()>), Status> {
    let written = spawn_blocking(move || {
        let done = nodes.iter_mut().try_for_each(|node| node.sync(&ports));
        (nodes, done)
    });
    written.await.map_err(|e| Status::internal(e.to_string()))
}

impl NodeProxy {
    fn sync(&mut self, ports: &[ServicePort]) -> io::Result<()> {
        let next = rules(ports, &self.name);
        if let Some(text) = transition(&self.written, &next) {
            iptables_restore(&self.netns, &text)
                .map_err(|e| io::Error::other(format!("service rules of node {}: {e}", self.name)))?;
            self.written = next;
        }
        let udp = udp_targets(ports);
        for (service, endpoint) in stale(&self.udp, &udp) {
            if let Err(error) = forget_udp(&self.netns, &service, endpoint.as_deref()) {
                tracing::debug!(%error, service, "UDP connections not forgotten");
            }
        }
        self.udp = udp;
        Ok(())
    }
}

fn udp_targets(ports: &[ServicePort]) -> UdpTargets {
    let mut targets = UdpTargets::new();
    for port in ports.iter().filter(|p| p.protocol == "udp") {
        let endpoints: Vec<String> = port.everywhere().iter().map(|e| e.ip.to_string()).collect();
        for ip in std::iter::once(&port.cluster_ip).chain(&port.external_ips).chain(&port.lb_ips) {
            targets.entry(ip.to_string()).or_default().extend(endpoints.iter().cloned());
        }
    }
    targets
}

/// Connections to forget: those to an endpoint that is gone, and all of a service that had no endpoint before (its
/// callers are remembered without a translation).
fn stale(before: &UdpTargets, after: &UdpTargets) -> Vec<(String, Option<String>)> {
    let none = BTreeSet::new();
    let services: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut found = Vec::new();
    for service in services {
        let (old, new) = (before.get(service).unwrap_or(&none), after.get(service).unwrap_or(&none));
        if old.is_empty() && !new.is_empty() {
            found.push((service.clone(), None));
        }
        found.extend(old.difference(new).map(|endpoint| (service.clone(), Some(endpoint.clone()))));
    }
    found
}

#[cfg(test)]
mod tests;
