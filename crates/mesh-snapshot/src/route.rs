//! Routes: virtual hosts by name, and in one of them the first route that matches.
//!
//! ```text
//!   RouteTable ── host ──► VirtualHost ── first match ──► Route ── action ──► Forward | Redirect | DirectResponse
//! ```

mod action;
mod cors;
mod fault;
mod hash;
mod head;
mod hosts;
mod matching;
mod redirect;
mod retry;

use std::{collections::HashMap, fmt, sync::Arc};

use mesh_proto::{
    Any,
    envoy::envoy::config::{core::v3::Metadata, route::v3 as pb},
};

pub(crate) use self::head::without_port;
pub use self::{
    action::{Forward, Mirror, RewrittenHost, Target},
    cors::{Cors, CorsVerdict, Preflight},
    fault::{Abort, Fault},
    hash::{Affinity, HashInput, HashPolicy},
    head::{Head, is_grpc},
    redirect::{DirectResponse, Redirect},
    retry::{RetryPolicy, TryOutcome},
};
use self::{hosts::Hosts, matching::RouteTest};
use crate::{
    headers::HeaderChanges,
    reason::Deciders,
    refusal::{At, Bad},
    take::{flag, nothing_left, text_of, type_name, typed},
};

/// One route configuration.
#[derive(Debug)]
pub struct RouteTable {
    /// Its name.
    pub name: Arc<str>,
    hosts: Hosts,
    virtual_hosts: Vec<VirtualHost>,
    ignore_port: bool,
    changes: Changes,
}

/// A virtual host: the routes of some host names.
#[derive(Debug)]
pub struct VirtualHost {
    /// Its name, such as `reviews.default.svc.cluster.local:9080`.
    pub name: Box<str>,
    /// Whether the upstream is told which attempt it sees (`x-envoy-attempt-count`).
    pub attempt_count: bool,
    /// Whether the downstream is told how many attempts there were.
    pub attempt_count_in_response: bool,
    /// Which object made it.
    pub provenance: Provenance,
    /// Where requests that did not come by TLS are sent instead, if they are.
    secure: Option<Secure>,
    routes: Vec<Route>,
    changes: Changes,
    filters: FilterConfigs,
}

/// A virtual host for TLS only.
#[derive(Debug)]
struct Secure {
    /// Clients of our own need no TLS.
    spares_internal: bool,
    /// Leads to the same address with `https`.
    route: Route,
}

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Its name, as logs have it.
    pub name: Box<str>,
    /// What is done.
    pub action: Action,
    /// `host:port/*`, the name of the operation in traces.
    pub operation: Option<Box<str>>,
    /// Which object made it.
    pub provenance: Provenance,
    test: RouteTest,
    changes: Changes,
    filters: FilterConfigs,
}

/// What a route does.
#[derive(Debug)]
pub enum Action {
    /// Sends the request on.
    Forward(Box<Forward>),
    /// Answers with another address.
    Redirect(Redirect),
    /// Answers by itself.
    Direct(DirectResponse),
}

/// Which object of the control plane made something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Istio's path of the configuration object.
    pub config: Option<Box<str>>,
    /// `KIND/NAMESPACE/NAME`.
    pub object: Option<Box<str>>,
    /// The field in it, such as `spec.http[1]`.
    pub field: Option<Box<str>>,
}

/// Changes of a request's and its response's headers.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// On the way up.
    pub request: HeaderChanges,
    /// On the way down.
    pub response: HeaderChanges,
}

/// What HTTP filters are told for some routes only.
#[derive(Debug, Default)]
struct FilterConfigs {
    fault: Option<Fault>,
    cors: Option<Cors>,
}

/// The answer to "which route?".
#[derive(Clone, Copy, Debug)]
pub struct Routed<'a> {
    /// The table.
    pub table: &'a RouteTable,
    /// The virtual host.
    pub virtual_host: &'a VirtualHost,
    /// The route.
    pub route: &'a Route,
}

