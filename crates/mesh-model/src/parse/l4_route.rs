//! Routes of connections: TLS by server name, and opaque bytes.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use istio_api::virtual_service as api;
use mesh_types::Hostname;

use super::{
    at::At,
    virtual_service::{Frame, gateway, is_address},
    words::{destination, dns_label, host, labels, optional_port, subnet},
};
use crate::config::{L4Match, SourceMatch, TcpRoute, TlsMatch, TlsRoute, WeightedDestination};

pub(super) fn tls_route(route: &api::TlsRoute, frame: &Frame<'_>, at: &At<'_>) -> Option<TlsRoute> {
    if route.r#match.is_empty() {
        at.field("match").error("a TLS route needs a match", "add a match with sniHosts");
    }
    let matches = at.field("match").each(&route.r#match, |m, at| Some(tls_match(m, frame, at)));
    Some(TlsRoute { matches, route: destinations(&route.route, at) })
}

fn tls_match(given: &api::TlsMatchAttributes, frame: &Frame<'_>, at: &At<'_>) -> TlsMatch {
    let sni_at = &at.field("sniHosts");
    if given.sni_hosts.is_empty() {
        sni_at.error("a TLS match needs a server name", "add sniHosts");
    }
    let sni_hosts = sni_at.each(&given.sni_hosts, |name, at| sni(name, frame, at));
    let source = source(&given.source_labels, &given.source_namespace, &given.gateways, at);
    TlsMatch { sni_hosts, l4: l4_match(&given.destination_subnets, given.port, source, at) }
}

fn sni(text: &str, frame: &Frame<'_>, at: &At<'_>) -> Option<Hostname> {
    if is_address(text) {
        at.warn("TLS does not carry addresses as server names, most clients never send one", "write a DNS name");
    }
    let name = host(text, at)?;
    let written = |raw: &str| Hostname::parse(raw).is_ok_and(|raw| raw.contains(&name));
    if !frame.hosts.iter().any(|(raw, complete)| complete.contains(&name) || written(raw)) {
        let hosts: Vec<&str> = frame.hosts.iter().map(|(raw, _)| *raw).collect();
        at.error(
            format!("`{text}` is not among the hosts of the VirtualService ({})", hosts.join(", ")),
            "add it to spec.hosts, or correct it",
        );
    }
    Some(name)
}

pub(super) fn tcp_route(route: &api::TcpRoute, at: &At<'_>) -> Option<TcpRoute> {
    let matches = at.field("match").each(&route.r#match, |given, at| {
        let source = source(&given.source_labels, &given.source_namespace, &given.gateways, at);
        Some(l4_match(&given.destination_subnets, given.port, source, at))
    });
    Some(TcpRoute { matches, route: destinations(&route.route, at) })
}

fn l4_match(subnets: &[String], port: u32, source: SourceMatch, at: &At<'_>) -> L4Match {
    let destination_subnets = at.field("destinationSubnets").each(subnets, |text, at| subnet(text, at));
    L4Match { destination_subnets, port: optional_port(port, &at.field("port")), source }
}

/// Who asks.
pub(super) fn source(
    given: &BTreeMap<String, String>,
    namespace: &str,
    gateways: &[String],
    at: &At<'_>,
) -> SourceMatch {
    let labels = labels(given, &at.field("sourceLabels"));
    let known = namespace.is_empty() || dns_label(namespace, "namespace", &at.field("sourceNamespace"));
    SourceMatch {
        labels,
        namespace: (known && !namespace.is_empty()).then(|| Arc::from(namespace)),
        gateways: at.field("gateways").each(gateways, |name, at| gateway(name, at)),
    }
}

fn destinations(given: &[api::RouteDestination], at: &At<'_>) -> Vec<WeightedDestination> {
    let at = &at.field("route");
    if given.is_empty() {
        at.error("the route leads nowhere", "add a destination");
    }
    let weights = weights(given.iter().map(|d| d.weight), at);
    at.each(given, |d, at| destination(d.destination.as_ref(), &at.field("destination")))
        .into_iter()
        .zip(weights)
        .filter_map(|(destination, weight)| Some(WeightedDestination { destination, weight: weight? }))
        .collect()
}

/// The parts of a sum: nothing for a destination that gets nothing, 1 for one that stands alone.
pub(super) fn weights(given: impl ExactSizeIterator<Item = i32>, at: &At<'_>) -> Vec<Option<NonZeroU32>> {
    let alone = given.len() == 1;
    let mut sum: u64 = 0;
    let weights: Vec<_> = given
        .enumerate()
        .map(|(index, weight)| {
            let Ok(part) = u32::try_from(weight) else {
                at.index(index).field("weight").error(format!("{weight} is no share"), "write 0 or more");
                return None;
            };
            sum += u64::from(part);
            if alone { Some(NonZeroU32::MIN) } else { NonZeroU32::new(part) }
        })
        .collect();
    if !alone && !weights.is_empty() && sum == 0 {
        at.error("the weights sum to 0, so no destination gets anything", "give at least one destination a weight");
    }
    if sum > u64::from(u32::MAX) {
        at.error(format!("the weights sum to {sum}, which is too much"), "make them smaller in proportion");
    }
    weights
}
