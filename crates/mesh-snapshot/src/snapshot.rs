//! The whole world at one moment, and the store of resources that it is built from.

use std::{
    collections::BTreeMap,
    hash::Hasher,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use mesh_proto::{
    Any,
    envoy::envoy::config::{
        cluster::v3 as cluster, endpoint::v3 as endpoint, listener::v3 as listener, route::v3 as route,
    },
    envoy::envoy::extensions::transport_sockets::tls::v3::Secret,
};
use rustc_hash::{FxHashMap, FxHasher};

use crate::{
    cluster::{ClusterConfig, Discovery, DnsFamily, NameTerms},
    endpoint::Assignment,
    host::{Cluster, Inputs},
    http::{HttpManager, RouteSource},
    listener::{FilterChain, Handler, Listener},
    refusal::{Bad, Kind, Refused},
    route::RouteTable,
    take::typed,
    tls::{Origin, Vault, parse_secret},
};

/// Addresses that DNS gave for a name, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved(pub Vec<IpAddr>);

impl Resolved {
    /// The addresses that count under a family.
    pub(crate) fn of_family(&self, family: DnsFamily) -> Vec<IpAddr> {
        let v4 = || self.0.iter().copied().filter(IpAddr::is_ipv4).collect::<Vec<_>>();
        let v6 = || self.0.iter().copied().filter(IpAddr::is_ipv6).collect::<Vec<_>>();
        match family {
            DnsFamily::All => self.0.clone(),
            DnsFamily::V4 => v4(),
            DnsFamily::V6 => v6(),
            DnsFamily::V4Preferred => {
                if v4().is_empty() {
                    v6()
                } else {
                    v4()
                }
            }
            DnsFamily::V6Preferred => {
                if v6().is_empty() {
                    v4()
                } else {
                    v6()
                }
            }
        }
    }
}

/// An immutable world: everything that a request asks.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Counts up with each build.
    pub generation: u64,
    listeners: BTreeMap<Arc<str>, Arc<Listener>>,
    /// Listeners by address, as connections are handed over.
    by_address: FxHashMap<SocketAddr, Arc<Listener>>,
    routes: FxHashMap<Arc<str>, Arc<RouteTable>>,
    clusters: FxHashMap<Arc<str>, Arc<Cluster>>,
}

impl Snapshot {
    /// All listeners, by name.
    pub fn listeners(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.listeners.values()
    }

    /// The listener of that name.
    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.get(name)
    }

    /// The listener that takes a connection which came in at `bound` on its way to `destination`.
    ///
    /// A listener that hands over looks for one at the very destination, then for one at any address with its port;
    /// where there is none it takes the connection itself.
    pub fn listener_for<'a>(&'a self, bound: &'a Arc<Listener>, destination: SocketAddr) -> &'a Arc<Listener> {
        if !bound.hands_over {
            return bound;
        }
        let any: IpAddr = match destination {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let any = SocketAddr::new(any, destination.port());
        let found = self.by_address.get(&destination).or_else(|| self.by_address.get(&any));
        // A listener with a socket of its own is reached through that.
        found.filter(|listener| !listener.binds).unwrap_or(bound)
    }

    /// The routes of an HTTP connection manager; none while they have not come.
    pub fn routes<'a>(&'a self, manager: &'a HttpManager) -> Option<&'a Arc<RouteTable>> {
        match &manager.routes {
            RouteSource::Inline(table) => Some(table),
            RouteSource::Named(name) => self.routes.get(name),
        }
    }

    /// All named route tables.
    pub fn route_tables(&self) -> impl Iterator<Item = &Arc<RouteTable>> {
        self.routes.values()
    }

    /// The cluster of that name.
    pub fn cluster(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.clusters.get(name)
    }

    /// All clusters.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.clusters.values()
    }
}

