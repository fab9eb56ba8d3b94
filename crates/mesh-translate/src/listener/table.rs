//! Outbound listeners in the making: several services may share an address and port.
//!
//! Istio's rules of who shares and who loses, by what already stands there:
//!
//! | there            | comes        | becomes                                                          |
//! |------------------|--------------|------------------------------------------------------------------|
//! | HTTP or found out| HTTP, auto   | as it was: routes by host do the rest                            |
//! | TCP              | HTTP, auto   | both, told apart by the first bytes                              |
//! | any              | TCP, TLS     | one more chain, unless its match stands there already            |
//! | server-first     | anything     | as it was: nobody waits for the client's first bytes             |

use std::collections::BTreeMap;

use mesh_types::Protocol;

use super::{
    access_log, chain,
    chain::{Filters, Match, chain as chain_of},
    listener_filter, listener_of, manager, unbound, wait_for_first_bytes,
};
use crate::{
    context::Context,
    names,
    pb::{
        core::{Metadata, TrafficDirection},
        http_inspector::HttpInspector,
        listener::Listener,
        tls_inspector::TlsInspector,
    },
    wire::any,
};

/// A chain for bytes.
#[derive(Clone, Debug)]
pub(super) struct L4Chain {
    pub(super) matching: Match,
    pub(super) filter: Filters,
    pub(super) metadata: Option<Metadata>,
}

/// What a service brings to an address and port.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) protocol: Protocol,
    /// Name of the route table, for HTTP and auto.
    pub(super) route_table: Option<String>,
    /// For bytes; empty for HTTP.
    pub(super) chains: Vec<L4Chain>,
    /// Of the listener, when it stands for this service alone.
    pub(super) metadata: Option<Metadata>,
    /// Opens the port (Sidecar `captureMode: NONE`).
    pub(super) binds: bool,
}

/// Listeners by address and port.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<(String, u16), Offer>);

fn server_first(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Mongo | Protocol::MySql)
}

impl Table {
    /// Lays an offer to what is there.
    pub(super) fn add(&mut self, bind: &str, port: u16, offer: Offer) {
        let Some(there) = self.0.get_mut(&(bind.to_owned(), port)) else {
            self.0.insert((bind.to_owned(), port), offer);
            return;
        };
        if server_first(there.protocol) || server_first(offer.protocol) {
            return;
        }
        there.metadata = None;
        let had_http = there.route_table.is_some();
        if !had_http && offer.route_table.is_some() {
            there.route_table = offer.route_table;
            if there.protocol.is_tcp() || there.protocol.is_tls() {
                there.protocol = Protocol::Auto;
            }
        }
        // An auto port that meets HTTP brings nothing but its routes.
        if had_http && offer.protocol == Protocol::Auto {
            return;
        }
        for chain in offer.chains {
            if there.chains.iter().all(|known| known.matching != chain.matching) {
                there.chains.push(chain);
            }
        }
    }

    /// The listeners, by address and port.
    pub(super) fn finish(self, context: &Context<'_>) -> Vec<Listener> {
        self.0.into_iter().map(|((bind, port), offer)| build(context, &bind, port, offer)).collect()
    }
}

fn build(context: &Context<'_>, bind: &str, port: u16, offer: Offer) -> Listener {
    let name = format!("{bind}_{port}");
    let mut listener = listener_of(name.clone(), bind, port, TrafficDirection::Outbound);
    if !offer.binds {
        unbound(&mut listener);
    }
    listener.metadata = offer.metadata;
    listener.access_log = access_log::no_route_log(context.mesh());
    let sniffs = offer.route_table.is_some();
    if let Some(table) = &offer.route_table {
        let http = manager::outbound(context, &format!("outbound_{name}"), table, offer.protocol);
        listener.filter_chains.push(chain_of("", &Match::http(), http, None));
    }
    let (open, closed): (Vec<_>, Vec<_>) = offer.chains.into_iter().partition(|c| c.matching.is_open());
    let by_name = closed.iter().any(|c| !c.matching.server_names.is_empty());
    let chains = closed.into_iter().map(|c| chain_of("", &c.matching, c.filter, c.metadata));
    listener.filter_chains.extend(chains);
    let rest = open.into_iter().next();
    if listener.filter_chains.is_empty() {
        listener.filter_chains.extend(rest.map(|c| chain_of("", &c.matching, c.filter, c.metadata)));
    } else {
        // Whoever was dialled itself would only dial itself.
        let unknown = || match offer.binds {
            true => chain::tcp(context, names::BLACK_HOLE, chain::Passing::default()),
            false => chain::unknown(context),
        };
        let (filter, metadata) = rest.map_or_else(|| (unknown().into(), None), |c| (c.filter, c.metadata));
        listener.default_filter_chain = Some(chain_of("PassthroughFilterChain", &Match::default(), filter, metadata));
    }
    if sniffs || by_name {
        listener.listener_filters.push(tls_inspector());
    }
    if sniffs {
        listener.listener_filters.push(http_inspector());
        wait_for_first_bytes(context, &mut listener);
    }
    listener
}

/// Finds TLS and its server name.
pub(super) fn tls_inspector() -> crate::pb::listener::ListenerFilter {
    listener_filter("envoy.filters.listener.tls_inspector", any(&TlsInspector::default()))
}

/// Finds HTTP in the clear.
pub(super) fn http_inspector() -> crate::pb::listener::ListenerFilter {
    listener_filter("envoy.filters.listener.http_inspector", any(&HttpInspector::default()))
}
