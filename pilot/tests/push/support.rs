//! Pilot and an Envoy that is played.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mesh_proto::{
    envoy::envoy::{
        config::{
            cluster::v3::{Cluster, cluster::ClusterDiscoveryType},
            core::v3::Node,
            endpoint::v3::ClusterLoadAssignment,
            listener::v3::Listener,
            route::v3::RouteConfiguration,
        },
        extensions::filters::network::http_connection_manager::v3::{
            HttpConnectionManager, http_connection_manager::RouteSpecifier,
        },
    },
    type_url, unpack,
};
use mesh_xds::{
    client::{self, Backoff, Event, Events, Settings, Subscriber},
    machine::Refused,
    server,
    transport::{Greet, Plaintext},
};
use pilot::{auth, debounce::Pace, intake, metrics::Metrics, proxies::Proxies, source::Pilot, world::Worlds};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::mesh::{Galley, Records};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A server of this process that can be ended.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(source: Arc<dyn server::Source>, greet: impl Greet, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = watch::channel(false);
        let ended = async move { drop(stopped.wait_for(|s| *s).await) };
        let task = tokio::spawn(async move { server::serve(listener, greet, source, ended).await.unwrap() });
        Self { address, stop, task }
    }

    pub(crate) async fn end(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

pub(crate) struct Galleys {
    pub(crate) records: watch::Sender<Records>,
    pub(crate) served: Served,
}

pub(crate) async fn galley(records: Records) -> Galleys {
    let (records, seen) = watch::channel(records);
    Galleys { records, served: Served::start(Arc::new(Galley(seen)), Plaintext, "127.0.0.1:0").await }
}

/// A pilot as `main` puts it together.
pub(crate) struct Running {
    pub(crate) served: Served,
    pub(crate) worlds: Worlds,
    pub(crate) proxies: Proxies,
    pub(crate) readiness: mesh_bootstrap::Readiness,
    pub(crate) registry: mesh_bootstrap::Metrics,
    intake: JoinHandle<()>,
}

pub(crate) async fn pilot(galley: SocketAddr, address: &str) -> Running {
    pilot_behind(galley, address, Plaintext, true).await
}

pub(crate) async fn pilot_behind(galley: SocketAddr, address: &str, greet: impl Greet, plaintext: bool) -> Running {
    let registry = mesh_bootstrap::Metrics::new("pilot");
    let readiness = mesh_bootstrap::Readiness::default();
    let metrics = Metrics::new(&registry);
    let (published, worlds) = watch::channel(None);
    let galley = start_client(galley, Node { id: "pilot".to_owned(), ..Node::default() });
    let gate = readiness.gate("waiting for galley");
    let intake = tokio::spawn(intake::run(galley, published, Pace::default(), metrics.clone(), gate));
    let proxies = Proxies::new(metrics.clone());
    let source =
        Pilot { worlds: worlds.clone(), proxies: proxies.clone(), metrics, name: "pilot-test".into(), plaintext };
    let served = Served::start(Arc::new(source), greet, address).await;
    Running { served, worlds, proxies, readiness, registry, intake }
}

impl Running {
    pub(crate) async fn end(self) {
        self.intake.abort();
        self.served.end().await;
    }
}

fn start_client(address: SocketAddr, node: Node) -> (Subscriber, Events) {
    let first = Duration::from_millis(30);
    let backoff = Backoff { first, most: 4 * first, jitter: Box::new(|| 0.5) };
    client::start(client::Plaintext::new(address.to_string()), Settings { node, backoff })
}

/// An Envoy as far as discovery goes: asks for what clusters and listeners name, keeps what it took.
pub(crate) struct Envoy {
    subscriber: Subscriber,
    events: Events,
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) endpoints: BTreeMap<String, ClusterLoadAssignment>,
    pub(crate) listeners: BTreeMap<String, Listener>,
    pub(crate) routes: BTreeMap<String, RouteConfiguration>,
    /// What came, in order: `cds +2 -0`.
    pub(crate) log: Vec<String>,
    /// Listeners of this name are refused.
    pub(crate) dislikes: Option<String>,
}

