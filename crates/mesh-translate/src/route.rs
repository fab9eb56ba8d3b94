//! Route tables: which request goes to which cluster.
//!
//! ```text
//!   9080                          virtual hosts of every HTTP service with that port, then allow_any or block_all
//!   reviews...local:9080          the one virtual host of a service whose protocol is found out
//!   inbound|9080||                one virtual host for everything; inline in the listener
//!   http.8080                     of a gateway: virtual hosts of all its plaintext servers of that port
//!   https.443.https.gw.default    of a gateway: virtual hosts of one server that ends TLS
//! ```

mod action;
mod fault;
mod gateway;
mod headers;
mod http;
mod inbound;
mod matching;
mod retry;
mod vhosts;

use mesh_model::{
    config::Destination,
    push_context::PushContext,
    registry::{Resolution, Service},
};
use mesh_types::Hostname;

pub(crate) use inbound::{inbound, inbound_passthrough};

use crate::{
    built::Built,
    context::Context,
    names::{self, RouteTable},
    pb::route::RouteConfiguration,
    view::ProxyView,
    wire::flag,
};

/// The route tables of these names, in this order; a name that means nothing gets a table without virtual hosts.
pub fn routes<S: AsRef<str>>(view: &ProxyView, push: &PushContext, names: &[S]) -> Vec<Built> {
    let context = Context::new(view, push);
    names.iter().map(|name| Built::routes(&message(&context, name.as_ref()))).collect()
}

pub(crate) fn message(context: &Context<'_>, name: &str) -> RouteConfiguration {
    let virtual_hosts = match context.is_gateway() {
        true => gateway::build(context, name),
        false => RouteTable::parse(name).map(|table| vhosts::build(context, &table)).unwrap_or_default(),
    };
    RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts,
        validate_clusters: flag(false),
        ignore_port_in_host_matching: true,
        max_direct_response_body_size_bytes: crate::wire::number(1 << 20),
        ..Default::default()
    }
}

/// The service that a name stands for, at the end of its aliases.
fn resolved<'a>(context: &'a Context<'_>, host: &Hostname) -> Option<&'a Service> {
    let mut service = context.scope.service(host)?;
    for _ in 0..8 {
        let Resolution::Alias(target) = &service.resolution else { break };
        service = context.scope.service(target)?;
    }
    Some(service)
}

/// V10: the cluster of a destination, for a request that arrived at `listener_port`.
pub(crate) fn destination_cluster(context: &Context<'_>, destination: &Destination, listener_port: u16) -> String {
    let service = resolved(context, &destination.host);
    let only = service.filter(|s| s.ports.len() == 1).map(|s| s.ports[0].number);
    let port = destination.port.map(|p| p.get()).or(only).unwrap_or(listener_port);
    let host = service.map_or(&destination.host, |s| &s.host);
    names::outbound(port, destination.subset.as_deref().unwrap_or_default(), host)
}
