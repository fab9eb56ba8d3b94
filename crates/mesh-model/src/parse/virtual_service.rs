//! VirtualService.

use std::{net::IpAddr, sync::Arc};

use mesh_types::Hostname;

use super::{
    at::At,
    http_route, l4_route, unreachable,
    words::{Export, complete_host, dns_label, export_to, host},
};
use crate::config::{GatewayRef, HttpMatch, VirtualService};

/// What the routes of a VirtualService need to know of it.
pub(super) struct Frame<'a> {
    /// As written, and complete.
    pub(super) hosts: Vec<(&'a str, Hostname)>,
    /// It has no hosts.
    pub(super) delegate: bool,
    /// It is for gateways only, none of its routes for sidecars.
    pub(super) gateways_only: bool,
}

pub(super) fn virtual_service(vs: &istio_api::VirtualService, at: &At<'_>) -> VirtualService {
    let delegate = vs.hosts.is_empty();
    let mut gateways = at.field("gateways").each(&vs.gateways, |name, at| gateway(name, at));
    if vs.gateways.is_empty() {
        gateways.push(GatewayRef::Mesh);
    }
    let gateways_only = !gateways.contains(&GatewayRef::Mesh);
    if delegate {
        check_delegate(vs, at);
    }
    let hosts = hosts(vs, gateways_only, &at.field("hosts"));
    if vs.http.is_empty() && vs.tls.is_empty() && vs.tcp.is_empty() {
        at.error("there are no routes", "write http, tls or tcp routes");
    }
    let frame = Frame { hosts, delegate, gateways_only };
    let http_at = &at.field("http");
    let http: Vec<_> = vs
        .http
        .iter()
        .enumerate()
        .filter_map(|(index, route)| http_route::http_route(route, index, &frame, &http_at.index(index)))
        .collect();
    if http.len() == vs.http.len() {
        unreachable::warn(&http, http_at);
    }
    let tls = at.field("tls").each(&vs.tls, |route, at| l4_route::tls_route(route, &frame, at));
    let tcp = at.field("tcp").each(&vs.tcp, l4_route::tcp_route);
    let export_to = export_to(&vs.export_to, Export::Config, &at.field("exportTo"));
    let hosts = frame.hosts.into_iter().map(|(_, host)| host).collect();
    VirtualService { hosts, gateways, http, tls, tcp, export_to }
}

fn check_delegate(vs: &istio_api::VirtualService, at: &At<'_>) {
    let given = [("gateways", vs.gateways.is_empty()), ("tls", vs.tls.is_empty()), ("tcp", vs.tcp.is_empty())];
    for (field, _) in given.iter().filter(|(_, empty)| !empty) {
        at.field(field).error(
            format!("a VirtualService without hosts is a delegate, which has no {field}"),
            format!("add hosts, or leave {field} to the VirtualService that delegates"),
        );
    }
}

fn hosts<'a>(vs: &'a istio_api::VirtualService, gateways_only: bool, at: &At<'_>) -> Vec<(&'a str, Hostname)> {
    let found: Vec<(usize, &str, Hostname)> = vs
        .hosts
        .iter()
        .enumerate()
        .filter_map(|(index, text)| {
            let at = &at.index(index);
            // A gateway is asked for the name as it is written; a sidecar knows services by their complete names.
            let name = if gateways_only { host(text, at)? } else { complete_host(text, at)? };
            if text == "*" && !gateways_only {
                at.error("`*` would take every request of the mesh", "name the hosts, or list gateways without `mesh`");
            }
            Some((index, text.as_str(), name))
        })
        .collect();
    for (nth, (index, text, name)) in found.iter().enumerate() {
        if let Some((_, other, _)) = found.iter().take(nth).find(|(.., earlier)| earlier.overlaps(name)) {
            at.index(*index).error(
                format!("`{text}` and `{other}` overlap"),
                "keep the wider one, or put the hosts into VirtualServices of their own",
            );
        }
    }
    found.into_iter().map(|(_, text, name)| (text, name)).collect()
}

/// `mesh`, `name`, `namespace/name`, or the old form `name.namespace.svc.domain`.
pub(super) fn gateway(text: &str, at: &At<'_>) -> Option<GatewayRef> {
    let of = |namespace: &str, name: &str| {
        Some(GatewayRef::Gateway { namespace: Arc::from(namespace), name: Arc::from(name) })
    };
    if text == "mesh" {
        return Some(GatewayRef::Mesh);
    }
    if let Some((namespace, name)) = text.split_once('/') {
        let good = dns_label(namespace, "namespace", at) && dns_label(name, "Gateway", at);
        return good.then(|| of(namespace, name)).flatten();
    }
    let mut parts = text.split('.');
    match (parts.next(), parts.next()) {
        (Some(name), Some(namespace)) => {
            at.warn(format!("`{text}` is the old way to name a Gateway"), format!("write {namespace}/{name}"));
            host(text, at)?;
            of(namespace, name)
        }
        _ => dns_label(text, "Gateway", at).then(|| of(at.namespace(), text)).flatten(),
    }
}

/// Whether a server name is an address, which TLS does not send.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Whether a match asks nothing at all.
pub(super) fn asks_nothing(m: &HttpMatch) -> bool {
    m.takes_every_request() && m.port.is_none() && m.source == crate::config::SourceMatch::default()
}
