//! Listeners: what happens to connections that iptables led to the proxy.
//!
//! ```text
//!   virtualOutbound 15001 ─by the address that was dialled─► 0.0.0.0_9080   HTTP of every service with port 9080
//!                                                            10.0.0.10_443  one service
//!                                                            (none)         PassthroughCluster or BlackHoleCluster
//!   virtualInbound  15006 ─by the port that was dialled────► chain 0.0.0.0_9080   the workload's own port
//!                                                            virtualInbound       any other port
//! ```
//!
//! Gateways open ports of their own instead: module `gateway`.

mod access_log;
mod chain;
mod filters;
mod gateway;
mod inbound;
mod l4;
mod manager;
mod outbound;
mod table;
mod tls;

pub(crate) use chain::unknown_cluster;
pub(crate) use filters::{CORS, FAULT};
use mesh_model::push_context::PushContext;

use crate::{
    built::Built,
    context::Context,
    pb::{
        core::TrafficDirection,
        listener::{Listener, ListenerFilter, listener_filter::ConfigType},
        original_dst::OriginalDst,
    },
    view::ProxyView,
    wire::{ZERO, any, flag, socket, unspecified},
};

/// Every listener of a proxy, in a stable order; names are unique.
///
/// The listeners of ports 15090 and 15021 belong to the bootstrap.
pub fn listeners(view: &ProxyView, push: &PushContext) -> Vec<Built> {
    messages(view, push).iter().map(Built::listener).collect()
}

pub(crate) fn messages(view: &ProxyView, push: &PushContext) -> Vec<Listener> {
    let context = Context::new(view, push);
    if context.is_gateway() {
        return gateway::listeners(&context);
    }
    let mut all = outbound::listeners(&context);
    all.push(outbound::virtual_outbound(&context));
    all.push(inbound::virtual_inbound(&context));
    all.extend(inbound::opened(&context));
    all
}

/// A listener with what all listeners have.
fn listener_of(name: String, address: impl ToString, port: u16, direction: TrafficDirection) -> Listener {
    Listener { name, address: Some(socket(address, port)), traffic_direction: direction as i32, ..Default::default() }
}

/// Finds out where a redirected connection was going.
fn original_destination() -> ListenerFilter {
    listener_filter("envoy.filters.listener.original_dst", any(&OriginalDst::default()))
}

fn listener_filter(name: &str, config: crate::pb::Any) -> ListenerFilter {
    ListenerFilter { name: name.to_owned(), config_type: Some(ConfigType::TypedConfig(config)), filter_disabled: None }
}

/// Waits for a client's first bytes as long as it takes, then goes on without them.
fn wait_for_first_bytes(context: &Context<'_>, listener: &mut Listener) {
    let limit = context.mesh().protocol_detection_timeout;
    listener.listener_filters_timeout = Some(if limit.is_zero() { ZERO } else { crate::wire::duration(limit) });
    listener.continue_on_listener_filters_timeout = true;
}

/// The wildcard address of the proxy's primary family.
fn wildcard(context: &Context<'_>) -> &'static str {
    unspecified(context.view.addresses.first())
}

/// The loopback address of that family.
fn loopback(context: &Context<'_>) -> &'static str {
    if context.view.is_ipv6() { "::1" } else { "127.0.0.1" }
}

/// Does not open a port: connections come by way of a virtual listener.
fn unbound(listener: &mut Listener) {
    listener.bind_to_port = flag(false);
}
