//! What the definitions of the Gateway API say in CEL, and ours do not.
//!
//! <https://gateway-api.sigs.k8s.io/concepts/guidelines/#crd-and-webhook-validation>. Whatever else is wrong with an object
//! stands in its status: an object may be of another controller, which knows more than this mesh.

use std::collections::BTreeSet;

use istio_api::gateway_api::{self as api, PathMatchType, PathModifierType, RouteFilterType};

use super::at::At;

pub(super) fn gateway(given: api::Gateway, at: &At<'_>) -> api::Gateway {
    let at = &at.field("listeners");
    if given.listeners.is_empty() {
        at.error("the Gateway has no listeners", "add one");
    }
    let mut names = BTreeSet::new();
    let mut places = BTreeSet::new();
    for (i, listener) in given.listeners.iter().enumerate() {
        let at = &at.index(i);
        if !names.insert(&listener.name) {
            at.field("name")
                .error(format!("there are two listeners `{}`", &*listener.name), "give them different names");
        }
        if !places.insert((listener.port, &listener.protocol, &listener.hostname)) {
            at.error("another listener has the same port, protocol and hostname", "change one of them");
        }
        let protocol = &*listener.protocol;
        if listener.tls.is_some() && matches!(protocol, "HTTP" | "TCP" | "UDP") {
            at.field("tls")
                .error(format!("protocol {protocol} has no TLS"), "remove tls, or set the protocol to HTTPS");
        }
        if !listener.hostname.is_empty() && matches!(protocol, "TCP" | "UDP") {
            at.field("hostname").error(format!("protocol {protocol} knows no hostnames"), "remove it");
        }
    }
    given
}

pub(super) fn http_route(given: api::HttpRoute, at: &At<'_>) -> api::HttpRoute {
    for (i, rule) in given.rules.iter().enumerate() {
        let (rules, filters) = (at.field("rules"), "filters");
        let at = &rules.index(i);
        for (j, matching) in rule.matches.iter().enumerate() {
            let matches = at.field("matches");
            check_path(matching, &matches.index(j));
        }
        check_filters(rule, &at.field(filters));
        let has = |kind| rule.filters.iter().any(|f: &api::Filter| f.r#type == kind);
        if has(RouteFilterType::RequestRedirect) && !rule.backend_refs.is_empty() {
            at.field("backendRefs")
                .error("a rule that redirects sends nothing on", "remove backendRefs, or the redirect");
        }
        let backends = at.field("backendRefs");
        for (j, backend) in rule.backend_refs.iter().enumerate() {
            service_needs_port(&backend.group, &backend.kind, backend.port, &backends.index(j));
        }
        check_timeouts(rule.timeouts.as_ref(), &at.field("timeouts"));
    }
    given
}

pub(super) fn grpc_route(given: api::GrpcRoute, at: &At<'_>) -> api::GrpcRoute {
    let rules = at.field("rules");
    for (i, rule) in given.rules.iter().enumerate() {
        let at = &rules.index(i);
        let (matches, backends) = (at.field("matches"), at.field("backendRefs"));
        for (j, matching) in rule.matches.iter().enumerate() {
            if matching.method.as_ref().is_some_and(|m| m.service.is_empty() && m.method.is_empty()) {
                let at = matches.index(j);
                at.field("method").error("neither service nor method is said", "say one of them, or remove it");
            }
        }
        for (j, backend) in rule.backend_refs.iter().enumerate() {
            service_needs_port(&backend.group, &backend.kind, backend.port, &backends.index(j));
        }
    }
    given
}

fn service_needs_port(group: &str, kind: &str, port: Option<i32>, at: &At<'_>) {
    if group.is_empty() && matches!(kind, "" | "Service") && port.is_none() {
        at.field("port").error("a Service as a backend needs a port", "name one of its ports");
    }
}

fn check_path(matching: &api::HttpMatch, at: &At<'_>) {
    let Some(path) = &matching.path else { return };
    let value = path.value.as_deref().unwrap_or("/");
    if path.r#type == PathMatchType::RegularExpression {
        return;
    }
    let at = &at.field("path");
    if !value.starts_with('/') {
        at.field("value").error(format!("`{value}` is no path"), "begin it with `/`");
    }
    let odd = ["//", "/./", "/../", "%2f", "%2F", "#"];
    if let Some(odd) =
        odd.iter().find(|odd| value.contains(**odd)).or(["/..", "/."].iter().find(|end| value.ends_with(**end)))
    {
        at.field("value")
            .error(format!("`{value}` holds `{odd}`, which no path has after it was made regular"), "remove it");
    }
}

