//! The HTTPS server that the API server asks.
//!
//! The certificate is not held here: a [`TlsListener`] follows its credentials, so a renewed one counts at the next
//! handshake. A panic or a fault of one question ends that connection only.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing,
};
use futures::future::BoxFuture;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use mesh_tls::{Accepted, ServerStream, TlsListener};
use tokio::{net::TcpStream, sync::watch, task::JoinSet, time};

use crate::admission::{Request, Review, Verdict};

/// Twice the largest object (a question may hold the old one and the new one), and room for its envelope.
const LARGEST_BODY: usize = 8 << 20;
/// Questions that are being answered when the server stops get this long.
const GRACE: Duration = Duration::from_secs(5);

/// Decides on a write. The text is what follows the webhook's path (`/inject/cluster/a` gives `cluster/a`).
pub type Judge = Arc<dyn for<'a> Fn(&'a str, &'a Request) -> BoxFuture<'a, Verdict> + Send + Sync>;

/// The routes of one webhook: at `path`, and at everything below it.
pub fn routes(path: &str, judge: Judge) -> Router {
    let below = judge.clone();
    Router::new()
        .route(path, routing::post(async move |body: Bytes| answer(&judge, "", &body).await))
        .route(
            &format!("{path}/{{*rest}}"),
            routing::post(async move |Path(rest): Path<String>, body: Bytes| answer(&below, &rest, &body).await),
        )
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
}

async fn answer(judge: &Judge, rest: &str, body: &[u8]) -> Response {
    match Review::parse(body) {
        Ok(review) => Json(review.answer(&judge(rest, &review.request).await)).into_response(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a webhook was asked something else");
            (StatusCode::BAD_REQUEST, error.to_string()).into_response()
        }
    }
}

/// Serves until `stop` becomes true.
pub async fn serve(mut listener: TlsListener, routes: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            // An error means that nobody can stop us any more; then nobody needs us either.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Some(Accepted { stream, .. }) = accepted else { break };
        drop(connections.spawn(connection(stream, routes.clone(), stop.clone())));
    }
    drop(listener);
    drop(time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await);
}

async fn connection(stream: ServerStream<TcpStream>, routes: Router, mut stop: watch::Receiver<bool>) {
    let server = auto::Builder::new(TokioExecutor::new());
    let service = TowerToHyperService::new(routes);
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = async { drop(stop.wait_for(|stop| *stop).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error = &*error, "a caller's connection broke");
    }
}
