//! One rule of `spec.http`.

use istio_api::virtual_service as api;

use super::{
    at::At,
    headers::{authority_is_set_once, header_changes},
    http_action::{cors, direct_response, fault, mirrors, redirect, retries, rewrite},
    http_match::http_match,
    l4_route::weights,
    virtual_service::Frame,
    words::{destination, dns_label, time},
};
use crate::config::{Delegate, HttpDestination, HttpRoute, Origin, RouteAction};

pub(super) fn http_route(route: &api::HttpRoute, index: usize, frame: &Frame<'_>, at: &At<'_>) -> Option<HttpRoute> {
    let matches = at.field("match").each(&route.r#match, |m, at| Some(http_match(m, frame, at)));
    let action = action(route, frame, at);
    check_company(route, at);
    authority_is_set_once(route, at);
    let retries_at = &at.field("retries");
    Some(HttpRoute {
        origin: Origin { object: at.desk.meta.object(), index },
        name: route.name.clone(),
        matches,
        rewrite: route.rewrite.as_ref().and_then(|r| rewrite(r, &at.field("rewrite"))),
        timeout: time(route.timeout, &at.field("timeout")),
        retries: route.retries.as_ref().map(|r| retries(r, retries_at)),
        fault: route.fault.as_ref().and_then(|f| fault(f, &at.field("fault"))),
        mirrors: mirrors(route, at),
        cors: route.cors_policy.as_ref().map(|c| cors(c, &at.field("corsPolicy"))),
        headers: header_changes(route.headers.as_ref(), &at.field("headers")),
        action: action?,
    })
}

fn action(route: &api::HttpRoute, frame: &Frame<'_>, at: &At<'_>) -> Option<RouteAction> {
    let given: Vec<&str> = [
        ("route", !route.route.is_empty()),
        ("redirect", route.redirect.is_some()),
        ("directResponse", route.direct_response.is_some()),
        ("delegate", route.delegate.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, given)| given.then_some(field))
    .collect();
    match given[..] {
        [] => {
            at.error(
                "the rule does nothing with its requests",
                "add one of route, redirect, directResponse and delegate",
            );
            None
        }
        ["route"] => {
            let at = &at.field("route");
            let weights = weights(route.route.iter().map(|d| d.weight), at);
            let destinations = at.each(&route.route, http_destination).into_iter().zip(weights);
            let kept = destinations.filter_map(|(d, weight)| Some(HttpDestination { weight: weight?, ..d }));
            Some(RouteAction::Forward(kept.collect()))
        }
        ["redirect"] => {
            route.redirect.as_ref().and_then(|r| redirect(r, &at.field("redirect"))).map(RouteAction::Redirect)
        }
        ["directResponse"] => {
            let response = route.direct_response.as_ref();
            response.map(|r| RouteAction::DirectResponse(direct_response(r, &at.field("directResponse"))))
        }
        ["delegate"] => delegate(route.delegate.as_ref()?, frame, &at.field("delegate")),
        _ => {
            at.error(format!("the rule has both {}", given.join(" and ")), "keep one of them");
            None
        }
    }
}

fn http_destination(given: &api::HttpRouteDestination, at: &At<'_>) -> Option<HttpDestination> {
    Some(HttpDestination {
        headers: header_changes(given.headers.as_ref(), &at.field("headers")),
        destination: destination(given.destination.as_ref(), &at.field("destination"))?,
        weight: std::num::NonZeroU32::MIN,
    })
}

fn delegate(given: &api::Delegate, frame: &Frame<'_>, at: &At<'_>) -> Option<RouteAction> {
    if frame.delegate {
        at.error("a delegate cannot delegate further", "write the routes here");
    }
    if given.name.is_empty() {
        at.field("name").error("the delegate has no name", "name a VirtualService without hosts");
        return None;
    }
    let own = at.namespace();
    let namespace = if given.namespace.is_empty() {
        own.clone()
    } else {
        dns_label(&given.namespace, "namespace", &at.field("namespace"));
        given.namespace.as_str().into()
    };
    Some(RouteAction::Delegate(Delegate { namespace, name: given.name.as_str().into() }))
}

/// What cannot stand beside an action that forwards nothing.
fn check_company(route: &api::HttpRoute, at: &At<'_>) {
    let answer = match (&route.redirect, &route.direct_response) {
        (Some(_), _) => "redirect",
        (_, Some(_)) => "directResponse",
        _ => return,
    };
    for (field, given) in [("fault", route.fault.is_some()), ("rewrite", route.rewrite.is_some())] {
        if given {
            at.field(field).error(
                format!("{field} and {answer} cannot stand together: nothing is forwarded"),
                format!("remove {field} or {answer}"),
            );
        }
    }
}