/// How a table comes to its answer.
#[derive(Debug)]
pub struct Search<'a> {
    /// The virtual host; none means 404.
    pub virtual_host: Option<&'a VirtualHost>,
    /// Routes that were looked at and left, each with everything that kept the request from it.
    pub passed: Vec<(&'a Route, Vec<String>)>,
    /// What [`RouteTable::route`] answers.
    pub routed: Option<Routed<'a>>,
}

impl RouteTable {
    pub(crate) fn parse(mut message: pb::RouteConfiguration) -> Result<Self, Bad> {
        let name = std::mem::take(&mut message.name);
        let mut hosts = Hosts::default();
        let mut virtual_hosts = Vec::new();
        for (index, mut host) in std::mem::take(&mut message.virtual_hosts).into_iter().enumerate() {
            for domain in std::mem::take(&mut host.domains) {
                hosts.add(&domain, index).at("domains").at_index("virtual_hosts", index)?;
            }
            virtual_hosts.push(VirtualHost::parse(host).at_index("virtual_hosts", index)?);
        }
        let changes = Changes::parse(
            (
                std::mem::take(&mut message.request_headers_to_add),
                std::mem::take(&mut message.request_headers_to_remove),
            ),
            (
                std::mem::take(&mut message.response_headers_to_add),
                std::mem::take(&mut message.response_headers_to_remove),
            ),
        )?;
        let ignore_port = std::mem::take(&mut message.ignore_port_in_host_matching);
        // A route to an unknown cluster answers 503 at run time, whether or not it was looked up at load time.
        message.validate_clusters = None;
        // A limit of what a server sends us; bodies come in whole with the message.
        message.max_direct_response_body_size_bytes = None;
        message.metadata = None;
        nothing_left(&message)?;
        Ok(Self { name: name.into(), hosts, virtual_hosts, ignore_port, changes })
    }

