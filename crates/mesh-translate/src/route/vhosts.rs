//! Virtual hosts of a route table.

use std::{collections::HashSet, sync::Arc};

use mesh_model::{
    config::{GatewayRef, Object, VirtualService},
    push_context::EgressListener,
    registry::{Port, Service},
};
use mesh_types::{Hostname, Protocol};
use rustc_hash::FxHashMap;

use super::{action, http, resolved};
use crate::{
    context::Context,
    dynamic,
    listener::unknown_cluster,
    names::RouteTable,
    pb::{
        self,
        route::{
            DirectResponseAction, Route, RouteAction, RouteMatch, VirtualHost, route::Action,
            route_action::ClusterSpecifier, route_match::PathSpecifier,
        },
    },
    provenance::Provenance,
    wire::ZERO,
};

/// The virtual hosts of a table.
pub(super) fn build(context: &Context<'_>, table: &RouteTable) -> Vec<VirtualHost> {
    match table {
        RouteTable::Port(port) => {
            let mut hosts = of_port(context, *port, None);
            let dialled = context.scope.listener_of(*port).is_some_and(EgressListener::is_dialled);
            hosts.push(rest(context, context.allows_any() && !dialled));
            hosts
        }
        RouteTable::Service(host, port) => {
            let mut hosts = of_port(context, *port, Some(host));
            // The listener is the service's alone, so that whatever name the client used is the right one.
            hosts.truncate(1);
            hosts.iter_mut().for_each(|h| h.domains = vec!["*".to_owned()]);
            hosts
        }
    }
}

/// Virtual hosts of all services with a port, or of one of them.
fn of_port(context: &Context<'_>, port: u16, only: Option<&Hostname>) -> Vec<VirtualHost> {
    let Some(listener) = context.scope.listener_of(port) else { return Vec::new() };
    let speaks_http = |s: &Service| served(listener, s, port).is_some_and(|p| can_be_http(p.protocol));
    let wanted = |s: &&Arc<Service>| only.is_none_or(|host| s.host == *host) && speaks_http(s);
    let services: Vec<&Arc<Service>> = listener.services.iter().filter(wanted).collect();
    let owners = owners(&listener.virtual_services, &services);
    let mut names = Names::default();
    let mut hosts = Vec::new();
    for (index, object) in listener.virtual_services.iter().enumerate() {
        let own: Vec<&Arc<Service>> =
            services.iter().filter(|s| owners.get(&s.host) == Some(&index)).copied().collect();
        // V16: a VirtualService alone brings a host to life only on port 80.
        if own.is_empty() && (port != 80 || only.is_some()) {
            continue;
        }
        let routes = http::routes(context, object, &GatewayRef::Mesh, port);
        if routes.is_empty() {
            continue;
        }
        let provenance = || Provenance::object(&object.meta, "spec.hosts");
        let strangers =
            object.spec.hosts.iter().filter(|host| only.is_none() && !services.iter().any(|s| host.contains(&s.host)));
        for host in strangers {
            let domains = domains_of_name(context, host);
            hosts.extend(names.host(host.as_str(), port, domains, routes.clone(), provenance()));
        }
        for service in own {
            let domains = domains(context, service);
            hosts.extend(names.host(service.host.as_str(), port, domains, routes.clone(), provenance()));
        }
    }
    for service in services {
        let number = served(listener, service, port).map_or(port, |p| p.number);
        let routes = vec![default_route(context, service, number)];
        let from = Provenance::of_service(service);
        hosts.extend(names.host(service.host.as_str(), port, domains(context, service), routes, from));
    }
    hosts
}

fn can_be_http(protocol: Protocol) -> bool {
    protocol.is_http() || protocol == Protocol::Auto
}

/// S6: the port of a service that is called at a port; the only one, where a listener owns that.
fn served<'a>(listener: &EgressListener, service: &'a Service, port: u16) -> Option<&'a Port> {
    let only = || service.ports.first().filter(|_| listener.port() == Some(port) && service.ports.len() == 1);
    service.port(port).or_else(only)
}

