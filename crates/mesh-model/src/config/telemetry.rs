//! What is recorded about requests.

use std::{collections::BTreeMap, time::Duration};

use mesh_types::Labels;

use super::Percent;

/// Logs, metrics and traces of workloads.
///
/// <https://istio.io/latest/docs/reference/config/telemetry/#Telemetry>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Telemetry {
    /// Absent: all of the namespace, or of the mesh in the root namespace.
    pub selector: Option<Labels>,
    /// In the order written.
    pub access_logging: Vec<AccessLogging>,
    /// In the order written.
    pub metrics: Vec<Metrics>,
    /// In the order written.
    pub tracing: Vec<Tracing>,
}

/// Which side of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TelemetryMode {
    /// Both.
    #[default]
    ClientAndServer,
    /// The caller's proxy.
    Client,
    /// The called one's proxy.
    Server,
}

/// Lines of an access log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessLogging {
    /// Of which side.
    pub mode: TelemetryMode,
    /// Names of extension providers; empty: inherited.
    pub providers: Vec<String>,
    /// Absent: inherited.
    pub disabled: Option<bool>,
    /// CEL expression of requests that are logged.
    pub filter: Option<String>,
}

/// Metrics of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Metrics {
    /// Names of extension providers; empty: inherited.
    pub providers: Vec<String>,
    /// In the order written.
    pub overrides: Vec<MetricsOverride>,
    /// Of TCP metrics; absent: the default, 5 s.
    pub reporting_interval: Option<Duration>,
}

/// A change of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetricsOverride {
    /// `REQUEST_COUNT`, ..., or the name of a custom metric; absent: all.
    pub metric: Option<String>,
    /// Of which side.
    pub mode: TelemetryMode,
    /// Absent: inherited.
    pub disabled: Option<bool>,
    /// By label.
    pub tags: BTreeMap<String, TagOverride>,
}

/// A change of a label of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TagOverride {
    /// Its value is this CEL expression.
    Upsert(String),
    /// It is not there.
    Remove,
}

/// Spans of requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tracing {
    /// Of which side.
    pub mode: TelemetryMode,
    /// Names of extension providers; empty: inherited.
    pub providers: Vec<String>,
    /// Of requests without a decision; absent: inherited.
    pub sampling: Option<Percent>,
    /// No spans are sent; absent: inherited.
    pub disabled: Option<bool>,
}
