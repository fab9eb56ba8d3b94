//! Backends: what a route may send to.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/#backendobjectreference>

use std::num::NonZeroU32;

use istio_api::gateway_api as api;
use mesh_types::Hostname;

use super::{
    Verdict,
    world::{Namer, World},
};
use crate::config::{Destination, Meta, PortNumber, WeightedDestination};

/// Where a backend is, or why it is not.
pub(super) fn destination(world: &World<'_>, by: Namer<'_>, backend: &api::ObjectRef) -> Result<Destination, Verdict> {
    let name = &*backend.name;
    let port = backend.port.and_then(|port| u16::try_from(port).ok()).and_then(PortNumber::new);
    let has_port = || port.ok_or_else(|| Verdict::no("UnsupportedValue", format!("backend {name} needs a port")));
    let namespace = if backend.namespace.is_empty() { by.namespace } else { &*backend.namespace };
    match (&*backend.group, &*backend.kind) {
        ("", "" | "Service") => {
            if !world.is_granted(by, "", "Service", namespace, name) {
                let message = format!(
                    "namespace {namespace} has no ReferenceGrant for Service {name} to {}s of {}",
                    by.kind, by.namespace
                );
                return Err(Verdict::no("RefNotPermitted", message));
            }
            let Some(service) = world.service(namespace, name) else {
                return Err(Verdict::no("BackendNotFound", format!("there is no Service {name} in {namespace}")));
            };
            let port = has_port()?;
            if service.port(port.get()).is_none() {
                return Err(Verdict::no(
                    "BackendNotFound",
                    format!("Service {name} of {namespace} has no port {port}"),
                ));
            }
            Ok(Destination { host: service.host.clone(), subset: None, port: Some(port) })
        }
        ("networking.istio.io", "Hostname") => {
            if !backend.namespace.is_empty() {
                return Err(Verdict::no("UnsupportedValue", "a backend of kind Hostname has no namespace"));
            }
            let port = has_port()?;
            let known = Hostname::parse(name).ok().filter(|host| world.knows_host(host, by.namespace));
            let missing = || Verdict::no("BackendNotFound", format!("no service of the mesh has the host {name}"));
            Ok(Destination { host: known.ok_or_else(missing)?, subset: None, port: Some(port) })
        }
        (group, kind) => {
            let message = format!(
                "a backend cannot be a {kind} of group `{group}`; use Service, or Hostname of networking.istio.io"
            );
            Err(Verdict::no("InvalidKind", message))
        }
    }
}

/// What stands for a backend that is not there. No service can have this name (RFC 2606).
pub(super) fn nowhere(backend: &api::ObjectRef, namespace: &str) -> Option<Destination> {
    let namespace = if backend.namespace.is_empty() { namespace } else { &*backend.namespace };
    let host = Hostname::parse(&format!("{}.{namespace}.invalid", &*backend.name)).ok()?;
    let port = backend.port.and_then(|port| u16::try_from(port).ok()).and_then(PortNumber::new);
    Some(Destination { host, subset: None, port })
}

/// Where connections go by weight. The share of a backend that is not there goes nowhere, and so does all where there is no
/// backend: at a sidecar, connections without a way would leave by the direct one.
pub(super) fn connections(
    world: &World<'_>,
    meta: &Meta,
    rules: &[api::TlsRule],
) -> (Vec<WeightedDestination>, Verdict) {
    let by = Namer { kind: "TLSRoute", namespace: &meta.namespace };
    let mut resolved = Verdict::yes("ResolvedRefs", "every backend is there");
    let mut found = Vec::new();
    // A connection has nothing that a second rule could ask for.
    for backend in rules.iter().take(1).flat_map(|rule| &rule.backend_refs) {
        let reference = api::ObjectRef {
            group: backend.group.clone(),
            kind: backend.kind.clone(),
            name: backend.name.clone(),
            namespace: backend.namespace.clone(),
            port: backend.port,
        };
        let weight = NonZeroU32::new(u32::try_from(backend.weight.unwrap_or(1)).unwrap_or_default());
        let destination = destination(world, by, &reference).or_else(|verdict| {
            if resolved.holds {
                resolved = verdict;
            }
            nowhere(&reference, &meta.namespace).ok_or(())
        });
        found.extend(
            destination.ok().zip(weight).map(|(destination, weight)| WeightedDestination { destination, weight }),
        );
    }
    if found.is_empty() {
        let none = api::ObjectRef { name: api::Name(meta.name.to_string()), ..api::ObjectRef::default() };
        let destination = nowhere(&none, &meta.namespace);
        found.extend(destination.map(|destination| WeightedDestination { destination, weight: NonZeroU32::MIN }));
    }
    (found, resolved)
}
