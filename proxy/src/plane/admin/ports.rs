//! Health (15021) and metrics (15090), on all addresses: what stock Envoy has static listeners for.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

use super::stats::{TEXT_FORMAT, prometheus};
use crate::plane::{Shared, control::AskReady};

/// `/healthz/ready`: what the agent says.
pub(crate) fn health(ready: AskReady) -> Router {
    Router::new().route("/healthz/ready", get(is_ready)).with_state(ready)
}

async fn is_ready(State(ready): State<AskReady>) -> Response {
    match ready().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", why.trim_end())).into_response(),
    }
}

/// `/stats/prometheus`: the data plane's metrics.
pub(crate) fn metrics(shared: Arc<Shared>, began: Instant) -> Router {
    let answer = async |State((shared, began)): State<(Arc<Shared>, Instant)>| {
        ([(CONTENT_TYPE, TEXT_FORMAT)], prometheus(&shared, began))
    };
    Router::new().route("/stats/prometheus", get(answer)).with_state((shared, began))
}