    /// The route of a request; none means 404.
    pub fn route(&self, head: &Head<'_>, random: u64) -> Option<Routed<'_>> {
        let virtual_host = self.virtual_host(head)?;
        if let Some(route) = virtual_host.secured(head) {
            return Some(Routed { table: self, virtual_host, route });
        }
        let route = virtual_host.routes.iter().find(|route| route.test.is_match(head, random))?;
        Some(Routed { table: self, virtual_host, route })
    }

    /// The virtual host of a request, whether or not one of its routes takes it.
    pub fn virtual_host(&self, head: &Head<'_>) -> Option<&VirtualHost> {
        let host = if self.ignore_port { head.host() } else { head.authority };
        self.virtual_hosts.get(self.hosts.find(host)?)
    }

    /// The same, with the way to it. For people who ask why.
    pub fn search(&self, head: &Head<'_>, random: u64) -> Search<'_> {
        let mut search = Search { virtual_host: self.virtual_host(head), passed: Vec::new(), routed: None };
        let Some(virtual_host) = search.virtual_host else { return search };
        if let Some(route) = virtual_host.secured(head) {
            search.routed = Some(Routed { table: self, virtual_host, route });
            return search;
        }
        for route in &virtual_host.routes {
            let because = route.test.mismatches(head, random);
            if because.is_empty() {
                search.routed = Some(Routed { table: self, virtual_host, route });
                break;
            }
            search.passed.push((route, because));
        }
        search
    }
}

impl VirtualHost {
    /// Whether it has any route; one without answers 404 to all.
    pub fn has_routes(&self) -> bool {
        !self.routes.is_empty()
    }

    fn parse(mut message: pb::VirtualHost) -> Result<Self, Bad> {
        let name = std::mem::take(&mut message.name);
        let filters = FilterConfigs::parse(std::mem::take(&mut message.typed_per_filter_config))?;
        let changes = Changes::parse(
            (
                std::mem::take(&mut message.request_headers_to_add),
                std::mem::take(&mut message.request_headers_to_remove),
            ),
            (
                std::mem::take(&mut message.response_headers_to_add),
                std::mem::take(&mut message.response_headers_to_remove),
            ),
        )?;
        let attempt_count = std::mem::take(&mut message.include_request_attempt_count);
        let attempt_count_in_response = std::mem::take(&mut message.include_attempt_count_in_response);
        let retry = message.retry_policy.take().map(RetryPolicy::parse).transpose().at("retry_policy")?;
        let routes = std::mem::take(&mut message.routes).into_iter().enumerate();
        let mut routes: Vec<Route> =
            routes.map(|(i, route)| Route::parse(route).at_index("routes", i)).collect::<Result<_, _>>()?;
        for route in &mut routes {
            if let Action::Forward(forward) = &mut route.action {
                forward.retry = forward.retry.take().or_else(|| retry.clone());
            }
        }
        let provenance = Provenance::parse(message.metadata.take());
        let secure = Secure::parse(std::mem::take(&mut message.require_tls), &provenance)?;
        nothing_left(&message)?;
        let name = name.into();
        Ok(Self { name, attempt_count, attempt_count_in_response, provenance, secure, routes, changes, filters })
    }

    /// The route to `https`, where the request has to go there first.
    fn secured(&self, head: &Head<'_>) -> Option<&Route> {
        let secure = self.secure.as_ref().filter(|_| head.scheme != "https")?;
        let internal = || head.headers.get("x-envoy-internal").is_some_and(|value| value == "true");
        if secure.spares_internal && internal() { None } else { Some(&secure.route) }
    }
}

impl Secure {
    fn parse(requirement: i32, provenance: &Provenance) -> Result<Option<Self>, Bad> {
        use pb::{redirect_action::SchemeRewriteSpecifier as S, virtual_host::TlsRequirementType as T};
        let spares_internal = match T::try_from(requirement) {
            Ok(T::None) => return Ok(None),
            Ok(T::ExternalOnly) => true,
            Ok(T::All) => false,
            Err(_) => return Err(Bad::new("require_tls", "is unknown")),
        };
        let redirect =
            pb::RedirectAction { scheme_rewrite_specifier: Some(S::HttpsRedirect(true)), ..Default::default() };
        let any = pb::RouteMatch {
            path_specifier: Some(pb::route_match::PathSpecifier::Prefix("/".into())),
            ..Default::default()
        };
        let route = Route::parse(pb::Route {
            r#match: Some(any),
            action: Some(pb::route::Action::Redirect(redirect)),
            ..Default::default()
        })?;
        Ok(Some(Self { spares_internal, route: Route { provenance: provenance.clone(), ..route } }))
    }
}

impl Route {
    fn parse(mut message: pb::Route) -> Result<Self, Bad> {
        use pb::route::Action as A;
        let matching = message.r#match.take().ok_or_else(|| Bad::new("match", "is missing"))?;
        let test = RouteTest::parse(matching).at("match")?;
        let action = match message.action.take() {
            Some(A::Route(action)) => Forward::parse(action).map(|f| Action::Forward(Box::new(f))).at("route")?,
            Some(A::Redirect(action)) => Redirect::parse(action).map(Action::Redirect).at("redirect")?,
            Some(A::DirectResponse(action)) => {
                DirectResponse::parse(action).map(Action::Direct).at("direct_response")?
            }
            Some(A::FilterAction(_) | A::NonForwardingAction(_)) => {
                return Err(Bad::new("action", "is of a kind that is not supported"));
            }
            None => return Err(Bad::new("action", "is missing")),
        };
        let changes = Changes::parse(
            (
                std::mem::take(&mut message.request_headers_to_add),
                std::mem::take(&mut message.request_headers_to_remove),
            ),
            (
                std::mem::take(&mut message.response_headers_to_add),
                std::mem::take(&mut message.response_headers_to_remove),
            ),
        )?;
        let filters = FilterConfigs::parse(std::mem::take(&mut message.typed_per_filter_config))?;
        let operation = message.decorator.take().map(|d| d.operation.into());
        let provenance = Provenance::parse(message.metadata.take());
        let name = std::mem::take(&mut message.name).into();
        // Only the name of a set of statistics.
        message.stat_prefix.clear();
        nothing_left(&message)?;
        Ok(Self { name, action, operation, provenance, test, changes, filters })
    }
}

impl<'a> Routed<'a> {
    /// The objects that had a say so far.
    pub fn deciders(&self) -> Deciders<'a> {
        Deciders {
            virtual_host: Some(&self.virtual_host.provenance),
            route: Some(&self.route.provenance),
            ..Deciders::default()
        }
    }

    /// The fault to inject, from the route or its virtual host.
    pub fn fault(&self) -> Option<&Fault> {
        self.route.filters.fault.as_ref().or(self.virtual_host.filters.fault.as_ref())
    }

    /// The cross-origin policy, from the route or its virtual host.
    pub fn cors(&self) -> Option<&Cors> {
        self.route.filters.cors.as_ref().or(self.virtual_host.filters.cors.as_ref())
    }

    /// The header changes in the order of their application: the most specific first.
    pub fn changes<'b>(&'b self, target: Option<&'b Target>) -> impl Iterator<Item = &'b Changes> {
        let outer = [&self.route.changes, &self.virtual_host.changes, &self.table.changes];
        target.map(|t| &t.changes).into_iter().chain(outer)
    }

    /// How many bytes of the path the route's test consumed; what a rewrite of a prefix replaces.
    pub fn matched(&self, head: &Head<'_>) -> usize {
        self.route.test.matched(head)
    }
}

type HeadersToChange = (Vec<mesh_proto::envoy::envoy::config::core::v3::HeaderValueOption>, Vec<String>);

impl Changes {
    fn parse(request: HeadersToChange, response: HeadersToChange) -> Result<Self, Bad> {
        Ok(Self {
            request: HeaderChanges::parse("request", request.0, request.1)?,
            response: HeaderChanges::parse("response", response.0, response.1)?,
        })
    }
}

impl FilterConfigs {
    fn parse(configs: HashMap<String, Any>) -> Result<Self, Bad> {
        let mut found = Self::default();
        for (name, any) in configs {
            let at = format!("typed_per_filter_config[{name}]");
            match type_name(&any) {
                "envoy.extensions.filters.http.fault.v3.HTTPFault" => {
                    found.fault = Some(typed(&any).and_then(Fault::parse).at(&at)?);
                }
                "envoy.extensions.filters.http.cors.v3.CorsPolicy" => {
                    found.cors = Some(typed(&any).and_then(Cors::parse).at(&at)?);
                }
                other => return Err(Bad::new(at, format!("`{other}` is not supported"))),
            }
        }
        Ok(found)
    }
}

impl Provenance {
    /// Reads `filter_metadata`: `istio` as Istio writes it, `lateen` as our own control plane does.
    pub(crate) fn parse(metadata: Option<Metadata>) -> Self {
        let metadata = metadata.unwrap_or_default().filter_metadata;
        let text = |filter: &str, key: &str| metadata.get(filter).and_then(|s| text_of(s, key)).map(Into::into);
        Self { config: text("istio", "config"), object: text("lateen", "object"), field: text("lateen", "path") }
    }
}

/// `KIND NAMESPACE/NAME FIELD`, as people write it; `-` where no object is named.
impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(object) = &self.object else { return f.write_str("-") };
        f.write_str(&object.replacen('/', " ", 1))?;
        self.field.iter().try_for_each(|field| write!(f, " {field}"))
    }
}

/// Whether an `UpgradeConfig` of a name is on.
fn upgrade_enabled(config: &pb::route_action::UpgradeConfig) -> bool {
    flag(config.enabled).unwrap_or(true)
}

#[cfg(test)]
mod tests;
