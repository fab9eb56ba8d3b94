//! WorkloadEntry and WorkloadGroup.

use std::{collections::BTreeMap, net::IpAddr, num::NonZeroU32, time::Duration};

use istio_api::workload_group as api;
use mesh_types::Locality;

use super::{
    at::At,
    gateway::UNIX,
    headers::header_name,
    words::{dns_label, host, labels, port, said, unix_path},
};
use crate::config::{ProbeAction, WorkloadAddress, WorkloadEntry, WorkloadGroup, WorkloadProbe};

pub(super) fn workload_entry(given: &istio_api::WorkloadEntry, at: &At<'_>) -> WorkloadEntry {
    if given.address.is_empty() {
        if given.network.is_empty() {
            at.field("address")
                .error("the workload has no address", "set address, or the network it is reached through");
        } else {
            let network = &given.network;
            at.field("address").warn(
                format!("without an address it is reached through a gateway of network `{network}` only"),
                "set address if it has one",
            );
        }
    }
    template(given, at)
}

/// A workload whose address may be missing.
fn template(given: &istio_api::WorkloadEntry, at: &At<'_>) -> WorkloadEntry {
    let address = address(&given.address, &at.field("address"));
    let ports_at = &at.field("ports");
    if matches!(address, Some(WorkloadAddress::Unix(_))) && !given.ports.is_empty() {
        ports_at.error("a unix socket has no ports", "remove ports, or write an IP address");
    }
    let ports: BTreeMap<_, _> = given
        .ports
        .iter()
        .filter_map(|(name, number)| {
            let at = &ports_at.key(name);
            dns_label(name, "port", at);
            Some((name.clone(), port(*number, at)?))
        })
        .collect();
    WorkloadEntry {
        address,
        ports,
        labels: labels(&given.labels, &at.field("labels")),
        network: given.network.clone(),
        locality: Locality::parse(&given.locality),
        weight: NonZeroU32::new(given.weight),
        service_account: said(&given.service_account),
    }
}

fn address(text: &str, at: &At<'_>) -> Option<WorkloadAddress> {
    if text.is_empty() {
        return None;
    }
    if let Some(path) = text.strip_prefix(UNIX) {
        return unix_path(path, at).map(WorkloadAddress::Unix);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(WorkloadAddress::Ip(ip));
    }
    let name = host(text, at)?;
    if name.is_wildcard() {
        at.error(format!("`{text}` is the name of many"), "write one name, or an IP address");
    }
    Some(WorkloadAddress::Name(name))
}

pub(super) fn workload_group(given: &istio_api::WorkloadGroup, at: &At<'_>) -> Option<WorkloadGroup> {
    let metadata = given.metadata.clone().unwrap_or_default();
    let labels = labels(&metadata.labels, &at.field("metadata").field("labels"));
    let probe = given.probe.as_ref().and_then(|p| probe(p, &at.field("probe")));
    let Some(entry) = &given.template else {
        at.field("template").error("the group has no template", "add one, {} if there is nothing to say");
        return None;
    };
    Some(WorkloadGroup {
        labels,
        annotations: metadata.annotations,
        template: template(entry, &at.field("template")),
        probe,
    })
}

fn probe(given: &api::ReadinessProbe, at: &At<'_>) -> Option<WorkloadProbe> {
    let number = |value: i32, default: u32, field| match u32::try_from(value) {
        Ok(0) => default,
        Ok(number) => number,
        Err(_) => {
            at.field(field).error(format!("{value} is below 0"), "write 0 for the default, or more");
            default
        }
    };
    let seconds = |value, default, field| Duration::from_secs(number(value, default, field).into());
    let probe = WorkloadProbe {
        initial_delay: seconds(given.initial_delay_seconds, 0, "initialDelaySeconds"),
        timeout: seconds(given.timeout_seconds, 1, "timeoutSeconds"),
        period: seconds(given.period_seconds, 10, "periodSeconds"),
        success_threshold: number(given.success_threshold, 1, "successThreshold"),
        failure_threshold: number(given.failure_threshold, 3, "failureThreshold"),
        action: ProbeAction::Exec { command: Vec::new() },
    };
    let set = [given.http_get.is_some(), given.tcp_socket.is_some(), given.exec.is_some(), given.grpc.is_some()];
    if set.iter().filter(|s| **s).count() != 1 {
        at.error("a probe does exactly one thing", "set one of httpGet, tcpSocket, exec and grpc");
    }
    let http = || given.http_get.as_ref().and_then(|h| http_probe(h, &at.field("httpGet")));
    let tcp = || {
        let tcp = given.tcp_socket.as_ref()?;
        let port = port(tcp.port, &at.field("tcpSocket").field("port"))?;
        Some(ProbeAction::Tcp { port, host: said(&tcp.host) })
    };
    let exec = || {
        let exec = given.exec.as_ref()?;
        if exec.command.is_empty() {
            at.field("exec").field("command").error("there is no command", "write a program and its arguments");
        }
        Some(ProbeAction::Exec { command: exec.command.clone() })
    };
    let grpc = || {
        let grpc = given.grpc.as_ref()?;
        let port = port(grpc.port, &at.field("grpc").field("port"))?;
        Some(ProbeAction::Grpc { port, service: grpc.service.clone() })
    };
    let action = http().or_else(tcp).or_else(exec).or_else(grpc)?;
    Some(WorkloadProbe { action, ..probe })
}

fn http_probe(given: &api::HttpHealthCheck, at: &At<'_>) -> Option<ProbeAction> {
    if !["", "HTTP", "HTTPS"].contains(&given.scheme.as_str()) {
        at.field("scheme").error(format!("`{}` is no scheme of a probe", given.scheme), "write HTTP or HTTPS");
    }
    let headers_at = &at.field("httpHeaders");
    for (index, header) in given.http_headers.iter().enumerate() {
        header_name(&header.name, &headers_at.index(index).field("name"));
    }
    Some(ProbeAction::Http {
        path: given.path.clone(),
        port: port(given.port, &at.field("port"))?,
        host: said(&given.host),
        scheme: given.scheme.to_ascii_lowercase(),
        headers: given.http_headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect(),
    })
}
