//! Routes and their parents: which listeners or services a route applies to, and why not to others.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/#parentreference>

use std::sync::Arc;

use istio_api::gateway_api as api;
use mesh_types::Hostname;

use super::{
    ParentReport, RouteKind, RouteReport, Verdict,
    bind::{Binder, Place},
    gateways::Plan,
    routes::{Route, Rules},
    world::World,
};
use crate::config::PortNumber;

/// Attaches a route to its parents; none where no parent is ours.
pub(super) fn route(
    world: &World<'_>,
    plans: &mut [Plan],
    route: &Route<'_>,
    binder: &mut Binder,
) -> Option<RouteReport> {
    let mut parents: Vec<ParentReport> = Vec::new();
    for parent in route.parents {
        let group = parent.group.as_ref().map_or(api::GROUP, |group| group);
        let namespace = if parent.namespace.is_empty() { &route.meta.namespace } else { &*parent.namespace };
        let attached = match (group, &*parent.kind) {
            (api::GROUP, "" | "Gateway") => {
                let ours =
                    |p: &&mut Plan| *p.gateway.meta.namespace == *namespace && *p.gateway.meta.name == *parent.name;
                let Some(plan) = plans.iter_mut().find(ours) else { continue };
                to_gateway(world, plan, route, parent, binder)
            }
            ("", "Service") => match world.service(namespace, &parent.name) {
                Some(service) => to_mesh(route, parent, namespace, std::slice::from_ref(&service.host), binder),
                None => Err(Verdict::no(
                    "NoMatchingParent",
                    format!("there is no Service {} in {namespace}", &*parent.name),
                )),
            },
            ("networking.istio.io", "ServiceEntry") => match world.entry(namespace, &parent.name) {
                Some(entry) => to_mesh(route, parent, namespace, &entry.spec.hosts, binder),
                None => Err(Verdict::no(
                    "NoMatchingParent",
                    format!("there is no ServiceEntry {} in {namespace}", &*parent.name),
                )),
            },
            _ => continue,
        };
        parents.push(report(route, parent, attached));
    }
    let (object, generation) = (route.meta.object(), route.meta.generation);
    (!parents.is_empty()).then_some(RouteReport { object, generation, parents })
}

fn report(route: &Route<'_>, parent: &api::ParentRef, attached: Result<(), Verdict>) -> ParentReport {
    let all_wrong = !route.wrong.is_empty() && route.wrong.len() >= route.count;
    let accepted = match attached {
        Err(refused) => refused,
        Ok(()) if all_wrong => Verdict::no("UnsupportedValue", route.wrong.join("; ")),
        Ok(()) => Verdict::yes("Accepted", "the route is attached"),
    };
    let some_wrong = accepted.holds && !route.wrong.is_empty();
    ParentReport {
        parent: parent.clone(),
        accepted,
        resolved: route.resolved.clone(),
        partially_invalid: some_wrong.then(|| format!("Dropped Rule(s): {}", route.wrong.join("; "))),
    }
}

fn to_gateway(
    world: &World<'_>,
    plan: &mut Plan,
    route: &Route<'_>,
    parent: &api::ParentRef,
    binder: &mut Binder,
) -> Result<(), Verdict> {
    let own = Arc::clone(&plan.gateway.meta.namespace);
    let gateway = Arc::clone(&plan.gateway);
    let named = |given: &api::Listener| {
        (parent.section_name.is_empty() || given.name == parent.section_name)
            && parent.port.is_none_or(|port| given.port == port)
    };
    let mut left: Vec<usize> = (0..plan.listeners.len()).filter(|i| named(&gateway.spec.listeners[*i])).collect();
    if left.is_empty() {
        return Err(Verdict::no("NoMatchingParent", "the Gateway has no listener of that name or port"));
    }
    left.retain(|i| plan.listeners[*i].report.kinds.contains(&route.kind));
    if left.is_empty() {
        return Err(Verdict::no("NotAllowedByListeners", format!("no listener takes a {}", route.kind.word())));
    }
    left.retain(|i| {
        let allowed = gateway.spec.listeners[*i].allowed_routes.as_ref().and_then(|a| a.namespaces.as_ref());
        world.is_allowed(allowed, &own, &route.meta.namespace)
    });
    if left.is_empty() {
        let message = format!("no listener takes routes of namespace {}", route.meta.namespace);
        return Err(Verdict::no("NotAllowedByListeners", message));
    }
    let hosts = |i: usize| intersection(plan.listeners[i].hostname.as_ref(), &route.hostnames);
    let found: Vec<(usize, Vec<Hostname>)> =
        left.into_iter().map(|i| (i, hosts(i))).filter(|(_, hosts)| !hosts.is_empty()).collect();
    if found.is_empty() {
        return Err(Verdict::no("NoMatchingListenerHostname", "no listener has a hostname in common with the route"));
    }
    for (i, hosts) in found {
        plan.listeners[i].report.attached += 1;
        if !plan.is_served(&plan.listeners[i]) {
            continue;
        }
        let place = Place::Gateway { namespace: Arc::clone(&own), name: Arc::clone(&plan.listeners[i].name) };
        for host in hosts {
            bind(binder, place.clone(), host, route, None);
        }
    }
    Ok(())
}

/// The hosts that both have, each as narrow as the narrower.
fn intersection(listener: Option<&Hostname>, route: &[Hostname]) -> Vec<Hostname> {
    match (listener, route) {
        (None, []) => vec![Hostname::everything()],
        (Some(listener), []) => vec![listener.clone()],
        (None, route) => route.to_vec(),
        (Some(listener), route) => {
            let both = |host: &Hostname| {
                if listener.contains(host) {
                    Some(host.clone())
                } else {
                    host.contains(listener).then(|| listener.clone())
                }
            };
            route.iter().filter_map(both).collect()
        }
    }
}

/// In the namespace of the service a route is for all callers; elsewhere for the callers there.
///
/// <https://gateway-api.sigs.k8s.io/mesh/#producer-routes-versus-consumer-routes>
fn to_mesh(
    route: &Route<'_>,
    parent: &api::ParentRef,
    namespace: &str,
    hosts: &[Hostname],
    binder: &mut Binder,
) -> Result<(), Verdict> {
    let port = parent.port.and_then(|port| u16::try_from(port).ok()).and_then(PortNumber::new);
    let is_consumer = *route.meta.namespace != *namespace;
    let place = Place::Mesh { namespace: Arc::clone(&route.meta.namespace), is_consumer };
    // Requests are known by the service's address, and their hosts do not matter. Of TLS only the server name is seen.
    let meant = |host: &Hostname| match route.kind {
        RouteKind::Tls => intersection(Some(host), &route.hostnames),
        RouteKind::Http | RouteKind::Grpc => vec![host.clone()],
    };
    let hosts: Vec<Hostname> = hosts.iter().flat_map(meant).collect();
    if hosts.is_empty() {
        return Err(Verdict::no("NoMatchingListenerHostname", "the parent has none of the route's hostnames"));
    }
    for host in hosts {
        bind(binder, place.clone(), host, route, port);
    }
    Ok(())
}

fn bind(binder: &mut Binder, place: Place, host: Hostname, route: &Route<'_>, port: Option<PortNumber>) {
    match &route.rules {
        Rules::Http(routes) => {
            for (rank, http) in routes {
                let mut http = http.clone();
                http.matches.iter_mut().for_each(|m| m.port = port);
                binder.http(place.clone(), host.clone(), route.meta, rank.clone(), http);
            }
        }
        Rules::Tls(to) => binder.tls(place, host, port, route.meta, to),
    }
}
