use std::future::pending;

use axum::routing::get;

use super::*;
use crate::{App, Identity, bind, serve};

async fn start() -> String {
    let identity = Identity { service: "server", version: "v1".to_owned(), pod: None };
    let app = App::new(&identity)
        .route("/echo", get(|headers: HeaderMap| async move { format!("{headers:?}") }))
        .route("/slow", get(pending::<()>))
        .route("/large", get(|| async { vec![b'x'; BODY_LIMIT + 1] }))
        .route("/error", get(|| async { StatusCode::BAD_GATEWAY }));
    let listener = bind(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, app, pending()));
    format!("http://127.0.0.1:{port}")
}

fn upstream(base: String, reuse: Reuse) -> Upstream {
    Upstream::new(base, Duration::from_secs(10), reuse)
}

#[tokio::test]
async fn sends_the_headers_and_asks_for_json() {
    let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("a=b"))]);
    let reply = upstream(start().await, Reuse::Never).get("/echo", headers).await.unwrap();
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(text.contains(r#""cookie": "a=b""#) && text.contains(r#""accept": "application/json""#), "{text}");
    assert!(text.contains(r#""connection": "close""#), "{text}");
}

#[tokio::test]
async fn an_error_status_is_an_answer() {
    let reply = upstream(start().await, Reuse::Keep).get("/error", HeaderMap::new()).await.unwrap();
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn says_why_there_is_no_answer() {
    let base = start().await;
    let hasty = Upstream::new(base.clone(), Duration::from_millis(200), Reuse::Keep);
    let slow = hasty.get("/slow", HeaderMap::new()).await.unwrap_err();
    assert!(matches!(slow, CallError::Timeout(_)), "{slow}");
    let large = upstream(base, Reuse::Keep).get("/large", HeaderMap::new()).await.unwrap_err();
    assert!(matches!(large, CallError::TooLarge), "{large:?}");

    let free = bind(0).await.unwrap().local_addr().unwrap().port();
    let refused = upstream(format!("http://127.0.0.1:{free}"), Reuse::Keep);
    let refused = refused.get("/", HeaderMap::new()).await.unwrap_err();
    assert!(matches!(refused, CallError::Failed(_)), "{refused}");
    let chain = refused.chain();
    assert!(chain.starts_with("the call failed: ") && chain.contains("Connection refused"), "{chain}");
    let wrong = upstream("http://no host".to_owned(), Reuse::Keep).get("/", HeaderMap::new()).await.unwrap_err();
    assert!(matches!(wrong, CallError::Address(..)), "{wrong}");
}

#[tokio::test]
async fn connections_are_kept_only_if_asked() {
    for (reuse, connections) in [(Reuse::Keep, 1), (Reuse::Never, 3)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let accepted = tokio::spawn(count_connections(listener));
        let server = upstream(base, reuse);
        for _ in 0..3 {
            server.get("/", HeaderMap::new()).await.unwrap();
            // A used connection is back in the pool a moment after the answer.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        accepted.abort();
        assert_eq!(ACCEPTED.with(|count| count.replace(0)), connections, "{reuse:?}");
    }
}

thread_local! {
    static ACCEPTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Answers every request of every connection with an empty 200. The test's runtime has one thread.
async fn count_connections(listener: tokio::net::TcpListener) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        ACCEPTED.with(|count| count.set(count.get() + 1));
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        });
    }
}
