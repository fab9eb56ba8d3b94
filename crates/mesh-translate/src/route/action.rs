//! What happens to a request that a route takes.

use mesh_model::{
    config::{
        DirectResponse, HashKey, HttpDestination, HttpRoute, LbAlgorithm, Mirror, Redirect, RedirectCode, RedirectPort,
        UriRewrite,
    },
    push_context::MergedRule,
    registry::Service,
};

use super::{destination_cluster, headers, resolved, retry};
use crate::{
    context::Context,
    names::{self, Outbound},
    pb::{
        core::{DataSource, data_source::Specifier},
        matcher::RegexMatchAndSubstitute,
        route::{
            DirectResponseAction, RedirectAction, RouteAction, WeightedCluster,
            redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier},
            route_action::{
                ClusterNotFoundResponseCode, ClusterSpecifier, HashPolicy, HostRewriteSpecifier, RequestMirrorPolicy,
                hash_policy::{ConnectionProperties, Cookie, Header, PolicySpecifier, QueryParameter},
            },
            weighted_cluster::ClusterWeight,
        },
    },
    wire::{ZERO, duration, flag, number, regex, runtime_fraction},
};

/// Everything to a service, without a VirtualService.
#[expect(deprecated, reason = "`max_grpc_timeout` is what Istio 1.25 writes")]
pub(super) fn to_service(context: &Context<'_>, service: &Service, port: u16) -> RouteAction {
    let cluster = names::outbound(port, "", &service.host);
    let hash_policy: Vec<HashPolicy> = hash_of(context, &cluster).into_iter().collect();
    RouteAction {
        retry_policy: retry::policy(None, context.mesh(), !hash_policy.is_empty()),
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster)),
        timeout: Some(ZERO),
        max_grpc_timeout: Some(ZERO),
        hash_policy,
        ..Default::default()
    }
}

/// To the destinations of a route.
#[expect(deprecated, reason = "`max_grpc_timeout` is what Istio 1.25 writes")]
pub(super) fn forward(context: &Context<'_>, http: &HttpRoute, to: &[HttpDestination], port: u16) -> RouteAction {
    let clusters: Vec<String> = to.iter().map(|d| destination_cluster(context, &d.destination, port)).collect();
    let mut hash_policy: Vec<HashPolicy> = Vec::new();
    for policy in clusters.iter().filter_map(|cluster| hash_of(context, cluster)) {
        if !hash_policy.contains(&policy) {
            hash_policy.push(policy);
        }
    }
    let timeout = http.timeout.map_or(ZERO, duration);
    let mut action = RouteAction {
        retry_policy: retry::policy(http.retries.as_ref(), context.mesh(), !hash_policy.is_empty()),
        timeout: Some(timeout),
        max_grpc_timeout: Some(timeout),
        request_mirror_policies: http.mirrors.iter().map(|m| mirror(context, m, port)).collect(),
        hash_policy,
        cluster_not_found_response_code: not_found(http) as i32,
        ..Default::default()
    };
    if let Some(rewrite) = &http.rewrite {
        match &rewrite.uri {
            Some(UriRewrite::Replace(path)) => action.prefix_rewrite.clone_from(path),
            Some(UriRewrite::Regex { pattern, substitution }) => {
                action.regex_rewrite = Some(substituted(pattern.as_str(), substitution));
            }
            None => {}
        }
        let literal = |host: &String| HostRewriteSpecifier::HostRewriteLiteral(host.clone());
        action.host_rewrite_specifier = rewrite.authority.as_ref().map(literal);
    }
    action.cluster_specifier = Some(match clusters.as_slice() {
        [single] => ClusterSpecifier::Cluster(single.clone()),
        _ => ClusterSpecifier::WeightedClusters(weighted(to, clusters)),
    });
    action
}

/// The Gateway API wants 500 where a backend does not exist.
fn not_found(http: &HttpRoute) -> ClusterNotFoundResponseCode {
    if http.origin.object.kind.is_gateway_api() {
        ClusterNotFoundResponseCode::InternalServerError
    } else {
        ClusterNotFoundResponseCode::ServiceUnavailable
    }
}

