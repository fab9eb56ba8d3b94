use std::{future::pending, time::Duration};

use axum::routing::post;

use super::*;
use crate::{Reply, Reuse, Upstream, bind, serve};

fn identity() -> Identity {
    Identity { service: "shop", version: "v7".to_owned(), pod: Some("shop-v7-abc".to_owned()) }
}

async fn start(app: App) -> Upstream {
    let listener = bind(0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, app, pending()));
    Upstream::new(format!("http://127.0.0.1:{port}"), Duration::from_secs(5), Reuse::Keep)
}

async fn get_path(upstream: &Upstream, path: &str) -> Reply {
    upstream.get(path, http::HeaderMap::new()).await.unwrap()
}

#[tokio::test]
async fn counts_requests_by_route_and_code() {
    let app = App::new(&identity()).route("/books/{id}", get(|| async { "a book" }));
    let upstream = start(app).await;
    for path in ["/books/1", "/books/2", "/elsewhere", "/also/elsewhere"] {
        get_path(&upstream, path).await;
    }

    let reply = get_path(&upstream, "/metrics").await;

    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    for line in [
        r#"http_requests_total{method="GET",route="/books/{id}",code="200"} 2"#,
        r#"http_requests_total{method="GET",route="other",code="404"} 2"#,
        r#"http_request_duration_seconds_count{route="/books/{id}"} 2"#,
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}

#[tokio::test]
async fn every_answer_says_who_gave_it_before_those_it_asked() {
    let app = App::new(&identity()).route("/", get(|| async { [(SERVED_BY, "ratings v1 r-1")] }));
    let upstream = start(app).await;
    let reply = get_path(&upstream, "/").await;
    let hops: Vec<_> = reply.headers.get_all(SERVED_BY).iter().collect();
    assert_eq!(hops, ["shop v7 shop-v7-abc", "ratings v1 r-1"]);
    assert_eq!(get_path(&upstream, "/nowhere").await.headers[SERVED_BY], "shop v7 shop-v7-abc");
}

#[tokio::test]
async fn a_name_that_no_header_can_carry_is_left_out() {
    let identity = Identity { pod: Some("line\nbreak".to_owned()), ..identity() };
    assert_eq!(identity.served_by(), "shop");
}

#[tokio::test]
async fn other_methods_on_a_route_are_refused() {
    let upstream = start(App::new(&identity()).route("/only-post", post(|| async {}))).await;
    assert_eq!(get_path(&upstream, "/only-post").await.status, StatusCode::METHOD_NOT_ALLOWED);
}
