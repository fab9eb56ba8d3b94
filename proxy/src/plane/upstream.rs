//! Connections to upstreams: a pool for each cluster and address, of this worker alone.
//!
//! ```text
//!   Upstreams ─ cluster ─► ClusterSide ─ address ─► HostPool ─┬─ idle HTTP/1 connections, the last used first
//!                                                             └─ HTTP/2 connections, shared by requests
//! ```

mod connect;
mod lease;
mod pool;
mod stream;

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::body::Incoming;
use mesh_snapshot::{Cluster, Discovery};
use rustc_hash::{FxHashMap, FxHashSet};

use self::pool::HostPool;
pub(crate) use self::{connect::connect, lease::Lease};
use super::{body::Body, stats::ClusterStats, worker::Worker};

/// All pools of a worker.
#[derive(Default)]
pub(crate) struct Upstreams {
    clusters: RefCell<FxHashMap<Arc<str>, Rc<ClusterSide>>>,
}

/// One cluster, from the view of one worker.
pub(crate) struct ClusterSide {
    /// The cluster's counters.
    pub(crate) stats: Arc<ClusterStats>,
    /// Of the configuration for which connections were made.
    version: u64,
    hosts: RefCell<FxHashMap<SocketAddr, Rc<HostPool>>>,
}

/// An answer that has begun, and the connection that it comes by.
pub(crate) struct Sent {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The cluster has as much to do as it may.
    Overflow,
    /// No connection came about; why, in words.
    Connect {
        /// For the log.
        why: String,
        /// Whether it took too long.
        late: bool,
    },
    /// The connection broke.
    Reset {
        /// Whether any of the request may have been sent.
        request_sent: bool,
    },
    /// The upstream refused the stream unprocessed.
    Refused,
    /// What came is not the protocol.
    Protocol,
}

impl Upstreams {
    /// The cluster's counters and pools. Connections of an earlier configuration are given up.
    pub(crate) fn side(&self, worker: &Worker, cluster: &Cluster) -> Rc<ClusterSide> {
        let (name, version) = (&cluster.config.name, cluster.config.version);
        let mut clusters = self.clusters.borrow_mut();
        if let Some(side) = clusters.get(name).filter(|side| side.version == version) {
            return side.clone();
        }
        let stats = worker.shared.stats.cluster(name);
        let side = Rc::new(ClusterSide { stats, version, hosts: RefCell::default() });
        clusters.insert(name.clone(), side.clone());
        side
    }

    /// Closes what nobody needs any more: connections that idled for too long, and all of clusters and endpoints that
    /// are gone.
    pub(crate) fn tidy(&self, worker: &Worker) {
        let (snapshot, now) = (worker.snapshot(), Instant::now());
        self.clusters.borrow_mut().retain(|name, side| {
            let Some(cluster) = snapshot.cluster(name).filter(|c| c.config.version == side.version) else {
                return false;
            };
            side.tidy(cluster, now);
            true
        });
    }
}

impl ClusterSide {
    fn tidy(&self, cluster: &Cluster, now: Instant) {
        let mut hosts = self.hosts.borrow_mut();
        if hosts.is_empty() {
            return;
        }
        let any = cluster.config.discovery == Discovery::OriginalDestination;
        let known: FxHashSet<SocketAddr> = cluster.hosts().map(|(_, host)| host.address).collect();
        let idle = cluster.config.http.idle_timeout;
        hosts.retain(|address, pool| {
            let stays = any || known.contains(address);
            let idle = if stays { idle } else { Some(Duration::ZERO) };
            pool.tidy(idle, now) || Rc::strong_count(pool) > 1
        });
    }

    fn pool(self: &Rc<Self>, address: SocketAddr) -> Rc<HostPool> {
        let mut hosts = self.hosts.borrow_mut();
        hosts.entry(address).or_insert_with(|| Rc::new(HostPool::new(address))).clone()
    }

    /// Sends a request to an endpoint, by a connection that is there or a new one.
    pub(crate) async fn send(
        self: &Rc<Self>,
        cluster: &Cluster,
        address: SocketAddr,
        http2: bool,
        request: Request<Body>,
    ) -> Result<Sent, Failure> {
        let pool = self.pool(address);
        if http2 {
            pool.send_http2(self, cluster, request).await
        } else {
            pool.send_http1(self, cluster, request).await
        }
    }

    /// Sends a request that may turn its connection into something else.
    pub(crate) async fn send_upgrade(
        self: &Rc<Self>,
        cluster: &Cluster,
        address: SocketAddr,
        request: Request<Body>,
    ) -> Result<Sent, Failure> {
        self.pool(address).send_upgrade(self, cluster, request).await
    }
}
