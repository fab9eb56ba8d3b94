//! The load balancer of the cluster: gives addresses to Services of type LoadBalancer, and leads them to a node.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
};

use k8s_openapi::api::{
    core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service},
    discovery::v1::EndpointSlice,
};

use super::{
    command::ip,
    topology::{Network, OUTSIDE_ADDRESS},
};
use crate::{api::Part, client::Client, status::Status};

/// The third byte range that addresses come from: 172.18.255.1 and up.
const FIRST: [u8; 3] = [172, 18, 255];

/// True for a service that this load balancer looks after; a class names another one.
pub(super) fn is_ours(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|s| s.type_.as_deref() == Some("LoadBalancer") && s.load_balancer_class.is_none())
        && service.metadata.deletion_timestamp.is_none()
}

/// The load balancer addresses of a service.
pub(super) fn addresses(service: &Service) -> Vec<Ipv4Addr> {
    let balancer = service.status.as_ref().and_then(|s| s.load_balancer.as_ref());
    let ingress = balancer.and_then(|b| b.ingress.as_deref()).unwrap_or_default();
    ingress.iter().filter_map(|i| i.ip.as_deref()?.parse().ok()).collect()
}

/// What each service's address should become: an address for one that has none, none for one that must not have any.
/// Services that are as they should be are not told of. The second list are services that no address is left for.
pub(super) fn plan(services: &[Service]) -> (Vec<(&Service, Option<Ipv4Addr>)>, Vec<&Service>) {
    let mut taken: BTreeSet<Ipv4Addr> = services.iter().filter(|s| is_ours(s)).flat_map(addresses).collect();
    let (mut changes, mut poor) = (Vec::new(), Vec::new());
    for service in services {
        match (is_ours(service), addresses(service).is_empty()) {
            (true, true) => match choose(service, &taken) {
                Some(address) => {
                    taken.insert(address);
                    changes.push((service, Some(address)));
                }
                None => poor.push(service),
            },
            (false, false) if is_plain(service) => changes.push((service, None)),
            _ => {}
        }
    }
    (changes, poor)
}

/// `loadBalancerIP` when it is asked for, else the lowest that is free.
fn choose(service: &Service, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let all = (1..=254).map(|last| Ipv4Addr::new(FIRST[0], FIRST[1], FIRST[2], last));
    let wish = service.spec.as_ref().and_then(|s| s.load_balancer_ip.as_deref()).filter(|w| !w.is_empty());
    match wish {
        Some(wish) => all.into_iter().find(|a| a.to_string() == wish && !taken.contains(a)),
        None => all.into_iter().find(|a| !taken.contains(a)),
    }
}

/// True for a service that is no load balancer of anybody's.
fn is_plain(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|s| s.type_.as_deref() != Some("LoadBalancer"))
}

/// Writes what [`plan`] says.
pub(super) async fn assign(client: &Client, services: &[Service]) -> Result<(), Status> {
    let (changes, poor) = plan(services);
    for (service, address) in changes {
        let meta = &service.metadata;
        let (namespace, name) =
            (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
        let ingress = address.map(|a| {
            vec![LoadBalancerIngress {
                ip: Some(a.to_string()),
                ip_mode: Some("VIP".to_owned()),
                ..LoadBalancerIngress::default()
            }]
        });
        let write = |s: &mut Service| {
            s.status.get_or_insert_default().load_balancer = Some(LoadBalancerStatus { ingress: ingress.clone() });
            true
        };
        client.modify::<Service>(namespace, name, Part::Status, write).await?;
    }
    for service in poor {
        let text = "No load balancer address: the wanted one is taken or not in 172.18.255.1-254, or all are in use";
        client.event(service, "Warning", "SyncLoadBalancerFailed", text).await;
    }
    Ok(())
}

/// The node by which callers from beyond the cluster enter: with policy Local one that has a ready endpoint, else the
/// first of the cluster.
pub(super) fn entry_node<'a>(service: &Service, slices: &'a [EndpointSlice], first: &'a str) -> &'a str {
    let is_local = service.spec.as_ref().and_then(|s| s.external_traffic_policy.as_deref()) == Some("Local");
    if !is_local {
        return first;
    }
    let meta = &service.metadata;
    let is_of_service = |s: &&EndpointSlice| {
        s.metadata.namespace == meta.namespace
            && s.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/service-name")) == meta.name.as_ref()
    };
    let ready = slices
        .iter()
        .filter(is_of_service)
        .flat_map(|s| &s.endpoints)
        .filter(|e| e.conditions.as_ref().and_then(|c| c.ready) != Some(false));
    ready.filter_map(|e| e.node_name.as_deref()).min().unwrap_or(first)
}

/// Routes of load balancer addresses in the outside that differ from the default.
#[derive(Debug, Default)]
pub(super) struct Routes(BTreeMap<Ipv4Addr, String>);

impl Routes {
    /// Makes the routes lead to these nodes; addresses not named lead to the first node again. Waits for a program.
    pub(super) fn set(&mut self, network: &Network, wanted: BTreeMap<Ipv4Addr, String>) -> io::Result<()> {
        let mut commands = String::new();
        for address in self.0.keys().filter(|a| !wanted.contains_key(a)) {
            commands += &format!("route del {address}\n");
        }
        for (address, node) in wanted.iter().filter(|(a, node)| self.0.get(a) != Some(node)) {
            if let Some(place) = network.node(node) {
                commands +=
                    &format!("route replace {address} via {} dev {node} onlink src {OUTSIDE_ADDRESS}\n", place.ip);
            }
        }
        if !commands.is_empty() {
            ip(network.outside(), &commands)?;
        }
        self.0 = wanted;
        Ok(())
    }
}
