//! The routes of a VirtualService.

use mesh_model::config::{GatewayRef, HttpMatch, HttpRoute, Object, RouteAction as Does, SourceMatch, VirtualService};

use super::{action, fault, headers, matching};
use crate::{
    context::Context,
    names::Outbound,
    pb::{
        self,
        route::{
            Decorator, Route, RouteMatch, route::Action, route_action::ClusterSpecifier, route_match::PathSpecifier,
        },
    },
    provenance::Provenance,
    wire::text,
};

/// V4 to V6: in written order, one per match; nothing comes after one that takes every request.
///
/// `place` is where they apply: the mesh, or a Gateway.
pub(super) fn routes(
    context: &Context<'_>,
    object: &Object<VirtualService>,
    place: &GatewayRef,
    port: u16,
) -> Vec<Route> {
    let mut routes = Vec::new();
    for http in &object.spec.http {
        if http.matches.is_empty() {
            routes.extend(route(context, object, http, None, port));
            return routes;
        }
        for matching in http.matches.iter().filter(|m| applies(context, m, place, port)) {
            routes.extend(route(context, object, http, Some(matching), port));
            if matching.takes_every_request() {
                return routes;
            }
        }
    }
    routes
}

fn applies(context: &Context<'_>, matching: &HttpMatch, place: &GatewayRef, port: u16) -> bool {
    // No token is verified, so that no request has a claim.
    matching.claims.is_empty()
        && matching.port.is_none_or(|p| p.get() == port)
        && is_for(context, &matching.source, place)
}

/// V7: gateways that are listed decide alone.
fn is_for(context: &Context<'_>, source: &SourceMatch, place: &GatewayRef) -> bool {
    if !source.gateways.is_empty() {
        return source.gateways.contains(place);
    }
    source.labels.selects(&context.view.labels)
        && source.namespace.as_ref().is_none_or(|ns| **ns == *context.view.namespace)
}

fn route(
    context: &Context<'_>,
    object: &Object<VirtualService>,
    http: &HttpRoute,
    matching: Option<&HttpMatch>,
    port: u16,
) -> Option<Route> {
    let action = match &http.action {
        Does::Forward(to) => Action::Route(action::forward(context, http, to, port)),
        Does::Redirect(redirect) => Action::Redirect(action::redirect(redirect, port)),
        Does::DirectResponse(response) => Action::DirectResponse(action::direct_response(response)),
        // Delegates were merged into their roots before; one that is left leads nowhere.
        Does::Delegate(_) => return None,
    };
    let mut route = Route {
        name: match matching.map_or("", |m| m.name.as_str()) {
            "" => http.name.clone(),
            word => format!("{}.{word}", http.name),
        },
        r#match: Some(matching::route_match(matching)),
        metadata: Some(describe(object, http)),
        stat_prefix: matching.map(|m| m.stat_prefix.clone()).unwrap_or_default(),
        action: Some(action),
        typed_per_filter_config: fault::filter_configs(http).collect(),
        ..Default::default()
    };
    headers::apply_route(&mut route, &http.headers);
    if let Does::Forward(to) = &http.action
        && let [single] = to.as_slice()
    {
        headers::apply_route(&mut route, &single.headers);
    }
    route.decorator = Some(Decorator { operation: operation(object, &route, port), propagate: None });
    Some(route)
}

fn describe(object: &Object<VirtualService>, http: &HttpRoute) -> pb::core::Metadata {
    let origin = &http.origin;
    let by = Provenance::object(&object.meta, &origin.path());
    // Of a merged rule, the object that it was written in.
    let merged = origin.object != object.meta.object();
    if merged { by.lateen("object", text(origin.object.to_string())).lateen("path", text(origin.path())) } else { by }
        .metadata()
}

/// The span's name: the destination where there is one, else the VirtualService.
fn operation(object: &Object<VirtualService>, route: &Route, port: u16) -> String {
    let path = match &route.r#match {
        Some(RouteMatch { path_specifier: Some(PathSpecifier::Path(path)), .. }) => path.clone(),
        Some(RouteMatch { path_specifier: Some(PathSpecifier::Prefix(path)), .. }) => format!("{path}*"),
        Some(RouteMatch { path_specifier: Some(PathSpecifier::PathSeparatedPrefix(path)), .. }) => format!("{path}/*"),
        Some(RouteMatch { path_specifier: Some(PathSpecifier::SafeRegex(regex)), .. }) => regex.regex.clone(),
        _ => "/*".to_owned(),
    };
    let single = match &route.action {
        Some(Action::Route(action)) => match &action.cluster_specifier {
            Some(ClusterSpecifier::Cluster(name)) => Outbound::parse(name),
            _ => None,
        },
        _ => None,
    };
    match single {
        Some(Outbound { host, port, .. }) => format!("{host}:{port}{path}"),
        None => format!("{}:{port}{path}", object.meta.name),
    }
}
