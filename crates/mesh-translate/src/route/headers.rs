//! Changes of headers.

use mesh_model::config::{HeaderChanges, HeaderOps};

use crate::pb::{
    core::{HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction},
    route::{
        Route, route::Action, route_action::HostRewriteSpecifier, weighted_cluster::ClusterWeight,
        weighted_cluster::cluster_weight,
    },
};

fn to_add(ops: &HeaderOps) -> impl Iterator<Item = HeaderValueOption> {
    let option = |(key, value): (&String, &String), action: HeaderAppendAction| HeaderValueOption {
        header: Some(HeaderValue { key: key.clone(), value: value.clone(), ..Default::default() }),
        append_action: action as i32,
        ..Default::default()
    };
    let set = ops.set.iter().map(move |pair| option(pair, HeaderAppendAction::OverwriteIfExistsOrAdd));
    set.chain(ops.add.iter().map(move |pair| option(pair, HeaderAppendAction::AppendIfExistsOrAdd)))
}

/// Adds changes to those of a route.
pub(super) fn apply_route(route: &mut Route, changes: &HeaderChanges) {
    route.request_headers_to_add.extend(to_add(&changes.request));
    route.request_headers_to_remove.extend(changes.request.remove.iter().cloned());
    route.response_headers_to_add.extend(to_add(&changes.response));
    route.response_headers_to_remove.extend(changes.response.remove.iter().cloned());
    if let (Some(Action::Route(action)), Some(host)) = (&mut route.action, &changes.host)
        && action.host_rewrite_specifier.is_none()
    {
        action.host_rewrite_specifier = Some(HostRewriteSpecifier::HostRewriteLiteral(host.clone()));
    }
}

/// Adds changes to those of one of several destinations.
pub(super) fn apply_weighted(cluster: &mut ClusterWeight, changes: &HeaderChanges) {
    cluster.request_headers_to_add.extend(to_add(&changes.request));
    cluster.request_headers_to_remove.extend(changes.request.remove.iter().cloned());
    cluster.response_headers_to_add.extend(to_add(&changes.response));
    cluster.response_headers_to_remove.extend(changes.response.remove.iter().cloned());
    if let Some(host) = &changes.host {
        cluster.host_rewrite_specifier = Some(cluster_weight::HostRewriteSpecifier::HostRewriteLiteral(host.clone()));
    }
}
