//! An endpoint at run time, and the cluster that it belongs to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use mesh_types::Locality;
use rustc_hash::FxHashMap;

use crate::{
    balance::{Balancer, PickContext, Places},
    cluster::{ClusterConfig, Discovery, DnsFamily, Policy},
    endpoint::{Assignment, EndpointAddress},
    outlier::{HostOutcome, OutlierState, Tick},
    snapshot::Resolved,
    tls::{ClientTls, Vault},
};

/// One address that a cluster's requests may go to.
#[derive(Debug)]
pub struct Host {
    /// The address.
    pub address: SocketAddr,
    /// Its name, if it has one.
    pub hostname: Option<Box<str>>,
    /// Its share, from 1.
    pub weight: u32,
    /// Whether the control plane calls it healthy.
    pub healthy: bool,
    /// Where it runs.
    pub locality: Locality,
    /// Istio's word about the workload there.
    pub workload: Option<Box<str>>,
    load: Arc<Load>,
}

/// What outlives snapshots, by cluster and address.
#[derive(Debug, Default)]
struct Load {
    /// The tick when it was first chosen; 0 until then.
    since: AtomicU64,
    active: AtomicU32,
    outlier: OutlierState,
}

impl Host {
    /// How many requests are under way to it.
    pub fn active(&self) -> u32 {
        self.load.active.load(Relaxed)
    }

    /// How long it has been here.
    fn age(&self, now: Tick) -> Duration {
        let first = self.load.since.compare_exchange(0, now.count(), Relaxed, Relaxed);
        first.map_or_else(|since| now.since(since), |_| Duration::ZERO)
    }

    /// Counts a request until the guard is dropped.
    pub fn begin(&self) -> Active {
        self.load.active.fetch_add(1, Relaxed);
        Active(self.load.clone())
    }
}

#[cfg(test)]
impl Host {
    pub(crate) fn for_tests(address: SocketAddr, weight: u32, healthy: bool) -> Self {
        let (locality, load) = (Locality::default(), Arc::default());
        Self { address, hostname: None, weight, healthy, locality, workload: None, load }
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Active(Arc<Load>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

/// A cluster at run time: its configuration, its endpoints, and what is going on.
#[derive(Debug)]
pub struct Cluster {
    /// The configuration.
    pub config: Arc<ClusterConfig>,
    /// TLS to its endpoints, if any.
    pub tls: Option<ClientTls>,
    balancer: Balancer,
    state: Arc<ClusterState>,
    /// What the endpoints were made from; the same again makes the same cluster.
    made_from: Inputs,
}

/// What outlives snapshots, by cluster.
#[derive(Debug, Default)]
struct ClusterState {
    turn: AtomicUsize,
    ejected: AtomicU32,
    connections: AtomicU32,
    pending: AtomicU32,
    requests: AtomicU32,
    retries: AtomicU32,
}

/// What endpoints are made from.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    pub(crate) sent: Option<Arc<Assignment>>,
    pub(crate) resolved: Vec<Option<Arc<Resolved>>>,
}

impl Inputs {
    fn same(&self, other: &Self) -> bool {
        let same_sent = match (&self.sent, &other.sent) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (one, two) => one.is_none() && two.is_none(),
        };
        same_sent && self.resolved == other.resolved
    }
}

/// Something of which a cluster allows only so much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Open connections.
    Connection,
    /// Requests that wait for a connection.
    Pending,
    /// Requests under way.
    Request,
    /// Retries under way.
    Retry,
}

/// One unit of a [`Resource`], given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    state: Arc<ClusterState>,
    resource: Resource,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.state.counter(self.resource).fetch_sub(1, Relaxed);
    }
}

impl ClusterState {
    fn counter(&self, resource: Resource) -> &AtomicU32 {
        match resource {
            Resource::Connection => &self.connections,
            Resource::Pending => &self.pending,
            Resource::Request => &self.requests,
            Resource::Retry => &self.retries,
        }
    }
}