fn weighted(to: &[HttpDestination], clusters: Vec<String>) -> WeightedCluster {
    let parts = to.iter().zip(clusters).map(|(destination, name)| {
        let mut part = ClusterWeight { name, weight: number(destination.weight.get()), ..Default::default() };
        headers::apply_weighted(&mut part, &destination.headers);
        part
    });
    WeightedCluster { clusters: parts.collect(), ..Default::default() }
}

fn mirror(context: &Context<'_>, mirror: &Mirror, port: u16) -> RequestMirrorPolicy {
    RequestMirrorPolicy {
        cluster: destination_cluster(context, &mirror.destination, port),
        runtime_fraction: Some(runtime_fraction(mirror.share)),
        trace_sampled: flag(false),
        ..Default::default()
    }
}

/// What keeps requests to a cluster together, if its policy hashes.
fn hash_of(context: &Context<'_>, cluster: &str) -> Option<HashPolicy> {
    let Outbound { port, subset, host } = Outbound::parse(cluster)?;
    let service = resolved(context, &host)?;
    let port = service.port(port)?;
    let subset = context.rule(service).and_then(|rule: &MergedRule| rule.subset(&subset));
    let LbAlgorithm::ConsistentHash { key, .. } =
        context.policy(service, port, subset).blocks.load_balancer?.algorithm?
    else {
        return None;
    };
    let specifier = match key {
        HashKey::Header(header_name) => PolicySpecifier::Header(Header { header_name, regex_rewrite: None }),
        HashKey::Cookie { name, path, ttl } => {
            PolicySpecifier::Cookie(Cookie { name, path, ttl: ttl.map(duration), attributes: Vec::new() })
        }
        HashKey::SourceIp => PolicySpecifier::ConnectionProperties(ConnectionProperties { source_ip: true }),
        HashKey::QueryParameter(name) => PolicySpecifier::QueryParameter(QueryParameter { name }),
    };
    Some(HashPolicy { terminal: false, policy_specifier: Some(specifier) })
}

/// An answer that names another address.
pub(super) fn redirect(redirect: &Redirect, port: u16) -> RedirectAction {
    let code = match redirect.code {
        RedirectCode::MovedPermanently => RedirectResponseCode::MovedPermanently,
        RedirectCode::Found => RedirectResponseCode::Found,
        RedirectCode::SeeOther => RedirectResponseCode::SeeOther,
        RedirectCode::TemporaryRedirect => RedirectResponseCode::TemporaryRedirect,
        RedirectCode::PermanentRedirect => RedirectResponseCode::PermanentRedirect,
    };
    RedirectAction {
        host_redirect: redirect.authority.clone().unwrap_or_default(),
        port_redirect: match redirect.port {
            Some(RedirectPort::Number(number)) => u32::from(number.get()),
            // A table is made for one port, so that the request's is known here.
            Some(RedirectPort::OfRequest) => u32::from(port),
            Some(RedirectPort::OfProtocol) | None => 0,
        },
        response_code: code as i32,
        scheme_rewrite_specifier: redirect.scheme.clone().map(SchemeRewriteSpecifier::SchemeRedirect),
        path_rewrite_specifier: new_path(redirect),
        ..Default::default()
    }
}

fn new_path(redirect: &Redirect) -> Option<PathRewriteSpecifier> {
    let whole = redirect.uri.clone().map(PathRewriteSpecifier::PathRedirect);
    whole.or_else(|| {
        Some(match redirect.rewrite.as_ref()? {
            UriRewrite::Replace(prefix) => PathRewriteSpecifier::PrefixRewrite(prefix.clone()),
            UriRewrite::Regex { pattern, substitution } => {
                PathRewriteSpecifier::RegexRewrite(substituted(pattern.as_str(), substitution))
            }
        })
    })
}

fn substituted(pattern: &str, substitution: &str) -> RegexMatchAndSubstitute {
    RegexMatchAndSubstitute { pattern: Some(regex(pattern)), substitution: substitution.to_owned() }
}

/// An answer without a server.
pub(super) fn direct_response(response: &DirectResponse) -> DirectResponseAction {
    let body = response.body.as_ref().map(|bytes| DataSource {
        specifier: Some(match String::from_utf8(bytes.clone()) {
            Ok(text) => Specifier::InlineString(text),
            Err(_) => Specifier::InlineBytes(bytes.clone()),
        }),
        ..Default::default()
    });
    DirectResponseAction { status: u32::from(response.status), body, body_format: None }
}
