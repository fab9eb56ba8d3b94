//! The admin server: how a program is asked about itself.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, Query, Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::{Drain, LogHandle, Metrics, Readiness, metrics::CONTENT_TYPE as OPEN_METRICS};

/// The version of all programs of this workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the admin server tells about a program.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Name of the program, such as `pilot`.
    pub program: &'static str,
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/ready`.
    pub readiness: Readiness,
    /// For `/logging`; none: the route is not there.
    pub logs: Option<LogHandle>,
}

impl Admin {
    /// With an empty registry and no gates.
    pub fn new(program: &'static str, logs: Option<LogHandle>) -> Self {
        Self { program, metrics: Metrics::new(program), readiness: Readiness::default(), logs }
    }

    /// `GET /metrics`, `/ready`, `/version`, and from this machine only `GET` and `PUT /logging?level=FILTER`.
    pub fn router(&self) -> Router {
        let (metrics, readiness, program) = (self.metrics.clone(), self.readiness.clone(), self.program);
        let router = Router::new()
            .route("/metrics", get(async move || ([(CONTENT_TYPE, OPEN_METRICS)], metrics.encode())))
            .route("/ready", get(async move || ready(&readiness)))
            .route("/version", get(async move || Json(serde_json::json!({ "program": program, "version": VERSION }))));
        match &self.logs {
            Some(logs) => router.merge(logging(logs.clone())),
            None => router,
        }
    }
}

fn ready(readiness: &Readiness) -> (StatusCode, String) {
    let waiting = readiness.waiting();
    if waiting.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", waiting.join("; ")))
    }
}

fn logging(logs: LogHandle) -> Router {
    local_only(
        Router::new().route("/logging", get(log_filter).put(set_log_filter).post(set_log_filter)).with_state(logs),
    )
}

async fn log_filter(State(logs): State<LogHandle>) -> Response {
    match logs.filter() {
        Ok(filter) => filter.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn set_log_filter(State(logs): State<LogHandle>, Query(wish): Query<Vec<(String, String)>>) -> Response {
    let Some((_, level)) = wish.into_iter().find(|(key, _)| key == "level") else {
        return (StatusCode::BAD_REQUEST, "say ?level=FILTER\n").into_response();
    };
    match logs.set(&level) {
        Ok(()) => log_filter(State(logs)).await,
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

/// Refuses (403) whoever does not call from this machine's loopback. The server must be [`serve`]d with addresses.
pub fn local_only(router: Router) -> Router {
    router.layer(middleware::from_fn(async |request: Request, next: Next| {
        let caller = request.extensions().get::<ConnectInfo<SocketAddr>>();
        if caller.is_some_and(|ConnectInfo(address)| address.ip().to_canonical().is_loopback()) {
            return next.run(request).await;
        }
        (StatusCode::FORBIDDEN, "this is answered on the loopback address only\n").into_response()
    }))
}

/// Listens on `port` of all addresses, both families where the machine has IPv6.
///
/// # Errors
/// The port is taken or not permitted.
pub async fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        result => result,
    }
}

/// Serves `router` until the drain begins; handlers see the caller's address ([`ConnectInfo`]).
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, router: Router, drain: Drain) -> io::Result<()> {
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move { drain.requested().await })
        .await
}

#[cfg(test)]
mod tests;
