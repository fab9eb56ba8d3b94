//! Metrics: one registry for a program, written as OpenMetrics.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::{
    encoding::text::encode,
    metrics::info::Info,
    registry::{Metric, Registry},
};

use crate::VERSION;

/// What [`Metrics::encode`] writes. <https://prometheus.io/docs/specs/om/open_metrics_spec/>
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of a program. Clones are the same registry.
///
/// `prometheus-client` appends `_total` to the names of counters: register `pilot_xds_pushes` to see
/// `pilot_xds_pushes_total`.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// A registry that holds the program's version (`lateen_build_info`).
    pub fn new(program: &'static str) -> Self {
        let metrics = Self { registry: Arc::default() };
        metrics.register("lateen_build", "The program and its version", {
            Info::new([("program", program), ("version", VERSION)])
        });
        metrics
    }

    /// Adds a metric. Keep a clone of it: clones count together.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.lock().register(name, help, metric);
    }

    /// Adds a metric and gives it back, for metrics that begin at zero.
    pub fn new_metric<M: Metric + Clone + Default>(&self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.register(name, help, metric.clone());
        metric
    }

    /// All of them, as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.lock()) {
            tracing::error!(%error, "metrics could not be written");
        }
        text
    }

    /// A panic while registering leaves a registry that can still be read.
    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
