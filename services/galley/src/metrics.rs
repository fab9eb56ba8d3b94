//! What galley counts, under Istio's names where Istio has one.
//!
//! <https://istio.io/latest/docs/reference/commands/pilot-discovery/#metrics>

use mesh_bootstrap::Metrics as Registry;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};

type Labels = Vec<(&'static str, String)>;

/// All of them. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    validation_passed: Family<Labels, Counter>,
    validation_failed: Family<Labels, Counter>,
    injections: Counter,
    injected: Counter,
    skipped: Counter,
    not_injected: Family<Labels, Counter>,
    hook_updates: Counter,
    served: Family<Labels, Gauge>,
    refused: Gauge,
    status_writes: Family<Labels, Counter>,
}

impl Metrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> Self {
        let metrics = Self::default();
        let m = &metrics;
        registry.register("galley_validation_passed", "Objects that validation let pass", m.validation_passed.clone());
        registry.register("galley_validation_failed", "Objects that validation refused", m.validation_failed.clone());
        registry.register(
            "galley_validation_config_updates",
            "Corrections of webhook configurations",
            m.hook_updates.clone(),
        );
        registry.register("sidecar_injection_requests", "Pods that injection was asked about", m.injections.clone());
        registry.register("sidecar_injection_success", "Pods that were given a proxy", m.injected.clone());
        registry.register("sidecar_injection_skip", "Pods that were left as they are", m.skipped.clone());
        registry.register("sidecar_injection_failure", "Pods that were refused, by reason", m.not_injected.clone());
        registry.register("galley_resources", "Resources that are served, by type", m.served.clone());
        registry.register("galley_refused_objects", "Objects that are kept back", m.refused.clone());
        registry.register("galley_status_writes", "Writes of status, by result", m.status_writes.clone());
        metrics
    }

    /// Validation decided on an object.
    pub fn validated(&self, group: &str, resource: &str, passed: bool) {
        let family = if passed { &self.validation_passed } else { &self.validation_failed };
        family.get_or_create(&vec![("group", group.to_owned()), ("resource", resource.to_owned())]).inc();
    }

    /// Injection was asked.
    pub fn injection_asked(&self) {
        self.injections.inc();
    }

    /// Injection gave a pod a proxy.
    pub fn injected(&self) {
        self.injected.inc();
    }

    /// Injection left a pod as it is.
    pub fn injection_skipped(&self) {
        self.skipped.inc();
    }

    /// Injection refused a pod.
    pub fn injection_failed(&self, reason: &'static str) {
        self.not_injected.get_or_create(&vec![("reason", reason.to_owned())]).inc();
    }

    /// A webhook configuration was put right.
    pub fn hook_updated(&self) {
        self.hook_updates.inc();
    }

    /// How much is served and kept back now.
    pub fn serving(&self, published: &crate::published::Published) {
        for (type_url, resources) in &published.types {
            let count = i64::try_from(resources.len()).unwrap_or(i64::MAX);
            self.served.get_or_create(&vec![("type", type_url.clone())]).set(count);
        }
        self.refused.set(i64::try_from(published.issues.len()).unwrap_or(i64::MAX));
    }

    /// A status was written, or could not be.
    pub fn status_written(&self, result: &'static str) {
        self.status_writes.get_or_create(&vec![("result", result.to_owned())]).inc();
    }
}
