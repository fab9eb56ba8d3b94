//! From what proxies remember to hosts, services and a Sidecar object. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use mesh_model::{
    config::OutboundPolicyMode,
    registry::{Origin, Service},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{explain::World, table::Table};

/// `/lateen/scope` of one proxy.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Page {
    /// Clusters of its scope that were called.
    pub called: Vec<CalledCluster>,
    /// Destinations out of its scope that were called.
    pub missed: Vec<Missed>,
}

/// A cluster and how often it was called.
#[derive(Clone, Debug, Deserialize)]
pub struct CalledCluster {
    /// `outbound|PORT|SUBSET|HOST`
    pub cluster: String,
    /// Requests or connections.
    pub calls: u64,
}

/// A destination and how often it was called.
#[derive(Clone, Debug, Deserialize)]
pub struct Missed {
    /// Where it was going.
    pub address: SocketAddr,
    /// Host of the request or server name of TLS, where one was seen.
    pub host: Option<String>,
    /// Requests or connections.
    pub calls: u64,
}

/// How a host stands to the workload's scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Seen {
    /// It is in scope.
    InScope,
    /// The mesh knows it, and the workload's scope does not have it.
    Missed,
    /// The mesh does not know it.
    Unknown,
}

/// A host that was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Called {
    /// The service's host; of what the mesh does not know, the name or address that was called.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Requests or connections, of all pods together.
    pub calls: u64,
    /// How it stands to the scope.
    pub scope: Seen,
    /// `KIND NAMESPACE/NAME` of what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The namespace that a Sidecar imports it from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What a workload called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// By scope, then host and port.
    pub called: Vec<Called>,
}

impl Learned {
    /// Puts together what the proxies of one workload remember; `world` is that of one of them.
    pub fn of(world: &World, pages: &[Page]) -> Self {
        let mut called: BTreeMap<(Seen, String, u16), Called> = BTreeMap::new();
        let mut add = |call: Called| {
            let known = called.entry((call.scope, call.host.clone(), call.port));
            known.or_insert(Called { calls: 0, ..call.clone() }).calls += call.calls;
        };
        for page in pages {
            page.called.iter().filter_map(|of| in_scope(world, of)).for_each(&mut add);
            page.missed.iter().map(|of| missed(world, of)).for_each(&mut add);
        }
        Self { called: called.into_values().collect() }
    }

    /// For people.
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["HOST", "PORT", "CALLS", "SCOPE", "WHAT IT IS"]);
        for Called { host, port, calls, scope, object, .. } in &self.called {
            let scope = match scope {
                Seen::InScope => "in scope",
                Seen::Missed => "missed",
                Seen::Unknown => "unknown",
            };
            let what = object.as_deref().unwrap_or("the mesh does not know it");
            table.row([host.as_str(), &port.to_string(), &calls.to_string(), scope, what]);
        }
        table
    }

    /// A Sidecar for just these hosts; none where no host of the mesh was called. What a Sidecar that applies now says
    /// of unknown destinations it goes on saying.
    pub fn sidecar(
        &self,
        world: &World,
        name: &str,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Option<Value> {
        let import = |call: &Called| Some(format!("{}/{}", call.namespace.as_ref()?, call.host));
        let hosts: BTreeSet<String> = self.called.iter().filter_map(import).collect();
        if hosts.is_empty() {
            return None;
        }
        let mut spec = json!({ "egress": [{ "hosts": hosts }] });
        if !labels.is_empty() {
            spec["workloadSelector"] = json!({ "labels": labels });
        }
        if let Some(mode) = world.own_policy() {
            let mode = if mode == OutboundPolicyMode::AllowAny { "ALLOW_ANY" } else { "REGISTRY_ONLY" };
            spec["outboundTrafficPolicy"] = json!({ "mode": mode });
        }
        Some(json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "Sidecar",
            "metadata": { "name": name, "namespace": namespace },
            "spec": spec,
        }))
    }

    /// What the Sidecar cannot say, a line each.
    pub fn comments(&self, world: &World) -> Vec<String> {
        let unknown = self.called.iter().filter(|call| call.scope == Seen::Unknown).map(|call| {
            // Who called it chose the name.
            let (host, port, calls) = (call.host.escape_default(), call.port, call.calls);
            format!("not here: {host} port {port} ({calls} calls), which the mesh does not know; a ServiceEntry would make it known")
        });
        let replaced = world.own_sidecar().map(|object| {
            format!("it takes the place of {object} for these pods; ingress and proxies that are set there, set here as well")
        });
        replaced.into_iter().chain(unknown).collect()
    }
}

/// `outbound|PORT|SUBSET|HOST`
fn in_scope(world: &World, of: &CalledCluster) -> Option<Called> {
    let mut parts = of.cluster.split('|').skip(1);
    let (port, _subset, host) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let service = world.service_of_host(host);
    Some(Called {
        host: host.to_owned(),
        port,
        calls: of.calls,
        scope: Seen::InScope,
        object: service.map(|service| object(service)),
        namespace: service.map(|service| service.namespace.clone()),
    })
}

fn missed(world: &World, of: &Missed) -> Called {
    let port = of.address.port();
    match world.service_of(of.address.ip(), of.host.as_deref()) {
        Some(service) => Called {
            host: service.host.to_string(),
            port,
            calls: of.calls,
            // It may have come into scope since.
            scope: if world.sees(service) { Seen::InScope } else { Seen::Missed },
            object: Some(object(service)),
            namespace: Some(service.namespace.clone()),
        },
        None => Called {
            host: of.host.clone().unwrap_or_else(|| of.address.ip().to_string()),
            port,
            calls: of.calls,
            scope: Seen::Unknown,
            object: None,
            namespace: None,
        },
    }
}

fn object(service: &Service) -> String {
    match &service.origin {
        Origin::Kubernetes => format!("Service {}/{}", service.namespace, service.name),
        Origin::ServiceEntry(name) => format!("ServiceEntry {}/{name}", service.namespace),
    }
}
