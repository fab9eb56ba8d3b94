//! The admin server: how a program is asked about itself.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, Query, Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

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

/// Serves `router` until the drain begins, and what was asked until then to its end; handlers see the caller's address
/// ([`ConnectInfo`]).
///
/// HTTP/1 and nothing else: axum's own server brings HTTP/2 along, which nobody speaks here and each proxy would carry.
pub async fn serve(listener: TcpListener, router: Router, drain: Drain) {
    let connections = TaskTracker::new();
    loop {
        let (stream, caller) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_connection(&error) => continue,
                // Too many open files, most likely: those of others may be closed by then.
                Err(error) => {
                    tracing::error!(%error, "a connection cannot be accepted");
                    sleep(Duration::from_secs(1)).await;
                    continue;
                }
            },
            () = drain.requested() => break,
        };
        connections.spawn(answer(stream, caller, router.clone(), drain.clone()));
    }
    connections.close();
    connections.wait().await;
}

/// Whether it was the caller who has gone.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn answer(stream: TcpStream, caller: SocketAddr, router: Router, drain: Drain) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(caller));
        router.clone().oneshot(request)
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %caller, "a connection has ended badly");
    }
}

#[cfg(test)]
mod tests;