fn check_filters(rule: &api::HttpRule, at: &At<'_>) {
    for (i, filter) in rule.filters.iter().enumerate() {
        let at = &at.index(i);
        let said = [
            (RouteFilterType::RequestHeaderModifier, "requestHeaderModifier", filter.request_header_modifier.is_some()),
            (
                RouteFilterType::ResponseHeaderModifier,
                "responseHeaderModifier",
                filter.response_header_modifier.is_some(),
            ),
            (RouteFilterType::RequestMirror, "requestMirror", filter.request_mirror.is_some()),
            (RouteFilterType::RequestRedirect, "requestRedirect", filter.request_redirect.is_some()),
            (RouteFilterType::UrlRewrite, "urlRewrite", filter.url_rewrite.is_some()),
            (RouteFilterType::ExtensionRef, "extensionRef", filter.extension_ref.is_some()),
        ];
        for (kind, field, is_said) in said {
            if is_said != (kind == filter.r#type) {
                let way_out = if is_said { "remove it, or correct the type" } else { "add it, or correct the type" };
                at.field(field).error(format!("the filter is of type {}", filter.r#type), way_out);
            }
        }
        let repeats = filter.r#type != RouteFilterType::RequestMirror && filter.r#type != RouteFilterType::ExtensionRef;
        if repeats && rule.filters[..i].iter().any(|before| before.r#type == filter.r#type) {
            at.field("type").error(format!("there are two filters of type {}", filter.r#type), "make one of them");
        }
        let path = filter.url_rewrite.as_ref().and_then(|r| r.path.as_ref());
        let path = path.or_else(|| filter.request_redirect.as_ref().and_then(|r| r.path.as_ref()));
        if path.is_some_and(|p| p.r#type == PathModifierType::ReplacePrefixMatch) && !is_one_prefix(&rule.matches) {
            at.error("a prefix can be replaced where one was matched", "give the rule one match, of type PathPrefix");
        }
    }
    let has = |kind| rule.filters.iter().any(|f| f.r#type == kind);
    if has(RouteFilterType::RequestRedirect) && has(RouteFilterType::UrlRewrite) {
        at.error("a rule cannot both rewrite and redirect", "remove one of the two");
    }
}

/// No match at all is the prefix `/`.
fn is_one_prefix(matches: &[api::HttpMatch]) -> bool {
    let is_prefix = |m: &api::HttpMatch| m.path.as_ref().is_none_or(|p| p.r#type == PathMatchType::PathPrefix);
    match matches {
        [] => true,
        [one] => is_prefix(one),
        _ => false,
    }
}

fn check_timeouts(given: Option<&api::Timeouts>, at: &At<'_>) {
    let Some(given) = given else { return };
    let read = |text: &Option<api::GoDuration>, field: &str| {
        let parsed = istio_api::Duration::parse(text.as_ref()?);
        if let Err(error) = &parsed {
            at.field(field).error(error.to_string(), "write for example 10s");
        }
        parsed.ok().map(istio_api::Duration::get).filter(|time| !time.is_zero())
    };
    let (request, backend) = (read(&given.request, "request"), read(&given.backend_request, "backendRequest"));
    if let (Some(request), Some(backend)) = (request, backend)
        && backend > request
    {
        at.field("backendRequest")
            .error("one try may take longer than the whole request", "make it shorter than `request`");
    }
}
