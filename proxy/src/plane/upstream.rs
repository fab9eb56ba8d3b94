//! Connections to upstreams: a pool for each cluster and address, of this worker alone.
//!
//! ```text
//!   Upstreams ─ cluster ─► ClusterSide ─ address ─► HostPool ─┬─ idle HTTP/1 connections, the last used first
//!                                                             └─ HTTP/2 connections, shared by requests
//! ```
//!
//! Where TLS calls a server by the host of the request, each host has a pool of its own: a connection serves only the name
//! that its certificate was judged by.

mod arriving;
mod connect;
mod http2;
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
use mesh_snapshot::{Cluster, Discovery, Host, Reason};
use rustc_hash::{FxHashMap, FxHashSet};

use self::pool::HostPool;
pub(crate) use self::{arriving::Arriving, connect::connect, lease::Lease};
use super::{body::Body, stats::ClusterStats, worker::Worker};

/// All pools of a worker.
#[derive(Default)]
pub(crate) struct Upstreams {
    clusters: RefCell<FxHashMap<Arc<str>, Rc<ClusterSide>>>,
}

/// Pools by address and name.
type NamedPools = FxHashMap<(SocketAddr, Box<str>), Rc<HostPool>>;

/// One cluster, from the view of one worker.
pub(crate) struct ClusterSide {
    /// The cluster's counters.
    pub(crate) stats: Arc<ClusterStats>,
    /// Of the configuration for which connections were made.
    version: u64,
    hosts: RefCell<FxHashMap<SocketAddr, Rc<HostPool>>>,
    /// Of connections that serve one name only.
    named: RefCell<NamedPools>,
}

/// An answer that has begun, and the connection that it comes by.
pub(crate) struct Sent {
    pub(crate) response: Response<Arriving>,
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
    /// TLS came to nothing.
    Handshake {
        /// For the log and the caller.
        why: String,
        /// Its code.
        reason: Reason,
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
        let side = Rc::new(ClusterSide { stats, version, hosts: RefCell::default(), named: RefCell::default() });
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
        let (mut hosts, mut named) = (self.hosts.borrow_mut(), self.named.borrow_mut());
        if hosts.is_empty() && named.is_empty() {
            return;
        }
        let any = matches!(cluster.config.discovery, Discovery::OriginalDestination | Discovery::Dynamic(_));
        let known: FxHashSet<SocketAddr> = cluster.hosts().map(|(_, host)| host.address).collect();
        let idle = cluster.config.http.idle_timeout;
        let tidy = |address: &SocketAddr, pool: &Rc<HostPool>| {
            let stays = any || known.contains(address);
            let idle = if stays { idle } else { Some(Duration::ZERO) };
            pool.tidy(idle, now) || Rc::strong_count(pool) > 1
        };
        hosts.retain(|address, pool| tidy(address, pool));
        named.retain(|(address, _), pool| tidy(address, pool));
    }

    fn pool(&self, cluster: &Cluster, host: &Host, request: &Request<Body>) -> Rc<HostPool> {
        let address = host.address;
        let Some(tls) = &cluster.tls else {
            let mut hosts = self.hosts.borrow_mut();
            return hosts.entry(address).or_insert_with(|| Rc::new(HostPool::new(address, None))).clone();
        };
        let new = |name: Option<&str>| Rc::new(HostPool::new(address, Some(tls.server_name(host, name))));
        match tls.shared_by(authority(request)) {
            None => self.hosts.borrow_mut().entry(address).or_insert_with(|| new(None)).clone(),
            Some(name) => {
                let key = (address, name.to_ascii_lowercase().into());
                self.named.borrow_mut().entry(key).or_insert_with(|| new(Some(name))).clone()
            }
        }
    }

    /// Sends a request to an endpoint, by a connection that is there or a new one.
    pub(crate) async fn send(
        self: &Rc<Self>,
        cluster: &Cluster,
        host: &Host,
        http2: bool,
        request: Box<Request<Body>>,
    ) -> Result<Sent, Failure> {
        let pool = self.pool(cluster, host, &request);
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
        host: &Host,
        request: Request<Body>,
    ) -> Result<Sent, Failure> {
        self.pool(cluster, host, &request).send_upgrade(self, cluster, request).await
    }
}

/// The host that a request is for.
fn authority(request: &Request<Body>) -> &str {
    let host = || request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    request.uri().authority().map_or_else(host, |authority| authority.as_str())
}
