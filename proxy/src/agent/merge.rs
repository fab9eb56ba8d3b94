//! One answer for Prometheus: the agent's metrics, the data plane's, and the application's.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use mesh_bootstrap::Metrics;
use serde::Deserialize;

use super::{
    http::{Call, CallError, call},
    metrics::{AgentMetrics, to_text_format},
    settings::Settings,
};

/// How long a part may take if Prometheus does not say.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prometheus' own patience, in seconds; passed on.
const TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// The form of the merged answer.
pub(crate) const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where the application's metrics are (`ISTIO_PROMETHEUS_ANNOTATIONS`): what its own annotations said before injection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Scrape {
    scrape: String,
    path: String,
    port: String,
}

impl Scrape {
    /// None: the application has none.
    fn url(&self) -> Option<String> {
        let path = if self.path.is_empty() { "/metrics" } else { &self.path };
        let port = if self.port.is_empty() { "80" } else { &self.port };
        (self.scrape == "true").then(|| format!("http://localhost:{port}/{}", path.trim_start_matches('/')))
    }
}

/// Asks all three. A part that does not answer is left out and counted.
pub(crate) async fn merged(
    settings: &Settings,
    registry: &Metrics,
    metrics: &AgentMetrics,
    asked: &HeaderMap,
) -> String {
    metrics.scraped();
    let envoy = format!("http://127.0.0.1:{}/stats/prometheus", settings.ports.prometheus);
    let app = settings.scrape.as_ref().and_then(Scrape::url);
    let (envoy, app) = tokio::join!(fetch(Some(envoy), asked), fetch(app, asked));
    let mut text = String::new();
    for (part, name) in [(envoy, "the data plane"), (app, "the application")] {
        match part {
            Some(Ok(part)) => append(&mut text, &part),
            Some(Err(error)) => {
                metrics.scrape_failed();
                tracing::warn!(%error, "{name} gave no metrics");
            }
            None => {}
        }
    }
    to_text_format(&registry.encode()) + &text
}

async fn fetch(url: Option<String>, asked: &HeaderMap) -> Option<Result<String, CallError>> {
    let timeout = asked.get(TIMEOUT);
    let seconds = timeout.and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
    let patience = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(PATIENCE);
    let request = Call::new("GET", &url?).map(|request| {
        let request =
            request.patience(patience).header(header::ACCEPT, HeaderValue::from_static("text/plain;version=0.0.4"));
        timeout.iter().fold(request, |request, value| request.header(TIMEOUT, (*value).clone()))
    });
    Some(match request {
        Ok(request) => call(request).await.and_then(|reply| {
            if reply.status.is_success() {
                Ok(String::from_utf8_lossy(&reply.body).into_owned())
            } else {
                Err(CallError::Refused(reply.status))
            }
        }),
        Err(error) => Err(error),
    })
}

/// An answer in the OpenMetrics form ends with a word that must not stand in the middle.
fn append(text: &mut String, part: &str) {
    let part = part.trim_end().strip_suffix("# EOF").unwrap_or(part).trim_end();
    if !part.is_empty() {
        text.push_str(part);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests;