/// What a store needs beside what was sent to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Names of endpoint assignments (EDS).
    pub endpoints: Vec<Arc<str>>,
    /// Names of route configurations (RDS).
    pub routes: Vec<Arc<str>>,
    /// Names of secrets (SDS).
    pub secrets: Vec<Arc<str>>,
    /// Files to read, and whether the machine's roots are wanted.
    pub files: Vec<Origin>,
    /// Names for DNS.
    pub names: Vec<(String, NameTerms)>,
}

/// Resources as they were last sent and found good.
#[derive(Debug, Default)]
pub struct Store {
    listeners: BTreeMap<Arc<str>, Arc<Listener>>,
    routes: FxHashMap<Arc<str>, Arc<RouteTable>>,
    clusters: BTreeMap<Arc<str>, Arc<ClusterConfig>>,
    assignments: FxHashMap<Arc<str>, Arc<Assignment>>,
    resolved: FxHashMap<String, Arc<Resolved>>,
    vault: Vault,
}

impl Store {
    /// Takes a resource in; a bad one is refused and what was there before stays.
    ///
    /// # Errors
    /// The resource is refused.
    pub fn put(&mut self, kind: Kind, name: &str, any: &Any) -> Result<(), Refused> {
        self.try_put(kind, name, any).map_err(|bad| Refused { kind, name: name.to_owned(), bad })
    }

    fn try_put(&mut self, kind: Kind, name: &str, any: &Any) -> Result<(), Bad> {
        match kind {
            Kind::Listener => {
                let parsed = Listener::parse(typed::<listener::Listener>(any)?)?;
                self.listeners.insert(named(name, &parsed.name)?, Arc::new(parsed));
            }
            Kind::Route => {
                let parsed = RouteTable::parse(typed::<route::RouteConfiguration>(any)?)?;
                self.routes.insert(named(name, &parsed.name)?, Arc::new(parsed));
            }
            Kind::Cluster => {
                let mut version = FxHasher::default();
                version.write(&any.value);
                let parsed = ClusterConfig::parse(typed::<cluster::Cluster>(any)?, version.finish())?;
                self.clusters.insert(named(name, &parsed.name)?, Arc::new(parsed));
            }
            Kind::Endpoints => {
                let parsed = Assignment::parse(typed::<endpoint::ClusterLoadAssignment>(any)?)?;
                // The same endpoints again change nothing.
                if self.assignments.get(name).is_none_or(|before| **before != parsed) {
                    self.assignments.insert(name.into(), Arc::new(parsed));
                }
            }
            Kind::Secret => {
                let (own, material) = parse_secret(typed::<Secret>(any)?)?;
                self.vault.put(Origin::Secret(named(name, &own)?), material);
            }
        }
        Ok(())
    }

    /// Drops a resource.
    pub fn remove(&mut self, kind: Kind, name: &str) {
        match kind {
            Kind::Listener => drop(self.listeners.remove(name)),
            Kind::Route => drop(self.routes.remove(name)),
            Kind::Cluster => drop(self.clusters.remove(name)),
            Kind::Endpoints => drop(self.assignments.remove(name)),
            Kind::Secret => self.vault.remove(&Origin::Secret(name.into())),
        }
    }

    /// Takes in what DNS said; whether that is news.
    pub fn resolve(&mut self, name: &str, addresses: Vec<IpAddr>) -> bool {
        let resolved = Arc::new(Resolved(addresses));
        let before = self.resolved.insert(name.to_owned(), resolved.clone());
        before.is_none_or(|before| before != resolved)
    }

    /// Takes in what a file holds; none: it cannot be read. Whether that is news.
    pub fn read(&mut self, file: &Origin, bytes: Option<Vec<u8>>) -> bool {
        self.vault.read(file, bytes)
    }

    /// Forgets files that are not among these.
    pub fn keep_files(&mut self, keep: &[Origin]) {
        self.vault.keep(|origin| matches!(origin, Origin::Secret(_)) || keep.contains(origin));
    }

