//! Resources for one proxy, made when they are asked for and kept as long as what they were made of stands.

use std::sync::Arc;

use mesh_proto::{Any, envoy::envoy::config::core::v3::Node, type_url};
use mesh_translate::{Built, ProxyView, names::Outbound};
use mesh_xds::{Resource, Wanted};
use rustc_hash::FxHashMap;

use crate::world::World;

/// All that was made for a proxy.
#[derive(Debug)]
pub struct Generation {
    node: Node,
    /// None before the first question, and when the node is no proxy.
    view: Option<ProxyView>,
    /// Version of the world that all of the below is right for, as far as it is there.
    world: u64,
    clusters: Option<List>,
    listeners: Option<List>,
    names: Option<List>,
    routes: ByName,
    endpoints: ByName,
    secrets: ByName,
    /// The service account that the proxy has proved to be of.
    account: Option<Arc<str>>,
}

type List = Vec<Arc<Resource>>;
type ByName = FxHashMap<Arc<str>, Arc<Resource>>;

impl Generation {
    /// Nothing is made yet.
    ///
    /// `account` is what the proxy has proved; without it there are no secrets.
    pub fn new(node: &Node, account: Option<Arc<str>>) -> Self {
        Self {
            node: node.clone(),
            view: None,
            world: 0,
            clusters: None,
            listeners: None,
            names: None,
            routes: ByName::default(),
            endpoints: ByName::default(),
            secrets: ByName::default(),
            account,
        }
    }

    /// Resources of a type in a world; none of a type that proxies do not get from pilot.
    pub fn resources(&mut self, world: &World, type_url: &str, wanted: &Wanted) -> Option<List> {
        self.move_to(world);
        let (view, mesh) = (self.view.as_ref()?, &world.mesh);
        Some(match type_url {
            type_url::CLUSTER => {
                self.clusters.get_or_insert_with(|| list(mesh_translate::clusters(view, mesh))).clone()
            }
            type_url::LISTENER => {
                self.listeners.get_or_insert_with(|| list(mesh_translate::listeners(view, mesh))).clone()
            }
            type_url::NAME_TABLE => {
                self.names.get_or_insert_with(|| list(mesh_translate::name_tables(view, mesh))).clone()
            }
            type_url::ROUTE => named(&mut self.routes, wanted, |names| mesh_translate::routes(view, mesh, names)),
            type_url::ENDPOINT => {
                named(&mut self.endpoints, wanted, |names| mesh_translate::endpoints(view, mesh, names))
            }
            type_url::SECRET if self.is_whose_pod_it_says(world) => {
                named(&mut self.secrets, wanted, |names| mesh_translate::secrets(view, mesh, names))
            }
            type_url::SECRET => Vec::new(),
            _ => return None,
        })
    }

    /// Whether the pod that the proxy says it is in runs as the account that it has proved: others of its namespace must
    /// not get a gateway's certificates by calling themselves so.
    fn is_whose_pod_it_says(&self, world: &World) -> bool {
        let pod = self.view.as_ref().and_then(|view| world.mesh.workload(&format!("{}/{}", view.namespace, view.name)));
        pod.is_some_and(|pod| self.account.as_deref() == Some(&pod.account))
    }

    /// Drops what is not right in this world.
    fn move_to(&mut self, world: &World) {
        if self.world == world.version {
            return;
        }
        let view = ProxyView::new(&self.node, &world.mesh).ok();
        if view != self.view || world.ages.shape > self.world {
            *self = Self { view, ..Self::new(&self.node, self.account.take()) };
        } else {
            let made = self.world;
            self.endpoints.retain(|name, _| world.ages.endpoints(&host(name)) <= made);
            if world.ages.secrets > made {
                self.secrets.clear();
            }
        }
        self.world = world.version;
    }
}

/// The host of a cluster's name.
fn host(cluster: &str) -> String {
    Outbound::parse(cluster).map_or_else(|| cluster.to_owned(), |parts| parts.host.to_string())
}

fn list(built: Vec<Built>) -> List {
    built.into_iter().map(resource).collect()
}

/// Those of these names, made as far as they are not there.
fn named(kept: &mut ByName, wanted: &Wanted, make: impl FnOnce(&[Arc<str>]) -> Vec<Built>) -> List {
    kept.retain(|name, _| wanted.names.contains(name));
    let missing: Vec<Arc<str>> = wanted.names.iter().filter(|name| !kept.contains_key(*name)).cloned().collect();
    if !missing.is_empty() {
        kept.extend(make(&missing).into_iter().map(resource).map(|r| (r.name.clone(), r)));
    }
    wanted.names.iter().filter_map(|name| kept.get(name).cloned()).collect()
}

fn resource(built: Built) -> Arc<Resource> {
    let body = Any { type_url: built.type_url.to_owned(), value: built.value };
    Arc::new(Resource::with_version(built.name, built.version, body))
}

#[cfg(test)]
mod tests;
