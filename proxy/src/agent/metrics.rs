//! What the agent counts, and its metrics in the text form that Envoy and most applications use.

use std::time::SystemTime;

use mesh_bootstrap::Metrics;
use mesh_identity::Credentials;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

/// The agent's metrics.
#[derive(Clone, Debug)]
pub(crate) struct AgentMetrics {
    connections: Gauge,
    connects: Counter,
    failures: Counter,
    scrapes: Counter,
    failed_scrapes: Counter,
    expiry: Gauge,
    credentials: Credentials,
}

impl AgentMetrics {
    pub(crate) fn new(metrics: &Metrics, credentials: &Credentials) -> Self {
        Self {
            connections: metrics.new_metric("istio_agent_xds_connections", "Connections of the data plane to pilot"),
            connects: metrics.new_metric("istio_agent_xds_connects", "Connections made to pilot"),
            failures: metrics.new_metric("istio_agent_xds_connect_failures", "Calls of pilot that failed"),
            scrapes: metrics.new_metric("istio_agent_scrapes", "Times that metrics were asked for"),
            failed_scrapes: metrics
                .new_metric("istio_agent_scrape_failures", "Parts of the metrics that did not answer"),
            expiry: metrics.new_metric("istio_agent_cert_expiry_seconds", "Seconds until the certificate expires"),
            credentials: credentials.clone(),
        }
    }

    pub(crate) fn connected(&self) {
        self.connections.inc();
        self.connects.inc();
    }

    pub(crate) fn disconnected(&self) {
        self.connections.dec();
    }

    pub(crate) fn connect_failed(&self) {
        self.failures.inc();
    }

    /// Somebody asks for metrics now.
    pub(crate) fn scraped(&self) {
        self.scrapes.inc();
        let left = self.credentials.current().map(|cert| cert.not_after().duration_since(SystemTime::now()));
        let left = left.and_then(Result::ok).unwrap_or_default().as_secs();
        self.expiry.set(left.try_into().unwrap_or(i64::MAX));
    }

    pub(crate) fn scrape_failed(&self) {
        self.failed_scrapes.inc();
    }
}

/// OpenMetrics as the older text form 0.0.4, which has no word for the end and names counters with their suffix.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
pub(crate) fn to_text_format(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let help_of = |name: &str| {
        let line =
            open_metrics.lines().find_map(|line| line.strip_prefix("# HELP ")?.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_default().to_owned()
    };
    for line in open_metrics.lines() {
        if line == "# EOF" || line.starts_with("# HELP ") || line.starts_with("# UNIT ") {
            continue;
        }
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            text.push_str(&format!("# HELP {name}{suffix} {}\n# TYPE {name}{suffix} {kind}\n", help_of(name)));
            continue;
        }
        // Exemplars follow a `#`.
        let sample = line.split_once(" # ").map_or(line, |(sample, _)| sample);
        text.push_str(sample);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