    /// Forgets what DNS said of other names than these.
    pub fn keep_names(&mut self, keep: impl Fn(&str) -> bool) {
        self.resolved.retain(|name, _| keep(name));
    }

    /// The names that the resources speak of.
    pub fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        for config in self.clusters.values() {
            if let Discovery::Sent { service } = &config.discovery {
                wanted.endpoints.push(service.clone());
            }
            wanted.names.extend(config.dns_names().map(|(name, terms)| (name.to_owned(), terms)));
        }
        let of_clusters = self.clusters.values().flat_map(|c| &c.tls).flat_map(|tls| tls.origins());
        let of_listeners = self.listeners.values().flat_map(|l| l.chains()).flat_map(|c| &c.tls);
        for origin in of_clusters.chain(of_listeners.flat_map(|tls| tls.origins())) {
            match origin {
                Origin::Secret(name) => wanted.secrets.push(name.clone()),
                file => wanted.files.push(file.clone()),
            }
        }
        wanted.routes = self.listeners.values().flat_map(|l| route_names(l)).collect();
        wanted.endpoints.sort_unstable();
        wanted.endpoints.dedup();
        wanted.routes.sort_unstable();
        wanted.routes.dedup();
        wanted.secrets.sort_unstable();
        wanted.secrets.dedup();
        wanted.files.sort_unstable();
        wanted.files.dedup();
        wanted.names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        wanted.names.dedup_by(|a, b| a.0 == b.0);
        wanted
    }

    /// Builds the world. What is not complete yet (a cluster without its endpoints, a listener without its routes)
    /// stays as it was in the previous one, or out.
    pub fn build(&self, previous: &Snapshot) -> Snapshot {
        let mut clusters = FxHashMap::default();
        for (name, config) in &self.clusters {
            let before = previous.clusters.get(name);
            let built = match self.inputs(config) {
                Some(inputs) => Some(Cluster::build(config, inputs, &self.vault, before)),
                None => before.cloned(),
            };
            clusters.extend(built.map(|cluster| (name.clone(), cluster)));
        }
        let complete = |l: &Arc<Listener>| route_names(l).all(|name| self.routes.contains_key(&name));
        let listeners: BTreeMap<Arc<str>, Arc<Listener>> = self
            .listeners
            .iter()
            .filter_map(|(name, listener)| {
                let before = previous.listeners.get(name);
                let listener = if complete(listener) { listener.ready(&self.vault, before) } else { before?.clone() };
                Some((name.clone(), listener))
            })
            .collect();
        let addresses = listeners.values().flat_map(|l| l.addresses.iter().map(|address| (*address, l.clone())));
        Snapshot {
            generation: previous.generation + 1,
            by_address: addresses.collect(),
            listeners,
            routes: self.routes.clone(),
            clusters,
        }
    }

    /// What a cluster's endpoints are made from; none while they have not come.
    fn inputs(&self, config: &ClusterConfig) -> Option<Inputs> {
        let sent = match &config.discovery {
            Discovery::Sent { service } => Some(self.assignments.get(service)?.clone()),
            _ => None,
        };
        let resolved = config.dns_names().map(|(name, ..)| self.resolved.get(name).cloned()).collect();
        Some(Inputs { sent, resolved })
    }
}

/// The resource's own name, which has to be the one that it was sent under.
fn named(sent: &str, own: &Arc<str>) -> Result<Arc<str>, Bad> {
    if sent == own.as_ref() { Ok(own.clone()) } else { Err(Bad::new("name", format!("is `{own}`, not `{sent}`"))) }
}

fn route_names(listener: &Listener) -> impl Iterator<Item = Arc<str>> {
    listener.chains().filter_map(|chain: &Arc<FilterChain>| match &chain.handler {
        Handler::Http(manager) => match &manager.routes {
            RouteSource::Named(name) => Some(name.clone()),
            RouteSource::Inline(_) => None,
        },
        Handler::Tcp(_) => None,
    })
}

#[cfg(test)]
mod tests;
