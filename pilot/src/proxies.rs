//! Who is connected, and how each stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use mesh_proto::envoy::envoy::config::core::v3::Node;
use mesh_types::NodeId;
use mesh_xds::{
    Wanted,
    machine::{Heard, Push, Record},
};

use crate::{auth::metadata, metrics::Metrics};

/// Node metadata of streams beside a proxy's own.
const BESIDE: &str = "LATEEN_BESIDE";

/// Every proxy that is connected. Clones are the same registry.
#[derive(Clone, Debug)]
pub struct Proxies {
    all: Arc<Mutex<Connections>>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Connections {
    last: u64,
    by_number: BTreeMap<u64, Arc<Proxy>>,
}

/// A connected proxy.
#[derive(Debug)]
pub struct Proxy {
    /// Who it says it is, as far as it was believed.
    pub id: NodeId,
    /// All that it says of itself.
    pub node: Node,
    /// The service account that it has proved to be of.
    pub account: Option<Arc<str>>,
    /// Where it calls from.
    pub address: Option<SocketAddr>,
    /// Since when.
    pub connected: SystemTime,
    types: Mutex<BTreeMap<String, Standing>>,
}

/// How a proxy stands with one type.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Nonces and refusals.
    pub record: Record,
    /// What it asked for.
    pub wanted: Wanted,
    /// When something was last sent.
    pub sent: Option<SystemTime>,
    /// When it last accepted something.
    pub accepted: Option<SystemTime>,
    /// Versions of what it was sent on this stream. What it had before and was not sent again is as pilot makes it.
    pub told: BTreeMap<Arc<str>, Arc<str>>,
    /// Of these, those that it has not answered.
    pub unanswered: BTreeSet<Arc<str>>,
    /// Of these, those that came in a response that it refused.
    pub refused: BTreeSet<Arc<str>>,
}

/// A place in the registry; leaves it when dropped.
#[derive(Debug)]
pub struct Place {
    proxies: Proxies,
    number: u64,
    proxy: Arc<Proxy>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is for display only, and whole at any moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxies {
    /// Nobody is connected.
    pub fn new(metrics: Metrics) -> Self {
        Self { all: Arc::default(), metrics }
    }

    /// Somebody connected.
    pub fn enter(&self, id: NodeId, node: Node, account: Option<Arc<str>>, address: Option<SocketAddr>) -> Place {
        let connected = SystemTime::now();
        let proxy = Arc::new(Proxy { id, node, account, address, connected, types: Mutex::default() });
        let mut all = lock(&self.all);
        all.last += 1;
        let number = all.last;
        all.by_number.insert(number, proxy.clone());
        self.metrics.connected(1);
        Place { proxies: self.clone(), number, proxy }
    }

    /// All of them, longest connected first; the agents that call beside their proxy left out.
    pub fn all(&self) -> Vec<Arc<Proxy>> {
        lock(&self.all).by_number.values().filter(|proxy| !proxy.is_beside()).cloned().collect()
    }

    /// The newest connection of a proxy, by `POD.NAMESPACE` or by its whole node id.
    pub fn find(&self, name: &str) -> Option<Arc<Proxy>> {
        let all = lock(&self.all);
        let of_name = |p: &&Arc<Proxy>| !p.is_beside() && (p.name() == name || p.node.id == name);
        all.by_number.values().rev().find(of_name).cloned()
    }
}

impl Proxy {
    /// `POD.NAMESPACE`, as istioctl names proxies.
    pub fn name(&self) -> String {
        format!("{}.{}", self.id.name, self.id.namespace)
    }

    /// Whether this is an agent that follows the names which it answers, beside the stream of its proxy: one workload is
    /// to be one row.
    fn is_beside(&self) -> bool {
        metadata(&self.node, BESIDE) == Some("true")
    }

    /// How it stands with each type.
    pub fn standings(&self) -> BTreeMap<String, Standing> {
        lock(&self.types).clone()
    }
}

impl Place {
    /// The proxy.
    pub fn proxy(&self) -> &Arc<Proxy> {
        &self.proxy
    }

    /// Notes what it asks for.
    pub fn wants(&self, type_url: &str, wanted: &Wanted) {
        let mut types = lock(&self.proxy.types);
        let standing = types.entry(type_url.to_owned()).or_default();
        if standing.wanted != *wanted {
            standing.wanted = wanted.clone();
        }
    }

    /// Notes what it is being sent.
    pub fn sent(&self, push: &Push, record: &Record) {
        self.note(&push.type_url, record);
        let mut types = lock(&self.proxy.types);
        let standing = types.entry(push.type_url.clone()).or_default();
        for name in &push.removed {
            standing.told.remove(name);
            standing.unanswered.remove(name);
            standing.refused.remove(name);
        }
        for resource in &push.resources {
            let before = standing.told.insert(resource.name.clone(), resource.version.clone());
            // The state-of-the-world flavour sends again what it sent before.
            if before.as_ref() != Some(&resource.version) {
                standing.refused.remove(&resource.name);
                standing.unanswered.insert(resource.name.clone());
            }
        }
    }

    /// Notes what it answers.
    pub fn heard(&self, type_url: &str, heard: &Heard, record: &Record) {
        self.note(type_url, record);
        let mut types = lock(&self.proxy.types);
        let standing = types.entry(type_url.to_owned()).or_default();
        match heard {
            Heard::Accepted => standing.unanswered.clear(),
            Heard::Refused(_) => standing.refused.append(&mut standing.unanswered),
            Heard::Asked | Heard::Stale => {}
        }
    }

    /// Notes how it stands after something was sent or heard.
    fn note(&self, type_url: &str, record: &Record) {
        let mut types = lock(&self.proxy.types);
        let standing = types.entry(type_url.to_owned()).or_default();
        let now = Some(SystemTime::now());
        if standing.record.sent != record.sent {
            standing.sent = now;
        }
        if standing.record.accepted != record.accepted {
            standing.accepted = now;
        }
        let refuses = |r: &Record| i64::from(r.rejection.is_some());
        self.proxies.metrics.refusing(type_url, refuses(record) - refuses(&standing.record));
        standing.record = record.clone();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.proxies.all).by_number.remove(&self.number);
        self.proxies.metrics.connected(-1);
        for (type_url, standing) in lock(&self.proxy.types).iter() {
            self.proxies.metrics.refusing(type_url, -i64::from(standing.record.rejection.is_some()));
        }
    }
}
