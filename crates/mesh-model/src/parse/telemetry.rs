//! Telemetry.

use istio_api::telemetry as api;

use super::{
    at::At,
    words::{label_selector, percent, said, time},
};
use crate::config::{AccessLogging, Metrics, MetricsOverride, TagOverride, Telemetry, TelemetryMode, Tracing};

/// Nothing when the object is for gateways and the like only: it must not act on sidecars then.
pub(super) fn telemetry(given: &istio_api::Telemetry, at: &At<'_>) -> Option<Telemetry> {
    let targets = given.target_ref.is_some() || !given.target_refs.is_empty();
    if targets && given.selector.is_some() {
        at.field("selector").error("both a selector and targetRefs are set", "keep one of them");
    }
    let tracing_at = &at.field("tracing");
    if given.tracing.len() > 1 {
        tracing_at.warn("only the first entry counts", "keep one");
    }
    let telemetry = Telemetry {
        selector: label_selector(given.selector.as_ref(), &at.field("selector")),
        access_logging: at.field("accessLogging").each(&given.access_logging, |l, at| Some(access_logging(l, at))),
        metrics: at.field("metrics").each(&given.metrics, |m, at| Some(metrics(m, at))),
        tracing: tracing_at.each(&given.tracing, |t, at| Some(tracing(t, at))),
    };
    (!targets).then_some(telemetry)
}

fn providers(given: &[api::ProviderRef], at: &At<'_>) -> Vec<String> {
    at.field("providers").each(given, |provider, at| {
        if provider.name.is_empty() {
            at.field("name").error("the provider has no name", "write a name of meshConfig.extensionProviders");
        }
        Some(provider.name.clone())
    })
}

fn mode(mode: api::WorkloadMode) -> TelemetryMode {
    match mode {
        api::WorkloadMode::ClientAndServer => TelemetryMode::ClientAndServer,
        api::WorkloadMode::Client => TelemetryMode::Client,
        api::WorkloadMode::Server => TelemetryMode::Server,
    }
}

fn access_logging(given: &api::TelemetryAccessLogging, at: &At<'_>) -> AccessLogging {
    AccessLogging {
        mode: given.r#match.as_ref().map(|m| mode(m.mode)).unwrap_or_default(),
        providers: providers(&given.providers, at),
        disabled: given.disabled,
        filter: given.filter.as_ref().and_then(|f| said(&f.expression)),
    }
}

fn metrics(given: &api::TelemetryMetrics, at: &At<'_>) -> Metrics {
    Metrics {
        providers: providers(&given.providers, at),
        overrides: at.field("overrides").each(&given.overrides, |o, at| Some(metrics_override(o, at))),
        reporting_interval: time(given.reporting_interval, &at.field("reportingInterval")),
    }
}

fn metrics_override(given: &api::MetricsOverrides, at: &At<'_>) -> MetricsOverride {
    let selector = given.r#match.clone().unwrap_or_default();
    if selector.metric.is_some() && selector.custom_metric.is_some() {
        at.field("match").error("both metric and customMetric are set", "keep one of them");
    }
    let standard = selector.metric.filter(|m| *m != api::IstioMetric::AllMetrics).map(|m| m.as_str().to_owned());
    let tags_at = &at.field("tagOverrides");
    let tags = given.tag_overrides.iter().map(|(name, tag)| {
        let tag_at = &tags_at.key(name);
        let at = &tag_at.field("value");
        let tag = match tag.operation {
            api::TagOverrideOperation::Upsert => {
                if tag.value.is_empty() {
                    at.error("the label gets no value", "write a CEL expression, or set operation to REMOVE");
                }
                TagOverride::Upsert(tag.value.clone())
            }
            api::TagOverrideOperation::Remove => {
                if !tag.value.is_empty() {
                    at.error("a label that is removed has no value", "remove it, or set operation to UPSERT");
                }
                TagOverride::Remove
            }
        };
        (name.clone(), tag)
    });
    MetricsOverride {
        tags: tags.collect(),
        metric: standard.or(selector.custom_metric),
        mode: mode(selector.mode),
        disabled: given.disabled,
    }
}

fn tracing(given: &api::TelemetryTracing, at: &At<'_>) -> Tracing {
    if given.providers.len() > 1 {
        at.field("providers").warn("only the first provider counts", "keep one");
    }
    let sampling_at = &at.field("randomSamplingPercentage");
    Tracing {
        mode: given.r#match.as_ref().map(|m| mode(m.mode)).unwrap_or_default(),
        providers: providers(&given.providers, at),
        sampling: given.random_sampling_percentage.map(|p| percent(p, sampling_at)),
        disabled: given.disable_span_reporting,
    }
}
