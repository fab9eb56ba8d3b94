//! The admin server (15000, loopback only), in Envoy's shapes, because people and tools know these; and the ports for
//! health and metrics beside it.
//!
//! It reads what is published and what was received. Nothing here is kept ready: an answer is made when it is asked for,
//! and nothing of it remains.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/operations/admin>

mod clusters;
mod dump;
mod listeners;
mod logging;
mod ports;
mod scope;
mod server;
mod stats;

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use mesh_bootstrap::Drain;
use serde_json::Value;
use tokio::sync::Semaphore;

use self::logging::Levels;
pub(crate) use self::ports::{health, metrics};
use super::{Shared, control::ControlSettings, held::Held};

/// What the pages read. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Admin(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    shared: Arc<Shared>,
    held: Held,
    workers: u32,
    bootstrap: Value,
    node: Value,
    began: Instant,
    drain: Drain,
    began_at: SystemTime,
    levels: Levels,
    /// Turns for configuration dumps.
    dumps: Arc<Semaphore>,
}

impl std::ops::Deref for Admin {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Path, method and meaning of each page.
const PAGES: &[(&str, &str)] = &[
    ("/certs", "print certs on machine"),
    ("/clusters", "upstream cluster status"),
    ("/config_dump", "dump current configs"),
    ("/drain_listeners (POST)", "drain listeners"),
    ("/healthcheck/fail (POST)", "cause the server to fail health checks"),
    ("/healthcheck/ok (POST)", "cause the server to pass health checks"),
    ("/help", "print out list of admin commands"),
    ("/lateen/scope", "print which destinations were called, in scope and out of it"),
    ("/listeners", "print listener info"),
    ("/logging (POST)", "query/change logging levels"),
    ("/memory", "print current allocation/heap usage"),
    ("/quitquitquit (POST)", "exit the server"),
    ("/ready", "print server state, return 200 if LIVE, otherwise return 503"),
    ("/reset_counters (POST)", "reset all counters to zero"),
    ("/server_info", "print server version/status information"),
    ("/stats", "print server stats"),
    ("/stats/prometheus", "print server stats in prometheus format"),
];

impl Admin {
    pub(crate) fn new(shared: Arc<Shared>, held: Held, settings: ControlSettings, node: Value) -> Self {
        Self(Arc::new(Inner {
            shared,
            held,
            workers: settings.workers,
            bootstrap: settings.bootstrap,
            node,
            began: settings.began,
            drain: settings.drain,
            began_at: SystemTime::now(),
            levels: Levels::new(settings.logs),
            dumps: Arc::new(Semaphore::new(1)),
        }))
    }

    /// All pages.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/", get(help))
            .route("/help", get(help))
            .route("/certs", get(server::certs))
            .route("/clusters", get(clusters::page))
            .route("/config_dump", get(dump::page))
            .route("/lateen/scope", get(scope::page))
            .route("/listeners", get(listeners::page))
            .route("/memory", get(server::memory))
            .route("/ready", get(server::ready))
            .route("/server_info", get(server::info))
            .route("/stats", get(stats::page))
            .route("/stats/prometheus", get(stats::prometheus_page))
            .route("/logging", post(logging::page))
            .route("/healthcheck/fail", post(async |State(admin): State<Self>| admin.fail_health(true)))
            .route("/healthcheck/ok", post(async |State(admin): State<Self>| admin.fail_health(false)))
            .route("/drain_listeners", post(drain_listeners))
            .route("/quitquitquit", post(quit))
            .route("/reset_counters", post(async |State(admin): State<Self>| admin.reset_counters()))
            .fallback(async || (StatusCode::NOT_FOUND, "invalid path. admin commands are:\n".to_owned() + &pages()))
            .with_state(self)
    }

    fn reset_counters(&self) -> &'static str {
        self.shared.stats.reset();
        "OK\n"
    }

    fn fail_health(&self, fail: bool) -> &'static str {
        self.shared.life.fail_health(fail);
        "OK\n"
    }
}

async fn help() -> impl IntoResponse {
    "admin commands are:\n".to_owned() + &pages()
}

fn pages() -> String {
    PAGES.iter().map(|(path, what)| format!("  {path}: {what}\n")).collect()
}

/// Listeners close gently in any case; Envoy's `graceful` asks for what happens here anyway.
async fn drain_listeners(State(admin): State<Admin>) -> &'static str {
    tracing::info!("listeners drain, as asked by /drain_listeners");
    admin.shared.life.drain();
    "OK\n"
}

async fn quit(State(admin): State<Admin>) -> &'static str {
    tracing::info!("ending, as asked by /quitquitquit");
    admin.drain.begin();
    "OK\n"
}

#[cfg(test)]
mod tests;
