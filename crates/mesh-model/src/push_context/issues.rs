//! Issues that no single object shows: references that lead nowhere, and objects that claim the same thing.

mod gateways;

use std::sync::Arc;

use mesh_types::Hostname;
use rustc_hash::{FxHashMap, FxHashSet};

use super::PushContext;
use crate::{
    config::{Config, Destination, GatewayRef, Meta, Object, ObjectRef, RouteAction, VirtualService},
    expand::egress,
    issue::{FieldPath, Issue, Severity},
    registry::Service,
};

/// All of them, sorted, each once.
pub(super) fn find(push: &PushContext) -> Vec<Issue> {
    let mut found: Vec<Issue> = egress::plans(push.store()).into_iter().flat_map(|plan| plan.issues).collect();
    // What is derived is reported on by the status of what it is derived from.
    for (_, object) in push.routes.all().filter(|(_, object)| object.meta.derived.is_none()) {
        for (path, destination) in written_destinations(&object.spec) {
            check_destination(push, object, &path, destination, &mut found);
        }
    }
    for (root, origin, why) in &push.routes.lost {
        let path = FieldPath::root(&origin.path());
        let reason = format!("the rule is left out where `{}` delegates: {why}", root.meta.object());
        let way_out = "correct the name, export the delegate, or let its matches lie inside the root's".to_owned();
        found.push(Issue { object: origin.object.clone(), path, reason, way_out, severity: Severity::Warning });
    }
    found.extend(push.routes.unused.iter().map(|object| {
        let reason =
            "a VirtualService without hosts is a delegate, and none delegates to it; it does nothing".to_owned();
        let way_out = "add hosts, or name it as the delegate of a rule that has them".to_owned();
        warn(&object.meta, "spec.hosts", reason, way_out)
    }));
    duplicate_hosts(push, &mut found);
    duplicate_subsets(push, &mut found);
    unknown_rule_hosts(push, &mut found);
    several_sidecars(push, &mut found);
    gateways::find(push, &mut found);
    // What is derived is reported on by the status of what it is derived from.
    let derived = push.store().configs().map(Config::meta).filter(|meta| meta.derived.is_some());
    let derived: FxHashSet<ObjectRef> = derived.map(Meta::object).collect();
    found.retain(|issue| !derived.contains(&issue.object));
    found.sort();
    found.dedup();
    found
}

fn warn(meta: &Meta, path: &str, reason: String, way_out: String) -> Issue {
    let path = FieldPath::root(meta.derived.as_ref().map_or(path, |derived| &derived.path));
    Issue { object: meta.user_object(), path, reason, way_out, severity: Severity::Warning }
}

fn written_destinations(spec: &VirtualService) -> Vec<(String, &Destination)> {
    let mut found = Vec::new();
    for (i, route) in spec.http.iter().enumerate() {
        if let RouteAction::Forward(to) = &route.action {
            let path = |j| format!("spec.http[{i}].route[{j}].destination");
            found.extend(to.iter().enumerate().map(|(j, d)| (path(j), &d.destination)));
        }
        let path = |j| format!("spec.http[{i}].mirrors[{j}].destination");
        found.extend(route.mirrors.iter().enumerate().map(|(j, m)| (path(j), &m.destination)));
    }
    let lists = [
        ("tls", spec.tls.iter().map(|r| &r.route).collect::<Vec<_>>()),
        ("tcp", spec.tcp.iter().map(|r| &r.route).collect()),
    ];
    for (word, routes) in lists {
        for (i, to) in routes.into_iter().enumerate() {
            let path = |j| format!("spec.{word}[{i}].route[{j}].destination");
            found.extend(to.iter().enumerate().map(|(j, d)| (path(j), &d.destination)));
        }
    }
    found
}

