//! Gateways and VirtualServices that do not find each other, and Gateways in each other's way.

use std::collections::BTreeSet;

use mesh_types::Labels;

use super::{super::PushContext, list, warn};
use crate::{
    config::{Config, Gateway, GatewayRef, Kind, Object, ServerSort, VirtualService},
    issue::Issue,
    registry::{Service, TargetPort},
};

pub(super) fn find(push: &PushContext, found: &mut Vec<Issue>) {
    select_nothing(push, found);
    for (_, object) in push.routes.all() {
        missing_gateways(push, object, found);
        missing_hosts(push, object, found);
    }
    conflicts(push, found);
}

fn gateway<'a>(push: &'a PushContext, place: &GatewayRef) -> Option<&'a Object<Gateway>> {
    let GatewayRef::Gateway { namespace, name } = place else { return None };
    match push.store.configs.get(&(Kind::Gateway, format!("{namespace}/{name}").into()))? {
        Config::Gateway(gateway) => Some(gateway),
        _ => None,
    }
}

fn select_nothing(push: &PushContext, found: &mut Vec<Issue>) {
    for gateway in &push.gateways.0 {
        let chosen = push
            .store
            .workloads
            .values()
            .any(|w| gateway.spec.chooses(&gateway.meta.namespace, &w.namespace, &w.labels));
        if !chosen {
            let words = gateway.spec.selector.0.iter().map(|(key, value)| format!("{key}: {value}"));
            found.push(warn(
                &gateway.meta,
                "spec.selector",
                format!("no pod has {}; the Gateway opens no port", list(words)),
                "correct the labels, or install a gateway whose pods have them".to_owned(),
            ));
        }
    }
}

fn missing_gateways(push: &PushContext, object: &Object<VirtualService>, found: &mut Vec<Issue>) {
    for (index, place) in object.spec.gateways.iter().enumerate() {
        if *place != GatewayRef::Mesh && gateway(push, place).is_none() {
            found.push(warn(
                &object.meta,
                &format!("spec.gateways[{index}]"),
                format!("there is no Gateway `{place}`; the routes do nothing there"),
                "correct the name, write NAMESPACE/NAME for one of another namespace, or add the Gateway".to_owned(),
            ));
        }
    }
}

/// G4: hosts that none of the Gateways has, and Gateways that have none of the hosts.
fn missing_hosts(push: &PushContext, object: &Object<VirtualService>, found: &mut Vec<Issue>) {
    let (meta, spec) = (&object.meta, &object.spec);
    let known: Vec<_> = spec.gateways.iter().map(|place| gateway(push, place)).collect();
    let has = |gateway: &Object<Gateway>, hosts: &[_]| {
        gateway.spec.servers.iter().any(|server| !server.hosts_for(&meta.namespace, hosts).is_empty())
    };
    let way_out =
        || "add the host to a server, or correct one of the two; `ns/` before a server's host limits it".to_owned();
    for (index, gateway) in known.iter().enumerate() {
        if let Some(gateway) = gateway.filter(|gateway| !has(gateway, &spec.hosts)) {
            let reason =
                format!("no server of {} has any of the hosts; the routes do nothing there", gateway.meta.object());
            found.push(warn(meta, &format!("spec.gateways[{index}]"), reason, way_out()));
        }
    }
    if spec.binds_mesh() || known.iter().any(Option::is_none) {
        return;
    }
    for (index, host) in spec.hosts.iter().enumerate() {
        if !known.iter().flatten().any(|gateway| has(gateway, std::slice::from_ref(host))) {
            let reason = format!("no server of the Gateways has `{host}`; requests for it get 404 (NR)");
            found.push(warn(meta, &format!("spec.hosts[{index}]"), reason, way_out()));
        }
    }
}

/// G2, G3, as the gateway pods that run see it.
fn conflicts(push: &PushContext, found: &mut Vec<Issue>) {
    let workloads = push.store.workloads.values();
    let pods: BTreeSet<(&str, &Labels)> = workloads
        .filter(|w| push.gateways.of(&w.namespace, &w.labels).next().is_some())
        .map(|w| (w.namespace.as_str(), &w.labels))
        .collect();
    for (namespace, labels) in pods {
        let near: Vec<&Service> =
            push.services().iter().map(AsRef::as_ref).filter(|s| s.namespace == namespace).collect();
        let (_, unserved) = push.gateway_ports(namespace, labels, |port| targets(&near, labels, port));
        for lost in unserved {
            let (server, path, port) = (&lost.server, lost.server.path(), lost.server.server().port.number);
            let owner = &lost.owner;
            let issue = if lost.hosts.is_empty() {
                let word = match server.server().sort() {
                    ServerSort::Http => "HTTP",
                    ServerSort::Tls => "TLS",
                    ServerSort::Bytes => "bytes",
                };
                let reason =
                    format!("the older {owner} has port {port} of the same pods, which cannot carry {word} too");
                warn(&server.gateway.meta, &format!("{path}.port"), reason, "use another port".to_owned())
            } else {
                let hosts = list(lost.hosts.iter().map(ToString::to_string));
                let reason =
                    format!("the older {owner} has {hosts} on port {port} of the same pods; this server is ignored");
                warn(
                    &server.gateway.meta,
                    &format!("{path}.hosts"),
                    reason,
                    "name each TLS host in one server".to_owned(),
                )
            };
            found.push(issue);
        }
    }
}

/// What pods with these labels listen on for a port of their Services.
fn targets(near: &[&Service], labels: &Labels, port: u16) -> Vec<u16> {
    let ours = near.iter().filter(|s| !s.selector.is_empty() && s.selector.selects(labels));
    let numbers = ours.filter_map(|s| match s.port(port)?.target {
        TargetPort::Number(number) => Some(number),
        TargetPort::Name(_) => None,
    });
    let numbers: BTreeSet<u16> = numbers.collect();
    if numbers.is_empty() { vec![port] } else { numbers.into_iter().collect() }
}
