use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Method;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds of the duration buckets, in seconds. The slow ones are there for injected delays.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    code: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

/// The metrics of one process.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let durations = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        registry.register("http_requests", "Requests answered, by method, route and status code", requests.clone());
        registry.register("http_request_duration_seconds", "Time to the response's head", durations.clone());
        Self { registry: Arc::new(Mutex::new(registry)), requests, durations }
    }

    /// Lets a service add metrics of its own.
    pub(crate) fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The handle that counts the requests of one route.
    pub(crate) fn of_route(&self, route: &'static str) -> RouteMetrics {
        let duration = self.durations.get_or_create(&RouteLabels { route }).clone();
        RouteMetrics { route, requests: self.requests.clone(), duration }
    }

    /// All metrics in the OpenMetrics text format.
    pub(crate) fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }
}

/// Counts the requests of one route.
#[derive(Clone)]
pub(crate) struct RouteMetrics {
    route: &'static str,
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
}

impl RouteMetrics {
    pub(crate) fn count(&self, method: &'static str, code: u16, took: Duration) {
        let labels = RequestLabels { method, route: self.route, code: code.into() };
        self.requests.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
    }
}

/// The method as a label: a caller may invent methods, the metrics must not grow with them.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