fn check_destination(
    push: &PushContext,
    object: &Object<VirtualService>,
    path: &str,
    destination: &Destination,
    found: &mut Vec<Issue>,
) {
    let Destination { host, subset, port } = destination;
    let Some(service) = service_for(push, host) else {
        found.push(warn(
            &object.meta,
            &format!("{path}.host"),
            format!("no service is called `{host}`; requests sent there fail with 503 (NC)"),
            "correct the name, or add a Service or ServiceEntry of that name".to_owned(),
        ));
        return;
    };
    if let Some(port) = port
        && service.port(port.get()).is_none()
    {
        found.push(warn(
            &object.meta,
            &format!("{path}.port.number"),
            format!("service `{host}` has no port {port}; requests sent there fail with 503 (NC)"),
            format!("name one of its ports: {}", list(service.ports.iter().map(|p| p.number.to_string()))),
        ));
    }
    let Some(subset) = subset else { return };
    let rule = push.rules.find(push.mesh(), &object.meta.namespace, None, host, &service.namespace);
    if rule.is_none_or(|rule| rule.subset(subset).is_none()) {
        let known = rule.map(|r| list(r.subsets.iter().map(|(s, _)| s.name.clone()))).unwrap_or_default();
        let way_out = match known.is_empty() {
            true => format!("add a DestinationRule for `{host}` that defines it"),
            false => format!("name one of {known}, or define it in the DestinationRule"),
        };
        let reason =
            format!("no DestinationRule defines subset `{subset}` of `{host}`; requests sent there fail with 503 (NC)");
        found.push(warn(&object.meta, &format!("{path}.subset"), reason, way_out));
    }
}

fn list(words: impl Iterator<Item = String>) -> String {
    words.map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

fn service_for<'a>(push: &'a PushContext, host: &Hostname) -> Option<&'a Arc<Service>> {
    let exact = push.services_of_host(host).first();
    exact.or_else(|| push.services().iter().find(|s| s.host.is_wildcard() && s.host.contains(host)))
}

/// V2: the first VirtualService in order owns a host of the mesh.
fn duplicate_hosts(push: &PushContext, found: &mut Vec<Issue>) {
    let mut owners: FxHashMap<&Hostname, &Meta> = FxHashMap::default();
    // Only public ones are compared: they meet in every namespace.
    for object in push.routes.visible(&GatewayRef::Mesh, "") {
        for (i, host) in object.spec.hosts.iter().enumerate() {
            match owners.get(host) {
                None => {
                    owners.insert(host, &object.meta);
                }
                Some(owner) if owner.user_object() != object.meta.user_object() => found.push(warn(
                    &object.meta,
                    &format!("spec.hosts[{i}]"),
                    format!(
                        "`{host}` already belongs to the older {}; sidecars ignore this one's routes for it",
                        owner.user_object()
                    ),
                    "merge the routes into one VirtualService, or delegate to others from it".to_owned(),
                )),
                Some(_) => {}
            }
        }
    }
}

/// D3: the first definition of a subset wins.
fn duplicate_subsets(push: &PushContext, found: &mut Vec<Issue>) {
    for rule in push.rules.all().filter(|r| r.from.len() > 1) {
        for object in &rule.from {
            for (i, subset) in object.spec.subsets.iter().enumerate() {
                let owner = rule.subsets.iter().find(|(s, _)| s.name == subset.name).map(|(_, meta)| meta.object());
                let Some(owner) = owner.filter(|owner| *owner != object.meta.object()) else { continue };
                found.push(warn(
                    &object.meta,
                    &format!("spec.subsets[{i}].name"),
                    format!("subset `{}` of `{}` is already defined by the older {owner}", subset.name, rule.host),
                    "rename it, or define it in one place".to_owned(),
                ));
            }
        }
    }
}

fn unknown_rule_hosts(push: &PushContext, found: &mut Vec<Issue>) {
    for rule in push.rules.all() {
        let known = match rule.host.is_wildcard() {
            true => push.services().iter().any(|s| rule.host.contains(&s.host)),
            false => service_for(push, &rule.host).is_some(),
        };
        if !known {
            for object in &rule.from {
                found.push(warn(
                    &object.meta,
                    "spec.host",
                    format!("no service is called `{}`; the rule does nothing", rule.host),
                    "correct the name, or add a Service or ServiceEntry of that name".to_owned(),
                ));
            }
        }
    }
}

/// S1: of several Sidecars for the same workloads the oldest holds.
fn several_sidecars(push: &PushContext, found: &mut Vec<Issue>) {
    for sidecars in push.sidecars.by_namespace() {
        for (i, sidecar) in sidecars.iter().enumerate() {
            let selector = &sidecar.spec.workload_selector;
            let Some(older) = sidecars[..i].iter().find(|s| s.spec.workload_selector == *selector) else { continue };
            found.push(warn(
                &sidecar.meta,
                "spec.workloadSelector",
                format!("the older {} is for the same workloads; this one does nothing", older.meta.object()),
                "merge the two, or give them different selectors".to_owned(),
            ));
        }
    }
}