impl Cluster {
    /// Builds a cluster, taking over what is going on in the previous one of the same name.
    pub(crate) fn build(
        config: &Arc<ClusterConfig>,
        inputs: Inputs,
        vault: &Vault,
        previous: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        if let Some(previous) = previous
            && Arc::ptr_eq(&previous.config, config)
            && previous.made_from.same(&inputs)
            && previous.tls.as_ref().zip(config.tls.as_ref()).is_none_or(|(tls, rules)| tls.is_still(rules, vault))
        {
            return previous.clone();
        }
        let assignment = match &config.discovery {
            Discovery::Sent { .. } => inputs.sent.as_deref(),
            Discovery::Static(assignment) | Discovery::Dns { names: assignment, .. } => Some(assignment),
            Discovery::OriginalDestination | Discovery::Dynamic(_) => None,
        };
        let loads: FxHashMap<SocketAddr, Arc<Load>> =
            previous.iter().flat_map(|p| p.hosts()).map(|(_, h)| (h.address, h.load.clone())).collect();
        let levels = assignment.map(|a| arrange(config, a, &inputs.resolved, &loads)).unwrap_or_default();
        let overprovisioning = assignment.and_then(|a| a.overprovisioning).unwrap_or(140);
        let balancer =
            Balancer::new(config.policy, levels, config.locality_weighted, overprovisioning, config.panic_percent);
        let state = previous.map(|p| p.state.clone()).unwrap_or_default();
        let before = previous.and_then(|previous| previous.tls.as_ref());
        let tls = config.tls.as_ref().map(|rules| ClientTls::new(rules, vault, before));
        let cluster = Self { config: config.clone(), tls, balancer, state, made_from: inputs };
        // Endpoints that went took their ejections with them.
        let away = cluster.hosts().filter(|(_, h)| h.load.outlier.is_sent_away()).count();
        cluster.state.ejected.store(u32::try_from(away).unwrap_or(u32::MAX), Relaxed);
        Arc::new(cluster)
    }

    /// All endpoints with their priorities.
    pub fn hosts(&self) -> impl Iterator<Item = (usize, &Arc<Host>)> {
        self.balancer.hosts()
    }

    /// Chooses where a request or connection goes.
    pub fn pick(&self, context: &PickContext<'_>) -> Option<Arc<Host>> {
        if matches!(self.config.discovery, Discovery::OriginalDestination | Discovery::Dynamic(_)) {
            let port = if let Policy::Provided { port } = self.config.policy { port } else { None };
            let at = |to: SocketAddr| Host::original(SocketAddr::new(to.ip(), port.unwrap_or(to.port())));
            return context.original_destination.map(at);
        }
        let mut context = *context;
        let mut picked = self.pick_warm(&mut context);
        for _ in 0..context.avoid {
            match &picked {
                Some(host) if context.tried.contains(&host.address) => {
                    context.random = context.random.rotate_left(17).wrapping_add(1);
                    picked = self.pick_warm(&mut context);
                }
                _ => break,
            }
        }
        picked
    }

    /// Chooses again where the choice fell on an endpoint that is still warming up, more often the younger it is.
    fn pick_warm(&self, context: &mut PickContext<'_>) -> Option<Arc<Host>> {
        let picked = self.pick_once(context)?;
        let Some(slow_start) = &self.config.slow_start else { return Some(picked) };
        let mut picked = picked;
        for _ in 0..Self::WARM_CHOICES {
            let share = slow_start.share(picked.age(context.now));
            context.random = context.random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            if share >= 1.0 || (context.random >> 11) as f64 / ((1_u64 << 53) as f64) < share {
                break;
            }
            picked = self.pick_once(context)?;
        }
        Some(picked)
    }

    /// Where all are cold, one of them is taken after so many choices.
    const WARM_CHOICES: u32 = 16;

    fn pick_once(&self, context: &PickContext<'_>) -> Option<Arc<Host>> {
        let ejected = self.state.ejected.load(Relaxed) > 0;
        let away = |host: &Host| self.is_away(host, context.now);
        self.balancer.pick(self.config.policy, &self.state.turn, ejected, context, &away)
    }

