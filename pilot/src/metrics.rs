//! What pilot counts, under Istio's names.
//!
//! Istio's counters do not end in `_total`, and OpenMetrics lets no counter be called otherwise: so that dashboards made for
//! Istio work, they are told as gauges that only grow.

use std::time::Duration;

use mesh_proto::type_url;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
};

use crate::world::World;

/// A label `type`: `cds`, `eds`, `lds`, `rds`, `nds`, `sds`, or what galley told of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Type {
    r#type: String,
}

type ByType<M> = Family<Type, M>;

/// All of pilot's metrics. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    connected: Gauge,
    pushes: ByType<Gauge>,
    rejects: ByType<Gauge>,
    refused_now: [(&'static str, Gauge); 4],
    inbound: ByType<Gauge>,
    triggers: ByType<Gauge>,
    services: Gauge,
    virtual_services: Gauge,
    issues: Gauge,
    convergence: Histogram,
    debounce: Histogram,
    building: Histogram,
    internal_errors: Gauge,
}

const SECONDS: [f64; 12] = [0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0];

impl Metrics {
    /// Registers them.
    pub fn new(registry: &mesh_bootstrap::Metrics) -> Self {
        let seconds = |name: &str, help: &str| {
            let histogram = Histogram::new(SECONDS);
            registry.register(name, help, histogram.clone());
            histogram
        };
        let refused = |name: &'static str| {
            let help = format!("Proxies that refused the last {name} they were sent.");
            (name, registry.new_metric::<Gauge>(&format!("pilot_xds_{name}_reject"), &help))
        };
        Self {
            connected: registry.new_metric("pilot_xds", "Proxies that are connected."),
            pushes: registry.new_metric("pilot_xds_pushes", "Responses sent to proxies."),
            rejects: registry.new_metric("pilot_total_xds_rejects", "Responses that proxies refused."),
            refused_now: ["cds", "eds", "lds", "rds"].map(refused),
            inbound: registry.new_metric("pilot_inbound_updates", "Updates received from galley."),
            triggers: registry.new_metric("pilot_push_triggers", "What made pilot push."),
            services: registry.new_metric("pilot_services", "Services known."),
            virtual_services: registry.new_metric("pilot_virt_services", "VirtualServices known."),
            issues: registry.new_metric("lateen_pilot_issues", "Things that are wrong between objects."),
            convergence: seconds(
                "pilot_proxy_convergence_time",
                "Seconds from a change until a proxy accepted the resources that it made.",
            ),
            debounce: seconds("pilot_debounce_time", "Seconds from a change until it was published."),
            building: seconds("pilot_pushcontext_init_seconds", "Seconds that the index of the mesh took to make."),
            internal_errors: registry
                .new_metric("pilot_total_xds_internal_errors", "Resources of galley that could not be read."),
        }
    }

    /// Galley told something of a type.
    pub fn heard(&self, type_url: &str) {
        let word = type_url.rsplit(['/', '.']).next().unwrap_or(type_url).to_ascii_lowercase();
        self.inbound.get_or_create(&Type { r#type: word }).inc();
    }

    /// A world was published.
    pub(crate) fn published(&self, world: &World, waited: Duration, built: Duration) {
        let store = world.mesh.store();
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.services.set(count(world.mesh.services().len()));
        self.virtual_services.set(count(store.virtual_services().len()));
        self.issues.set(count(world.mesh.issues().len()));
        self.debounce.observe(waited.as_secs_f64());
        self.building.observe(built.as_secs_f64());
        let trigger = if world.ages.shape == world.version { "config" } else { "endpoint" };
        self.triggers.get_or_create(&Type { r#type: trigger.to_owned() }).inc();
    }

    /// A proxy came (1) or went (-1).
    pub(crate) fn connected(&self, difference: i64) {
        self.connected.inc_by(difference);
    }

    /// A response went out.
    pub(crate) fn sent(&self, type_url: &str) {
        self.pushes.get_or_create(&Type { r#type: short(type_url).to_owned() }).inc();
    }

    /// A proxy refused a response.
    pub(crate) fn refused(&self, type_url: &str) {
        self.rejects.get_or_create(&Type { r#type: short(type_url).to_owned() }).inc();
    }

    /// One more or one less proxy stands at a refusal of this type.
    pub(crate) fn refusing(&self, type_url: &str, difference: i64) {
        if let Some((_, gauge)) = self.refused_now.iter().find(|(name, _)| *name == short(type_url)) {
            gauge.inc_by(difference);
        }
    }

    /// A proxy accepted what a world made, so long after its change.
    pub(crate) fn converged(&self, after: Duration) {
        self.convergence.observe(after.as_secs_f64());
    }

    /// A resource of galley could not be read.
    pub(crate) fn internal_error(&self) {
        self.internal_errors.inc();
    }
}

/// `cds` and so on.
pub(crate) fn short(type_url: &str) -> &str {
    match type_url {
        type_url::CLUSTER => "cds",
        type_url::ENDPOINT => "eds",
        type_url::LISTENER => "lds",
        type_url::ROUTE => "rds",
        type_url::SECRET => "sds",
        type_url::NAME_TABLE => "nds",
        other => other.rsplit(['/', '.']).next().unwrap_or(other),
    }
}