/// V2: for each service the VirtualService with the most specific host; of several with the same, the first.
fn owners(objects: &[Arc<Object<VirtualService>>], services: &[&Arc<Service>]) -> FxHashMap<Hostname, usize> {
    let mut owners = FxHashMap::default();
    let with_http = || objects.iter().enumerate().filter(|(_, o)| !o.spec.http.is_empty());
    for service in services {
        let claims = with_http().flat_map(|(index, o)| o.spec.hosts.iter().map(move |host| (host, index)));
        let best = claims
            .filter(|(host, _)| host.contains(&service.host))
            .min_by(|(a, i), (b, j)| a.specificity(b).then(i.cmp(j)));
        if let Some((_, index)) = best {
            owners.insert(service.host.clone(), index);
        }
    }
    owners
}

/// Names and domains that are taken: the first to come keeps them.
#[derive(Default)]
struct Names {
    hosts: HashSet<String>,
    domains: HashSet<String>,
}

impl Names {
    fn host(
        &mut self,
        host: &str,
        port: u16,
        domains: Vec<String>,
        routes: Vec<Route>,
        provenance: Provenance,
    ) -> Option<VirtualHost> {
        let name = format!("{host}:{port}");
        if !self.hosts.insert(name.clone()) {
            return None;
        }
        let domains: Vec<String> = domains.into_iter().filter(|d| self.domains.insert(d.clone())).collect();
        (!domains.is_empty()).then(|| VirtualHost {
            name,
            domains,
            routes,
            include_request_attempt_count: true,
            metadata: Some(provenance.metadata()),
            ..Default::default()
        })
    }
}

/// Every name that clients of the proxy's namespace may use for a service, its aliases' names included.
fn domains(context: &Context<'_>, service: &Service) -> Vec<String> {
    let mut names = domains_of_name(context, &service.host);
    if service.is_headless() {
        let pods: Vec<String> = names.iter().map(|name| format!("*.{name}")).collect();
        names.extend(pods);
    }
    // Where the name says where to go, an address is no name.
    let vips = if dynamic::is_dynamic(service) { Vec::new() } else { context.vips(service) };
    for ip in vips {
        names.push(if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
    }
    let seen = |alias: &&Arc<Service>| context.scope.service(&alias.host).is_some();
    for alias in context.push.aliases(&service.host).iter().filter(seen) {
        names.extend(domains_of_name(context, &alias.host));
    }
    names
}

/// A name, and its short forms where it is a service of the cluster.
fn domains_of_name(context: &Context<'_>, host: &Hostname) -> Vec<String> {
    let full = host.to_string();
    let suffix = format!(".svc.{}", context.view.cluster_domain());
    let mut names = vec![full.clone()];
    let Some((name, namespace)) = full.strip_suffix(&suffix).and_then(|short| short.rsplit_once('.')) else {
        return names;
    };
    if host.is_wildcard() {
        return names;
    }
    if namespace == context.view.namespace {
        names.push(name.to_owned());
    }
    names.extend([format!("{name}.{namespace}.svc"), format!("{name}.{namespace}")]);
    names
}

fn everything() -> RouteMatch {
    RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".to_owned())), ..Default::default() }
}

/// Everything to the service.
fn default_route(context: &Context<'_>, service: &Service, port: u16) -> Route {
    let service = resolved(context, &service.host).unwrap_or(service);
    Route {
        name: "default".to_owned(),
        r#match: Some(everything()),
        decorator: Some(pb::route::Decorator { operation: format!("{}:{port}/*", service.host), propagate: None }),
        action: Some(Action::Route(action::to_service(context, service, port))),
        ..Default::default()
    }
}

/// Hosts that nobody knows.
#[expect(deprecated, reason = "`max_grpc_timeout` is what Istio 1.25 writes")]
fn rest(context: &Context<'_>, may_leave: bool) -> VirtualHost {
    let (name, action) = if may_leave {
        let route = RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(unknown_cluster(context))),
            timeout: Some(ZERO),
            max_grpc_timeout: Some(ZERO),
            ..Default::default()
        };
        ("allow_any", Action::Route(route))
    } else {
        ("block_all", Action::DirectResponse(DirectResponseAction { status: 502, ..Default::default() }))
    };
    VirtualHost {
        name: name.to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![Route {
            name: name.to_owned(),
            r#match: Some(everything()),
            action: Some(action),
            ..Default::default()
        }],
        include_request_attempt_count: true,
        ..Default::default()
    }
}