    /// Whether an endpoint is ejected at the moment.
    pub fn is_away(&self, host: &Host, now: Tick) -> bool {
        host.load.outlier.is_away(now, || {
            // A rebuilt cluster may have counted it out already.
            let lower = |n: u32| n.checked_sub(1);
            let _one_less = self.state.ejected.fetch_update(Relaxed, Relaxed, lower);
        })
    }

    /// Tells how an endpoint did; whether that got it ejected.
    pub fn report(&self, host: &Host, outcome: HostOutcome, now: Tick, random: u64) -> bool {
        let Some(config) = &self.config.outlier else { return false };
        if !host.load.outlier.count(config, outcome, random) || self.is_away(host, now) {
            return false;
        }
        let all = u32::try_from(self.hosts().count()).unwrap_or(u32::MAX);
        let ejected = host.load.outlier.eject(config, now, self.state.ejected.load(Relaxed), all);
        if ejected {
            self.state.ejected.fetch_add(1, Relaxed);
        }
        ejected
    }

    /// Once an outlier interval: endpoints that stayed are forgiven one earlier ejection.
    pub fn forgive(&self) {
        self.hosts().for_each(|(_, host)| host.load.outlier.forgive());
    }

    /// Takes one unit, unless as many as allowed are taken.
    pub fn take(&self, resource: Resource) -> Option<Permit> {
        let limit = match resource {
            Resource::Connection => self.config.limits.connections,
            Resource::Pending => self.config.limits.pending,
            Resource::Request => self.config.limits.requests,
            Resource::Retry => self.config.limits.retries,
        };
        let more = |n: u32| (n < limit).then(|| n + 1);
        self.state.counter(resource).fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Permit { state: self.state.clone(), resource })
    }

    /// How many units are taken.
    pub fn taken(&self, resource: Resource) -> u32 {
        self.state.counter(resource).load(Relaxed)
    }
}

impl Host {
    /// The endpoint that a connection was going to anyway.
    fn original(address: SocketAddr) -> Arc<Self> {
        let load = Arc::default();
        Arc::new(Self {
            address,
            hostname: None,
            weight: 1,
            healthy: true,
            locality: Locality::default(),
            workload: None,
            load,
        })
    }
}

/// Endpoints by priority and place, with what earlier snapshots know of their addresses.
fn arrange(
    config: &ClusterConfig,
    assignment: &Assignment,
    resolved: &[Option<Arc<Resolved>>],
    loads: &FxHashMap<SocketAddr, Arc<Load>>,
) -> Vec<Places> {
    let (family, logical) = match &config.discovery {
        Discovery::Dns { family, logical, .. } => (*family, *logical),
        _ => (DnsFamily::All, false),
    };
    let mut levels: Vec<Places> = Vec::new();
    let mut answers = resolved.iter();
    for group in &assignment.localities {
        let mut hosts = Vec::new();
        for endpoint in &group.endpoints {
            let addresses = match &endpoint.address {
                EndpointAddress::Ip(address) => vec![*address],
                EndpointAddress::Name(_, port) => {
                    let answer = answers.next().and_then(Option::as_ref);
                    let ips = answer.map(|a| a.of_family(family)).unwrap_or_default();
                    let most = if logical { 1 } else { usize::MAX };
                    ips.into_iter().take(most).map(|ip| SocketAddr::new(ip, *port)).collect()
                }
            };
            let name = match &endpoint.address {
                EndpointAddress::Name(name, _) => Some(name.clone()),
                EndpointAddress::Ip(_) => None,
            };
            hosts.extend(addresses.into_iter().map(|address| {
                Arc::new(Host {
                    address,
                    hostname: endpoint.hostname.clone().or_else(|| name.clone()),
                    weight: endpoint.weight,
                    healthy: endpoint.healthy,
                    locality: group.locality.clone(),
                    workload: endpoint.workload.clone(),
                    load: loads.get(&address).cloned().unwrap_or_default(),
                })
            }));
        }
        let priority = group.priority as usize;
        if levels.len() <= priority {
            levels.resize_with(priority + 1, Vec::new);
        }
        levels[priority].push((group.weight.unwrap_or(0).into(), hosts));
    }
    levels
}
