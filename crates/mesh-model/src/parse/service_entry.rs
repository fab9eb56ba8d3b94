//! ServiceEntry.

use std::collections::BTreeSet;

use istio_api::service_entry as api;
use mesh_types::Protocol;
use serde_json::Value;

use super::{
    at::At,
    gateway::protocol,
    words::{Export, complete_host, dns_label, export_to, optional_port, port, subnet, workload_selector},
    workload::workload_entry,
};
use crate::config::{Allocated, Location, Resolution, ServiceEntry, ServiceEntryPort, WorkloadAddress, WorkloadEntry};

pub(super) fn service_entry(given: &istio_api::ServiceEntry, at: &At<'_>) -> ServiceEntry {
    let resolution = resolution(given.resolution);
    let hosts_at = &at.field("hosts");
    if given.hosts.is_empty() {
        hosts_at.error("there is no host", "name at least one");
    }
    let is_dynamic = resolution == Resolution::Dynamic;
    let hosts = hosts_at.each(&given.hosts, |text, at| {
        let host = complete_host(text, at)?;
        let text = host.as_str();
        if text == "*" {
            at.error("`*` would be every host there is", "name the hosts");
        } else if is_dynamic && !host.is_wildcard() {
            at.error(
                format!("`{text}` is one name, and resolution DYNAMIC_DNS is for names that are not known before"),
                "write `*.` and a domain, or set resolution to DNS",
            );
        } else if host.is_wildcard() && !text.starts_with("*.") {
            at.warn(format!("`{text}` is matched by some proxies as a name, not as many"), "write `*.` and a name");
        }
        Some(host)
    });
    let selector = workload_selector(given.workload_selector.as_ref(), &at.field("workloadSelector"));
    if given.workload_selector.is_some() && !given.endpoints.is_empty() {
        at.field("endpoints").error("endpoints are both listed and selected", "remove endpoints or workloadSelector");
    }
    let addresses = at.field("addresses").each(&given.addresses, |text, at| {
        if text.contains('/') && !matches!(resolution, Resolution::None | Resolution::Static) {
            at.error(
                format!("`{text}` is a network, which has no name to look up"),
                "write single addresses, or set resolution to NONE or STATIC",
            );
        }
        subnet(text, at)
    });
    let ports = ports(given, &at.field("ports"));
    let endpoints = endpoints(given, resolution, &ports, &at.field("endpoints"));
    check_resolution(given, resolution, at);
    check_tcp(given, resolution, &ports, at);
    if is_dynamic {
        check_dynamic(given, &ports, at);
    }
    ServiceEntry {
        hosts,
        addresses,
        ports,
        location: match given.location {
            api::ServiceEntryLocation::MeshExternal => Location::MeshExternal,
            api::ServiceEntryLocation::MeshInternal => Location::MeshInternal,
        },
        resolution,
        endpoints,
        workload_selector: selector,
        export_to: export_to(&given.export_to, Export::Service, &at.field("exportTo")),
        subject_alt_names: given.subject_alt_names.clone(),
        allocated: Vec::new(),
    }
}

/// `status.addresses`, as far as it makes sense: a status is no user's to mend, and what is missing is allocated again.
pub(super) fn allocated(entry: &ServiceEntry, status: &Value) -> Vec<Allocated> {
    let said = status["addresses"].as_array().into_iter().flatten();
    let read = |address: &Value| {
        let host = entry.hosts.iter().find(|host| address["host"] == host.as_str())?;
        Some(Allocated { host: host.clone(), address: address["value"].as_str()?.parse().ok()? })
    };
    said.filter_map(read).collect()
}

fn resolution(resolution: api::ServiceEntryResolution) -> Resolution {
    match resolution {
        api::ServiceEntryResolution::None => Resolution::None,
        api::ServiceEntryResolution::Static => Resolution::Static,
        api::ServiceEntryResolution::Dns => Resolution::Dns,
        api::ServiceEntryResolution::DnsRoundRobin => Resolution::DnsRoundRobin,
        api::ServiceEntryResolution::DynamicDns => Resolution::Dynamic,
    }
}

fn ports(given: &istio_api::ServiceEntry, at: &At<'_>) -> Vec<ServiceEntryPort> {
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    at.each(&given.ports, |p, at| {
        if !names.insert(p.name.clone()) {
            at.field("name").error(format!("there are two ports `{}`", p.name), "give them different names");
        }
        if !numbers.insert(p.number) {
            at.field("number").error(format!("port {} is there twice", p.number), "keep one of the two");
        }
        dns_label(&p.name, "port", &at.field("name"));
        let protocol = protocol(&p.protocol, true, &at.field("protocol"));
        let target_port = optional_port(p.target_port, &at.field("targetPort"));
        Some(ServiceEntryPort {
            number: port(p.number, &at.field("number"))?,
            protocol: protocol?,
            name: p.name.clone(),
            target_port,
        })
    })
}