pub(crate) fn node(pod: &str, address: &str) -> Node {
    let id = format!("sidecar~{address}~{pod}.default~default.svc.cluster.local");
    auth::node(&id, &BTreeMap::from([("NAMESPACE", "default"), ("SERVICE_ACCOUNT", "productpage")]))
}

impl Envoy {
    pub(crate) fn start(pilot: SocketAddr) -> Self {
        let (subscriber, events) = start_client(pilot, node("productpage-v1", "10.0.0.1"));
        subscriber.everything(type_url::CLUSTER);
        subscriber.everything(type_url::LISTENER);
        Self {
            subscriber,
            events,
            clusters: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            listeners: BTreeMap::new(),
            routes: BTreeMap::new(),
            log: Vec::new(),
            dislikes: None,
        }
    }

    /// Follows until something holds, and tells how long that took.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Duration {
        let start = Instant::now();
        while !holds(self) {
            let event = tokio::time::timeout(PATIENCE.saturating_sub(start.elapsed()), self.events.next()).await;
            let event = event.unwrap_or_else(|_| panic!("waited for: {what}; came: {:?}", self.log)).unwrap();
            self.take(event);
        }
        start.elapsed()
    }

    /// Takes whatever comes within a time.
    pub(crate) async fn idle(&mut self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while let Ok(Some(event)) = tokio::time::timeout_at(end, self.events.next()).await {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        let update = match event {
            Event::Connected => return self.log.push("connected".to_owned()),
            Event::Lost { reason } => return self.log.push(format!("lost: {reason}")),
            Event::Update(update) => update,
        };
        let kind = update.type_url.rsplit('.').next().unwrap().to_owned();
        self.log.push(format!("{kind} +{} -{}", update.changed.len(), update.removed.len()));
        let disliked = update.changed.iter().find(|r| Some(&*r.name) == self.dislikes.as_deref());
        if let Some(disliked) = disliked {
            let refused = Refused { name: disliked.name.to_string(), reason: "a matter of taste".to_owned() };
            return update.done(Err(vec![refused]));
        }
        macro_rules! keep {
            ($store:ident) => {{
                update.removed.iter().for_each(|name| drop(self.$store.remove(name)));
                let read = update.changed.iter().map(|r| (r.name.to_string(), unpack(&r.body).unwrap()));
                self.$store.extend(read);
            }};
        }
        match update.type_url.as_str() {
            type_url::CLUSTER => keep!(clusters),
            type_url::ENDPOINT => keep!(endpoints),
            type_url::LISTENER => keep!(listeners),
            type_url::ROUTE => keep!(routes),
            other => panic!("nobody asked for {other}"),
        }
        update.done(Ok(()));
        self.ask();
    }

    fn ask(&self) {
        let eds = |c: &&Cluster| matches!(c.cluster_discovery_type, Some(ClusterDiscoveryType::Type(3)));
        let names = self.clusters.values().filter(eds).map(|c| c.name.as_str().into());
        self.subscriber.names(type_url::ENDPOINT, names.collect());
        self.subscriber.names(type_url::ROUTE, self.listeners.values().flat_map(route_names).collect());
    }
}

fn route_names(listener: &Listener) -> BTreeSet<Arc<str>> {
    let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
    let configs = chains.flat_map(|chain| &chain.filters).filter_map(|filter| match filter.config_type.as_ref()? {
        mesh_proto::envoy::envoy::config::listener::v3::filter::ConfigType::TypedConfig(any) => Some(any),
        _ => None,
    });
    let managers = configs.filter_map(|any| unpack::<HttpConnectionManager>(any).ok());
    managers
        .filter_map(|manager| match manager.route_specifier? {
            RouteSpecifier::Rds(rds) => Some(rds.route_config_name.into()),
            _ => None,
        })
        .collect()
}
