//! Everything of the data plane that is not a worker, started at once: configuration, DNS, and the three ports that are
//! asked about the proxy.
//!
//! ```ignore
//! let shared = Arc::new(Shared { names: Names::default(), world: World::default(), .. });
//! let settings = ControlSettings { bootstrap: bootstrap::render(&settings, &node), .. };
//! let control = control::start(shared, settings, Tls::new(&discovery, &credentials)?, node).await?;
//! ```
//!
//! Ask for a name's addresses by [`Names::want`](super::Names::want) at each pick from a cluster of DNS, and
//! [`Names::wait`](super::Names::wait) where that says so. All tasks end when the [`Control`] is dropped.

mod node;

pub(crate) use self::node::message as node_message;

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use mesh_bootstrap::{Drain, LogHandle, bind, serve};
use mesh_xds::client::{self, Backoff, Dial, Settings};
use rustc_hash::FxHashMap;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    Shared,
    admin::{self, Admin},
    feed::Feed,
    held::Held,
};
use crate::dns::Resolver;

/// Asks the agent whether the proxy is ready, as port 15021 tells it; an error is the reason why not.
pub(crate) type AskReady = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What the control side is told.
pub(crate) struct ControlSettings {
    /// Where it is asked.
    pub(crate) ports: ControlPorts,
    /// How many workers there are to be.
    pub(crate) workers: u32,
    /// What stock Envoy would be started with: shown, and the source of static clusters and listeners that are shown.
    pub(crate) bootstrap: Value,
    /// Log levels, to be changed while the proxy runs.
    pub(crate) logs: Option<LogHandle>,
    /// Begun by `/quitquitquit`.
    pub(crate) drain: Drain,
    /// The agent's word for port 15021.
    pub(crate) ready: AskReady,
    /// The beginning: of the process, and of the workers' [`Tick`](mesh_snapshot::Tick)s.
    pub(crate) began: Instant,
}

impl fmt::Debug for ControlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlSettings").field("ports", &self.ports).finish_non_exhaustive()
    }
}

/// Ports; 0 is any that is free.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ControlPorts {
    /// Admin, on the loopback address (15000).
    pub(crate) admin: u16,
    /// Health, for the kubelet (15021).
    pub(crate) health: u16,
    /// Metrics of the data plane alone (15090).
    pub(crate) prometheus: u16,
}

/// The control side at work. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    /// Where admin is asked.
    pub(crate) admin: SocketAddr,
    /// Where health is asked.
    pub(crate) health: SocketAddr,
    /// Where metrics are asked.
    pub(crate) prometheus: SocketAddr,
    _tasks: JoinSet<()>,
}

/// Starts it on the current runtime. `node` is who the proxy is, as Envoy's bootstrap has it.
///
/// # Errors
/// A port is taken.
pub(crate) async fn start(
    shared: Arc<Shared>,
    settings: ControlSettings,
    dial: impl Dial,
    node: Value,
) -> io::Result<Control> {
    let ports = settings.ports;
    let admin = named(ports.admin, TcpListener::bind((Ipv4Addr::LOCALHOST, ports.admin)).await)?;
    let health = named(ports.health, bind(ports.health).await)?;
    let prometheus = named(ports.prometheus, bind(ports.prometheus).await)?;
    let addresses = (admin.local_addr()?, health.local_addr()?, prometheus.local_addr()?);

    let backoff = Backoff::new(rand::random);
    let (subscriber, events) = client::start(dial, Settings { node: node::message(&node), backoff });
    let held = Held::default();
    let answers = shared.names.start(Resolver::of_machine());
    let mut tasks = JoinSet::new();
    tasks.spawn(Feed::new(shared.clone(), held.clone(), subscriber).run(events, answers));

    tasks.spawn(forgive(shared.clone()));
    // Served to the end: questions are asked also while the data plane drains.
    tasks.spawn(serve(health, admin::health(settings.ready.clone()), Drain::new()));
    tasks.spawn(serve(prometheus, admin::metrics(shared.clone(), settings.began), Drain::new()));
    tasks.spawn(serve(admin, Admin::new(shared, held, settings, node).router(), Drain::new()));
    let (admin, health, prometheus) = addresses;
    Ok(Control { admin, health, prometheus, _tasks: tasks })
}

/// Has each cluster forgive its endpoints earlier ejections, once in each of its intervals.
async fn forgive(shared: Arc<Shared>) {
    let mut due: FxHashMap<Arc<str>, Instant> = FxHashMap::default();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (snapshot, now) = (shared.world.current(), Instant::now());
        due.retain(|name, _| snapshot.cluster(name).is_some());
        for cluster in snapshot.clusters() {
            let Some(outlier) = &cluster.config.outlier else { continue };
            let next = due.entry(cluster.config.name.clone()).or_insert(now + outlier.interval());
            if *next <= now {
                *next = now + outlier.interval();
                cluster.forgive();
            }
        }
    }
}

/// Says which port it was.
fn named(port: u16, bound: io::Result<TcpListener>) -> io::Result<TcpListener> {
    bound.map_err(|error| io::Error::new(error.kind(), format!("port {port} cannot be listened on: {error}")))
}
