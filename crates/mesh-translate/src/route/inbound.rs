//! Routes towards the workload itself.

use mesh_types::Protocol;

use super::retry;
use crate::{
    inbound::InboundPort,
    names,
    pb::route::{
        Decorator, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route::Action,
        route_action::ClusterSpecifier, route_match::PathSpecifier,
    },
    wire::{ZERO, flag},
};

/// Everything to a port of the workload.
pub(crate) fn inbound(own: &InboundPort<'_>) -> RouteConfiguration {
    let port = own.service_port();
    let operation = format!("{}:{port}/*", own.host());
    let retries = !matches!(own.protocol, Protocol::Grpc | Protocol::GrpcWeb);
    table(&names::inbound(own.target), &format!("inbound|http|{port}"), &operation, retries)
}

/// Everything to a port that no service has.
pub(crate) fn inbound_passthrough() -> RouteConfiguration {
    let mut table = table(names::INBOUND_PASSTHROUGH, "inbound|http|0", ":0/*", false);
    table.name = names::INBOUND_PASSTHROUGH.to_owned();
    table
}

#[expect(deprecated, reason = "`max_grpc_timeout` is what Istio 1.25 writes")]
fn table(cluster: &str, vhost: &str, operation: &str, retries: bool) -> RouteConfiguration {
    let route = Route {
        name: "default".to_owned(),
        r#match: Some(RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".to_owned())), ..Default::default() }),
        decorator: Some(Decorator { operation: operation.to_owned(), propagate: None }),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
            timeout: Some(ZERO),
            max_grpc_timeout: Some(ZERO),
            retry_policy: retries.then(retry::inbound),
            ..Default::default()
        })),
        ..Default::default()
    };
    RouteConfiguration {
        name: cluster.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: vhost.to_owned(),
            domains: vec!["*".to_owned()],
            routes: vec![route],
            ..Default::default()
        }],
        validate_clusters: flag(false),
        ..Default::default()
    }
}
