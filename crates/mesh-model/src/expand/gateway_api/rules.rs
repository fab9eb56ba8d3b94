//! Rules of HTTPRoutes and GRPCRoutes as routes of Istio's, one for each match, and the order that they stand in.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule>

use std::{cmp::Reverse, num::NonZeroU32};

use istio_api::gateway_api::{self as api, GrpcFilterType, RouteFilterType};

use super::{
    RouteKind, Verdict, backends, filters,
    filters::Effects,
    matches,
    world::{Namer, World},
};
use crate::config::{
    DirectResponse, HttpDestination, HttpMatch, HttpRoute, Meta, Origin, Retries, RetryPolicy, RouteAction, StringMatch,
};

/// How often a try is repeated where only the time of a try is said: as often as without.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

/// What a route's rules became.
pub(super) struct Made {
    pub(super) routes: Vec<(Rank, HttpRoute)>,
    pub(super) resolved: Verdict,
    pub(super) wrong: Vec<String>,
    pub(super) count: usize,
}

/// A rule of either kind.
pub(super) struct Given {
    matches: Vec<Result<HttpMatch, String>>,
    filters: Vec<api::Filter>,
    backends: Vec<api::HttpBackendRef>,
    timeouts: api::Timeouts,
}

/// The place of a rule among all that apply to a host: smaller comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) condition: Condition,
    rule: usize,
    matching: usize,
}

/// How much a match asks for: what asks for more comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Condition {
    /// Exact, prefix, expression, anything.
    path: u8,
    length: Reverse<usize>,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    parameters: Reverse<usize>,
}

impl Condition {
    fn of(matching: &HttpMatch) -> Self {
        let (path, length) = match &matching.uri {
            Some(StringMatch::Exact(path)) => (0, path.len()),
            Some(StringMatch::Prefix(path)) => (1, path.len()),
            Some(StringMatch::Regex(pattern)) => (2, pattern.as_str().len()),
            None => (3, 0),
        };
        Self {
            path,
            length: Reverse(length),
            method: Reverse(matching.method.is_some()),
            headers: Reverse(matching.headers.len()),
            parameters: Reverse(matching.query_params.len()),
        }
    }
}

impl Given {
    pub(super) fn of_http(rule: &api::HttpRule) -> Self {
        Self {
            matches: or_everything(rule.matches.iter().map(matches::http).collect()),
            filters: rule.filters.clone(),
            backends: rule.backend_refs.clone(),
            timeouts: rule.timeouts.clone().unwrap_or_default(),
        }
    }

    pub(super) fn of_grpc(rule: &api::GrpcRule) -> Self {
        let backend = |b: &api::GrpcBackendRef| api::HttpBackendRef {
            group: b.group.clone(),
            kind: b.kind.clone(),
            name: b.name.clone(),
            namespace: b.namespace.clone(),
            port: b.port,
            weight: b.weight,
            filters: b.filters.iter().map(as_http).collect(),
        };
        Self {
            matches: or_everything(rule.matches.iter().map(matches::grpc).collect()),
            filters: rule.filters.iter().map(as_http).collect(),
            backends: rule.backend_refs.iter().map(backend).collect(),
            timeouts: api::Timeouts::default(),
        }
    }
}

fn or_everything(matches: Vec<Result<HttpMatch, String>>) -> Vec<Result<HttpMatch, String>> {
    if matches.is_empty() { vec![Ok(HttpMatch::default())] } else { matches }
}

fn as_http(filter: &api::GrpcFilter) -> api::Filter {
    api::Filter {
        r#type: match filter.r#type {
            GrpcFilterType::RequestHeaderModifier => RouteFilterType::RequestHeaderModifier,
            GrpcFilterType::ResponseHeaderModifier => RouteFilterType::ResponseHeaderModifier,
            GrpcFilterType::RequestMirror => RouteFilterType::RequestMirror,
            GrpcFilterType::ExtensionRef => RouteFilterType::ExtensionRef,
        },
        request_header_modifier: filter.request_header_modifier.clone(),
        response_header_modifier: filter.response_header_modifier.clone(),
        request_mirror: filter.request_mirror.clone(),
        request_redirect: None,
        url_rewrite: None,
        extension_ref: filter.extension_ref.clone(),
    }
}

