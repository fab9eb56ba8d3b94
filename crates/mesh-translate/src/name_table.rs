//! The names that a proxy answers by itself where its workload's DNS questions are led to it.
//!
//! <https://istio.io/latest/docs/ops/configuration/traffic-management/dns-proxy/>

use std::net::IpAddr;

use mesh_model::{
    push_context::PushContext,
    registry::{Health, Service},
};
use mesh_proto::nds::{NameInfo, NameTable};
use rustc_hash::FxHashSet;

use crate::{built::Built, context::Context, view::ProxyView};

/// Name of the one resource.
pub const NAME: &str = "names";

/// The table of a proxy: every service that it sees and that has addresses. One resource.
///
/// Short names of Kubernetes Services are not in it: whoever answers makes them of `shortname` and `namespace`.
pub fn name_tables(view: &ProxyView, push: &PushContext) -> Vec<Built> {
    vec![Built::name_table(NAME, &message(&Context::new(view, push)))]
}

pub(crate) fn message(context: &Context<'_>) -> NameTable {
    let mut names = NameTable::default();
    for service in &context.scope.services {
        if service.is_headless() {
            add_pods(context, &mut names, service);
        } else {
            add(&mut names, service.host.as_str(), service, context.vips(service));
        }
    }
    names
}

/// A Service's word about its name holds; several ServiceEntries' addresses are all told.
fn add(names: &mut NameTable, name: &str, service: &Service, addresses: Vec<IpAddr>) {
    if addresses.is_empty() {
        return;
    }
    let ips = addresses.iter().map(ToString::to_string);
    match names.table.get_mut(name) {
        Some(known) if known.registry == KUBERNETES => {}
        Some(known) if !service.is_kubernetes() => {
            let seen: FxHashSet<String> = known.ips.iter().cloned().collect();
            known.ips.extend(ips.filter(|ip| !seen.contains(ip)));
        }
        _ => drop(names.table.insert(name.to_owned(), info(service, ips.collect()))),
    }
}

const KUBERNETES: &str = "Kubernetes";

fn info(service: &Service, ips: Vec<String>) -> NameInfo {
    let (registry, shortname, namespace) = if service.is_kubernetes() {
        (KUBERNETES, service.name.clone(), service.namespace.clone())
    } else {
        ("External", String::new(), String::new())
    };
    NameInfo { ips, registry: registry.to_owned(), shortname, namespace }
}

/// A headless Service is its pods, and each pod that has a host name is known by that.
fn add_pods(context: &Context<'_>, names: &mut NameTable, service: &Service) {
    let Some(port) = service.ports.first() else { return };
    let mut endpoints = context.push.endpoints(service, port);
    endpoints.retain(|e| e.health == Health::Ready || service.publish_not_ready && e.health == Health::Unready);
    let addresses = endpoints.iter().filter_map(|e| e.address.ip()).collect();
    add(names, service.host.as_str(), service, addresses);
    for endpoint in &endpoints {
        if let (Some(hostname), Some(ip)) = (&endpoint.hostname, endpoint.address.ip()) {
            let mut pod = info(service, vec![ip.to_string()]);
            pod.shortname = format!("{hostname}.{}", service.name);
            names.table.entry(format!("{hostname}.{}", service.host)).or_insert(pod);
        }
    }
}
