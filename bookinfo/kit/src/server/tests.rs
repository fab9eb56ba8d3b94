use std::time::Instant;

use axum::routing::get;
use http::{HeaderMap, StatusCode};
use tokio::{sync::oneshot::Sender, task::JoinHandle};

use super::*;
use crate::{Identity, Reuse, Upstream};

const LINGER: Duration = Duration::from_secs(1);

struct Running {
    upstream: Upstream,
    stop: Sender<Pace>,
    done: JoinHandle<io::Result<()>>,
}

async fn start(slow: Duration) -> Running {
    let identity = Identity { service: "server", version: "v1".to_owned(), pod: None };
    let app = App::new(&identity)
        .health(|| async { "well" })
        .route("/fast", get(|| async { "fast" }))
        .route("/slow", get(move || async move { tokio::time::sleep(slow).await }));
    let listener = bind(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel();
    let done = tokio::spawn(serve(listener, app, async { stopped.await.unwrap() }));
    let upstream = Upstream::new(format!("http://127.0.0.1:{port}"), Duration::from_secs(10), Reuse::Never);
    Running { upstream, stop, done }
}

async fn status(upstream: &Upstream, path: &str) -> Option<StatusCode> {
    upstream.get(path, HeaderMap::new()).await.ok().map(|reply| reply.status)
}

#[tokio::test]
async fn keeps_serving_while_its_health_fails_then_refuses() {
    let server = start(Duration::ZERO).await;
    assert_eq!(status(&server.upstream, "/health").await, Some(StatusCode::OK));

    let stopped = Instant::now();
    server.stop.send(Pace { linger: LINGER, drain: Duration::from_secs(5) }).unwrap();
    tokio::time::sleep(LINGER / 4).await;
    assert_eq!(status(&server.upstream, "/health").await, Some(StatusCode::SERVICE_UNAVAILABLE));
    let reply = server.upstream.get("/fast", HeaderMap::new()).await.unwrap();
    assert_eq!((reply.status, &reply.headers["connection"]), (StatusCode::OK, &"close".parse().unwrap()));

    server.done.await.unwrap().unwrap();
    assert!(stopped.elapsed() >= LINGER);
    assert_eq!(status(&server.upstream, "/fast").await, None);
}

#[tokio::test]
async fn lets_running_requests_end() {
    let server = start(LINGER * 2).await;
    let upstream = server.upstream.clone();
    let slow = tokio::spawn(async move { status(&upstream, "/slow").await });
    tokio::time::sleep(LINGER / 4).await;
    server.stop.send(Pace { linger: Duration::ZERO, drain: Duration::from_secs(20) }).unwrap();
    assert_eq!(slow.await.unwrap(), Some(StatusCode::OK));
    server.done.await.unwrap().unwrap();
}

#[tokio::test]
async fn cuts_requests_that_outlast_the_drain_time() {
    let server = start(Duration::from_secs(60)).await;
    let upstream = server.upstream.clone();
    let slow = tokio::spawn(async move { status(&upstream, "/slow").await });
    tokio::time::sleep(LINGER / 4).await;
    let stopped = Instant::now();
    server.stop.send(Pace { linger: Duration::ZERO, drain: LINGER }).unwrap();
    server.done.await.unwrap().unwrap();
    assert!(stopped.elapsed() >= LINGER && stopped.elapsed() < Duration::from_secs(5));
    slow.abort();
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let taken = bind(0).await.unwrap();
    let error = bind(taken.local_addr().unwrap().port()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}
