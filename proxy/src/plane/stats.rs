//! Counters by Envoy's names, for tests and dashboards that read those.
//!
//! A set of counters is made at its first use and kept by whoever counts: the lock around the names is taken when a
//! worker meets a cluster for the first time, never for a request.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats>

#[cfg(test)]
pub(super) mod testing;
mod text;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

pub(super) use self::text::escaped;
use self::text::{Measure, Sample, Set};

/// Only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    /// So many more.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// The count.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Counts from 0 again.
    fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// Rises and falls.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    /// More or less.
    pub(crate) fn add(&self, more: i64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// The value.
    pub(crate) fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A set of counters whose fields are named as Envoy names them, and which can tell all of them.
macro_rules! set {
    ($(#[$about:meta])* $set:ident { $($(#[$doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        #[allow(missing_docs, reason = "each is named as Envoy's is, and documented there")]
        pub(crate) struct $set {
            $($(#[$doc])* pub(crate) $field: $kind,)*
        }

        impl Set for $set {
            fn samples(&self) -> Vec<Sample> {
                let mut samples = Vec::new();
                $(self.$field.measure(stringify!($field), &mut samples);)*
                samples
            }

            fn reset(&self) {
                $(self.$field.restart();)*
            }
        }
    };
}

set! {
    /// Of one cluster (`cluster.NAME.*`).
    ClusterStats {
        upstream_cx_total: Counter,
        upstream_cx_active: Gauge,
        upstream_cx_connect_fail: Counter,
        upstream_cx_connect_timeout: Counter,
        upstream_cx_overflow: Counter,
        upstream_cx_none_healthy: Counter,
        upstream_cx_rx_bytes_total: Counter,
        upstream_cx_tx_bytes_total: Counter,
        upstream_rq_total: Counter,
        upstream_rq_active: Gauge,
        /// By class: 1xx to 5xx.
        upstream_rq_xx: [Counter; 5],
        upstream_rq_pending_overflow: Counter,
        upstream_rq_retry: Counter,
        upstream_rq_retry_success: Counter,
        upstream_rq_retry_overflow: Counter,
        upstream_rq_retry_limit_exceeded: Counter,
        upstream_rq_timeout: Counter,
        upstream_rq_per_try_timeout: Counter,
        upstream_rq_rx_reset: Counter,
        ejections_enforced_total: Counter,
        tls: TlsStats,
    }
}

set! {
    /// Of handshakes, within those of a cluster or listener (`ssl.*`).
    TlsStats {
        ssl_handshake: Counter,
        ssl_connection_error: Counter,
        ssl_fail_verify_error: Counter,
        ssl_fail_verify_no_cert: Counter,
        ssl_fail_verify_san: Counter,
        ssl_fail_verify_cert_hash: Counter,
        ssl_no_certificate: Counter,
    }
}

set! {
    /// Of one listener (`listener.ADDRESS_PORT.*`).
    ListenerStats {
        downstream_cx_total: Counter,
        downstream_cx_active: Gauge,
        downstream_pre_cx_timeout: Counter,
        no_filter_chain_match: Counter,
        tls: TlsStats,
    }
}

set! {
    /// Of the HTTP connection managers with one prefix (`http.PREFIX.*`).
    HttpStats {
        downstream_cx_total: Counter,
        downstream_cx_active: Gauge,
        downstream_rq_total: Counter,
        downstream_rq_active: Gauge,
        /// By class: 1xx to 5xx.
        downstream_rq_xx: [Counter; 5],
        downstream_rq_rx_reset: Counter,
        downstream_cx_protocol_error: Counter,
        no_route: Counter,
    }
}

/// Of the whole proxy: what became of the configuration that was sent.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "each is named as Envoy's is, and documented there")]
pub(crate) struct ServerStats {
    pub(crate) cds_update_success: Counter,
    pub(crate) cds_update_rejected: Counter,
    pub(crate) lds_update_success: Counter,
    pub(crate) lds_update_rejected: Counter,
    pub(crate) listener_create_success: Counter,
    pub(crate) listener_create_failure: Counter,
    pub(crate) rds_update_success: Counter,
    pub(crate) rds_update_rejected: Counter,
    pub(crate) eds_update_success: Counter,
    pub(crate) eds_update_rejected: Counter,
    pub(crate) sds_update_success: Counter,
    pub(crate) sds_update_rejected: Counter,
    /// 1 while the control plane is connected.
    pub(crate) control_plane_connected_state: Gauge,
}

/// All counters.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Of the whole proxy.
    pub(crate) server: ServerStats,
    clusters: Registry<ClusterStats>,
    listeners: Registry<ListenerStats>,
    managers: Registry<HttpStats>,
}

impl Stats {
    /// Those of a cluster, made at its first use; kept by the caller for as long as it uses the cluster.
    pub(crate) fn cluster(&self, name: &Arc<str>) -> Arc<ClusterStats> {
        self.clusters.get(name)
    }

    /// Those of a listener, by its first address (`0.0.0.0:15006`), as Envoy names them.
    pub(crate) fn listener(&self, name: &Arc<str>) -> Arc<ListenerStats> {
        self.listeners.get(name)
    }

    /// Those of the HTTP connection managers with that prefix.
    pub(crate) fn http(&self, prefix: &Arc<str>) -> Arc<HttpStats> {
        self.managers.get(prefix)
    }

    /// Forgets clusters; whoever still holds their counters counts for nobody.
    pub(crate) fn retain_clusters(&self, keep: &dyn Fn(&str) -> bool) {
        self.clusters.lock().retain(|name, _| keep(name));
    }

    /// How often each cluster was called: requests, or connections where only bytes are passed on; those too that found
    /// nobody. Without clusters that nobody called.
    pub(crate) fn calls(&self) -> Vec<(Arc<str>, u64)> {
        let calls = |stats: &ClusterStats| {
            stats.upstream_rq_total.get().max(stats.upstream_cx_total.get()) + stats.upstream_cx_none_healthy.get()
        };
        let all = self.clusters.lock().iter().map(|(name, stats)| (name.clone(), calls(stats))).collect::<Vec<_>>();
        all.into_iter().filter(|(_, calls)| *calls > 0).collect()
    }

    /// Every name and value, as Envoy's plain `/stats` has them.
    pub(crate) fn visit(&self, f: &mut dyn FnMut(&str, u64)) {
        self.server.samples().iter().for_each(|(name, sample)| f(name, sample.value));
        self.clusters.visit("cluster", f);
        self.listeners.visit("listener", f);
        self.managers.visit("http", f);
    }

    /// Lets all counters count from 0 again; gauges stay.
    pub(crate) fn reset(&self) {
        self.server.reset();
        self.clusters.reset();
        self.listeners.reset();
        self.managers.reset();
    }

    /// Appends all in the text format 0.0.4 of Prometheus, under the names that Envoy gives them there.
    pub(crate) fn prometheus(&self, out: &mut String) {
        text::server(&self.server, out);
        self.clusters.prometheus("envoy_cluster_", "cluster_name", out);
        self.listeners.prometheus("envoy_listener_", "listener_address", out);
        self.managers.prometheus("envoy_http_", "http_conn_manager_prefix", out);
    }
}

/// Sets of one kind by name.
#[derive(Debug)]
struct Registry<S>(Mutex<BTreeMap<Arc<str>, Arc<S>>>);

impl<S> Default for Registry<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: Set + Default> Registry<S> {
    fn get(&self, name: &Arc<str>) -> Arc<S> {
        self.lock().entry(name.clone()).or_default().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<S>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is now; the lock is not held while somebody writes.
    fn all(&self) -> Vec<(Arc<str>, Vec<Sample>)> {
        self.lock().iter().map(|(name, set)| (name.clone(), set.samples())).collect()
    }

    fn reset(&self) {
        self.lock().values().for_each(|set| set.reset());
    }

    fn visit(&self, scope: &str, f: &mut dyn FnMut(&str, u64)) {
        text::visit(scope, &self.all(), f);
    }

    fn prometheus(&self, prefix: &str, label: &str, out: &mut String) {
        text::prometheus(prefix, label, &self.all(), out);
    }
}

#[cfg(test)]
mod tests;
