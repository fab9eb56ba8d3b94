//! What the ca counts, under the names of Istio's.

use std::time::SystemTime;

use mesh_bootstrap::Metrics;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

/// The counters of the certificate service.
#[derive(Clone, Debug)]
pub struct CaMetrics {
    /// Requests.
    pub requests: Counter,
    /// Certificates issued.
    pub issued: Counter,
    /// Callers that were nobody.
    pub unauthenticated: Counter,
    /// Requests that were not understood.
    pub unparsed: Counter,
    /// Requests that were understood and refused.
    pub refused: Counter,
    root_expiry: Gauge,
}

impl CaMetrics {
    /// Registers them.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            requests: metrics.new_metric("citadel_server_csr_count", "Signing requests received"),
            issued: metrics.new_metric("citadel_server_success_cert_issuance_count", "Certificates issued"),
            unauthenticated: metrics
                .new_metric("citadel_server_authentication_failure_count", "Callers whose identity was not proven"),
            unparsed: metrics.new_metric("citadel_server_csr_parsing_err_count", "Signing requests not understood"),
            refused: metrics.new_metric("citadel_server_csr_sign_err_count", "Signing requests understood and refused"),
            root_expiry: metrics.new_metric(
                "citadel_server_root_cert_expiry_timestamp",
                "When the root certificate expires, seconds since 1970",
            ),
        }
    }

    /// Tells when the root expires.
    pub fn set_root_expiry(&self, at: SystemTime) {
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.root_expiry.set(seconds.try_into().unwrap_or(i64::MAX));
    }
}
