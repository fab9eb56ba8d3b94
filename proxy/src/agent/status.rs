//! The agent's port (15020): health and metrics for the kubelet and Prometheus, the end for whoever runs in the pod.
//!
//! <https://github.com/istio/istio/blob/1.25.1/pilot/cmd/pilot-agent/status/server.go>

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use mesh_bootstrap::{Drain, Metrics, local_only};

use super::{
    drain,
    merge::{TEXT_FORMAT, merged},
    metrics::AgentMetrics,
    ready::Readiness,
    settings::Settings,
};

/// What the agent's port is asked about. Clones are the same.
#[derive(Clone)]
pub(crate) struct Status {
    settings: Arc<Settings>,
    registry: Metrics,
    metrics: AgentMetrics,
    readiness: Arc<Readiness>,
    drain: Drain,
}

impl Status {
    pub(crate) fn new(settings: Arc<Settings>, registry: Metrics, metrics: AgentMetrics, drain: Drain) -> Self {
        let readiness = Arc::new(Readiness::default());
        let (ending, told) = (drain.clone(), Arc::clone(&readiness));
        tokio::spawn(async move {
            ending.requested().await;
            told.drain();
        });
        Self { settings, registry, metrics, readiness, drain }
    }

    /// Whether the proxy is ready; why not.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        self.readiness.check(self.settings.ports.admin).await
    }

    /// The routes. They must be served with the callers' addresses.
    pub(crate) fn router(&self) -> Router {
        let local = local_only(
            Router::new()
                .route("/quitquitquit", post(quit))
                .route("/drain", post(begin_drain))
                .with_state(self.clone()),
        );
        Router::new()
            .route("/healthz/ready", get(ready))
            .route("/stats/prometheus", get(stats))
            .route("/metrics", get(stats))
            .route("/app-health/{container}/{probe}", any(probe))
            .route("/app-lifecycle/{container}/{hook}", any(probe))
            .with_state(self.clone())
            .merge(local)
    }
}

async fn ready(State(status): State<Status>) -> Response {
    match status.ready().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(why) => {
            tracing::debug!(%why, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
        }
    }
}

async fn stats(State(status): State<Status>, headers: HeaderMap) -> Response {
    let text = merged(&status.settings, &status.registry, &status.metrics, &headers).await;
    ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response()
}

async fn probe(State(status): State<Status>, uri: Uri, headers: HeaderMap) -> Response {
    match status.settings.probers.get(uri.path()) {
        Some(prober) => {
            let outcome = prober.ask(status.settings.node.ip, &headers).await;
            (outcome.status, outcome.body).into_response()
        }
        None => (StatusCode::NOT_FOUND, format!("no probe is known for {}\n", uri.path())).into_response(),
    }
}

/// Ends the proxy, as SIGTERM does: for jobs whose application is done.
async fn quit(State(status): State<Status>) -> &'static str {
    tracing::info!("ending, as asked by /quitquitquit");
    status.drain.begin();
    "OK"
}

/// Begins to drain without ending: for preStop hooks.
async fn begin_drain(State(status): State<Status>) -> &'static str {
    tracing::info!("draining, as asked by /drain");
    status.readiness.drain();
    drain::begin(status.settings.ports.admin).await;
    "OK"
}
