//! Routes of all kinds, as far as attaching them is concerned.

use istio_api::gateway_api as api;
use mesh_types::Hostname;

use super::{RouteKind, Verdict, backends, rules, world::World};
use crate::config::{HttpRoute, Meta, WeightedDestination};

/// A route of any kind.
pub(super) struct Route<'a> {
    pub(super) kind: RouteKind,
    pub(super) meta: &'a Meta,
    pub(super) parents: &'a [api::ParentRef],
    pub(super) hostnames: Vec<Hostname>,
    pub(super) rules: Rules,
    /// Whether every backend exists and may be named.
    pub(super) resolved: Verdict,
    /// What is wrong with rules that are left out, or that answer 500.
    pub(super) wrong: Vec<String>,
    /// How many rules there are.
    pub(super) count: usize,
}

/// What a route does.
pub(super) enum Rules {
    /// One route of Istio's for each match, with its place in the order.
    Http(Vec<(rules::Rank, HttpRoute)>),
    /// Where connections go.
    Tls(Vec<WeightedDestination>),
}

/// Every route, oldest first.
pub(super) fn all<'a>(world: &'a World<'_>) -> Vec<Route<'a>> {
    let mut all = Vec::new();
    for route in &world.http_routes {
        let made = rules::http(world, &route.meta, RouteKind::Http, route.spec.rules.iter().map(rules::Given::of_http));
        all.push(http(RouteKind::Http, &route.meta, &route.spec.parent_refs, &route.spec.hostnames, made));
    }
    for route in &world.grpc_routes {
        let made = rules::http(world, &route.meta, RouteKind::Grpc, route.spec.rules.iter().map(rules::Given::of_grpc));
        all.push(http(RouteKind::Grpc, &route.meta, &route.spec.parent_refs, &route.spec.hostnames, made));
    }
    for route in &world.tls_routes {
        let (to, resolved) = backends::connections(world, &route.meta, &route.spec.rules);
        all.push(Route {
            kind: RouteKind::Tls,
            meta: &route.meta,
            parents: &route.spec.parent_refs,
            hostnames: hosts(&route.spec.hostnames),
            rules: Rules::Tls(to),
            resolved,
            wrong: Vec::new(),
            count: route.spec.rules.len(),
        });
    }
    all.sort_by(|a, b| a.meta.age(b.meta));
    all
}

fn http<'a>(
    kind: RouteKind,
    meta: &'a Meta,
    parents: &'a [api::ParentRef],
    hostnames: &[api::Host],
    made: rules::Made,
) -> Route<'a> {
    let rules::Made { routes, resolved, wrong, count } = made;
    Route { kind, meta, parents, hostnames: hosts(hostnames), rules: Rules::Http(routes), resolved, wrong, count }
}

fn hosts(given: &[api::Host]) -> Vec<Hostname> {
    given.iter().filter_map(|host| Hostname::parse(host).ok()).collect()
}