fn endpoints(
    given: &istio_api::ServiceEntry,
    resolution: Resolution,
    ports: &[ServiceEntryPort],
    at: &At<'_>,
) -> Vec<WorkloadEntry> {
    at.each(&given.endpoints, |endpoint, at| {
        let entry = workload_entry(endpoint, at);
        let address_at = &at.field("address");
        match (&entry.address, resolution) {
            (Some(WorkloadAddress::Name(name)), Resolution::Static) => address_at.error(
                format!("`{name}` is no IP address, and resolution STATIC looks nothing up"),
                "write an IP address, or set resolution to DNS",
            ),
            (Some(WorkloadAddress::Unix(_)), Resolution::Dns | Resolution::DnsRoundRobin) => {
                address_at.error("a unix socket has no name to look up", "set resolution to STATIC");
            }
            (Some(WorkloadAddress::Unix(_)), _) if ports.len() != 1 => {
                address_at.error("a unix socket serves exactly one port", "leave one port in spec.ports");
            }
            _ => {}
        }
        let ports_at = &at.field("ports");
        for name in endpoint.ports.keys().filter(|name| !ports.iter().any(|p| p.name == **name)) {
            ports_at.key(name).error(format!("the service has no port `{name}`"), "use a name of spec.ports");
        }
        Some(entry)
    })
}

fn check_resolution(given: &istio_api::ServiceEntry, resolution: Resolution, at: &At<'_>) {
    let by_name = matches!(resolution, Resolution::Dns | Resolution::DnsRoundRobin);
    let endpoints_at = &at.field("endpoints");
    if resolution == Resolution::None && !given.endpoints.is_empty() {
        endpoints_at.error(
            "with resolution NONE traffic goes where it was dialled, never to endpoints",
            "remove endpoints, or set resolution to STATIC or DNS",
        );
    }
    if given.workload_selector.is_some() && resolution != Resolution::Static {
        at.field("workloadSelector")
            .warn("workloads are selected with resolution STATIC only", "set resolution to STATIC");
    }
    if resolution == Resolution::DnsRoundRobin && given.endpoints.len() > 1 {
        endpoints_at.error("resolution DNS_ROUND_ROBIN has at most one endpoint", "keep one, or set resolution to DNS");
    }
    let hosts_at = &at.field("hosts");
    for (index, host) in given.hosts.iter().enumerate() {
        if by_name && given.endpoints.is_empty() && host.contains('*') {
            hosts_at.index(index).error(
                format!("`{host}` stands for many names, none of which can be looked up"),
                "name the host, add endpoints, or set resolution to NONE",
            );
        }
    }
}

/// DYNAMIC_DNS goes where the caller wants to go: there is nothing to list, and the caller has to name a host.
fn check_dynamic(given: &istio_api::ServiceEntry, ports: &[ServiceEntryPort], at: &At<'_>) {
    if given.location == api::ServiceEntryLocation::MeshInternal {
        at.field("location").error(
            "resolution DYNAMIC_DNS goes to no address inside, so none of its hosts is in the mesh",
            "set location to MESH_EXTERNAL, or name the hosts and set resolution to DNS",
        );
    }
    let there = [
        ("addresses", given.addresses.is_empty()),
        ("endpoints", given.endpoints.is_empty()),
        ("workloadSelector", given.workload_selector.is_none()),
    ];
    for (field, is_empty) in there {
        if !is_empty {
            at.field(field).error(
                "with resolution DYNAMIC_DNS each request or connection names its host",
                format!("remove {field}, or set another resolution"),
            );
        }
    }
    let ports_at = &at.field("ports");
    for (index, port) in ports.iter().enumerate() {
        let at = &ports_at.index(index);
        if !port.protocol.is_http() && !port.protocol.is_tls() {
            at.field("protocol").error(
                format!("{} names no host that could be looked up", port.protocol),
                "write HTTP, HTTP2, GRPC, TLS or HTTPS",
            );
        }
        if port.target_port.is_some_and(|target| target != port.number) {
            at.field("targetPort").error(
                "with resolution DYNAMIC_DNS hosts are dialled at the port that the caller dialled",
                "remove targetPort",
            );
        }
    }
}

/// What plain TCP, which carries no name, cannot tell apart.
fn check_tcp(given: &istio_api::ServiceEntry, resolution: Resolution, ports: &[ServiceEntryPort], at: &At<'_>) {
    let ports_at = &at.field("ports");
    for (index, port) in ports.iter().enumerate() {
        let nameless = !port.protocol.is_http() && !port.protocol.is_tls();
        let at = &ports_at.index(index);
        if nameless && resolution != Resolution::None && given.hosts.len() > 1 {
            at.field("protocol").error(
                format!("with {} nothing tells the hosts apart", port.protocol),
                "write a ServiceEntry for each host",
            );
        }
        if given.addresses.is_empty() && matches!(port.protocol, Protocol::Tcp | Protocol::Auto) {
            at.warn(
                format!("without addresses port {} takes the connections of every host", port.number),
                "add addresses, let proxies capture DNS (ISTIO_META_DNS_CAPTURE), or set the protocol to HTTP or TLS",
            );
        }
    }
}