/// Makes the rules of a route.
pub(super) fn http(world: &World<'_>, meta: &Meta, kind: RouteKind, given: impl Iterator<Item = Given>) -> Made {
    let by = Namer { kind: kind.word(), namespace: &meta.namespace };
    let mut made = Made {
        routes: Vec::new(),
        resolved: Verdict::yes("ResolvedRefs", "every backend is there"),
        wrong: Vec::new(),
        count: 0,
    };
    for (index, rule) in given.enumerate() {
        made.count += 1;
        made.rule(world, meta, by, index, &rule);
    }
    made
}

impl Made {
    fn rule(&mut self, world: &World<'_>, meta: &Meta, by: Namer<'_>, index: usize, rule: &Given) {
        let mut unresolved = None;
        let effects = filters::effects(world, by, &rule.filters, &mut unresolved);
        let destinations = destinations(world, by, &rule.backends, &mut unresolved);
        let (effects, destinations) = match (effects, destinations) {
            (Ok(effects), Ok(destinations)) => (effects, destinations),
            // Requests that a filter should have changed must not go on without it.
            (Err(why), _) | (_, Err(why)) => {
                self.wrong.push(format!("spec.rules[{index}]: {why}"));
                (Effects::default(), Vec::new())
            }
        };
        if let Some(unresolved) = unresolved.filter(|_| self.resolved.holds) {
            self.resolved = unresolved;
        }
        for (number, matching) in rule.matches.iter().enumerate() {
            let matching = match matching {
                Ok(matching) => matching,
                Err(why) => {
                    self.wrong.push(format!("spec.rules[{index}].matches[{number}]: {why}"));
                    continue;
                }
            };
            let rank = Rank { condition: Condition::of(matching), rule: index, matching: number };
            let route = HttpRoute {
                origin: Origin { object: meta.object(), index },
                name: format!("{}.{}.{index}", meta.namespace, meta.name),
                matches: vec![matching.clone()],
                action: action(&effects, &destinations, matching),
                rewrite: effects.rewrite(matching),
                timeout: timeout(rule.timeouts.request.as_ref()),
                retries: timeout(rule.timeouts.backend_request.as_ref()).map(retries),
                fault: None,
                mirrors: effects.mirrors.clone(),
                cors: None,
                headers: effects.headers.clone(),
            };
            self.routes.push((rank, route));
        }
    }
}

/// Where requests go by weight. Those whose backend does not exist go to a host that does not, and so to a 500.
fn destinations(
    world: &World<'_>,
    by: Namer<'_>,
    given: &[api::HttpBackendRef],
    unresolved: &mut Option<Verdict>,
) -> Result<Vec<(bool, HttpDestination)>, String> {
    let mut found = Vec::new();
    for backend in given {
        let reference = api::ObjectRef {
            group: backend.group.clone(),
            kind: backend.kind.clone(),
            name: backend.name.clone(),
            namespace: backend.namespace.clone(),
            port: backend.port,
        };
        let (exists, destination) = match backends::destination(world, by, &reference) {
            Ok(destination) => (true, Some(destination)),
            Err(verdict) => {
                unresolved.get_or_insert(verdict);
                (false, backends::nowhere(&reference, by.namespace))
            }
        };
        let effects = filters::effects(world, by, &backend.filters, unresolved)?;
        if !effects.is_headers_only() {
            return Err("a filter of a backendRef can only change headers".to_owned());
        }
        let weight = NonZeroU32::new(u32::try_from(backend.weight.unwrap_or(1)).unwrap_or_default());
        if let (Some(weight), Some(destination)) = (weight, destination) {
            found.push((exists, HttpDestination { destination, weight, headers: effects.headers }));
        }
    }
    Ok(found)
}

fn action(effects: &Effects, destinations: &[(bool, HttpDestination)], matching: &HttpMatch) -> RouteAction {
    if let Some(redirect) = effects.redirect(matching) {
        return RouteAction::Redirect(redirect);
    }
    if destinations.iter().any(|(exists, _)| *exists) {
        return RouteAction::Forward(destinations.iter().map(|(_, d)| d.clone()).collect());
    }
    RouteAction::DirectResponse(DirectResponse { status: 500, body: None })
}

fn timeout(given: Option<&api::GoDuration>) -> Option<std::time::Duration> {
    given.and_then(|text| istio_api::Duration::parse(text).ok()).map(istio_api::Duration::get).filter(|t| !t.is_zero())
}

fn retries(per_try: std::time::Duration) -> Retries {
    Retries::On(RetryPolicy {
        attempts: ATTEMPTS,
        per_try_timeout: Some(per_try),
        conditions: Vec::new(),
        statuses: Vec::new(),
        remote_localities: None,
    })
}
