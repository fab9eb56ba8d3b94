use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{Admin, local_only};

async fn ask(router: Router, path: &str, from: Option<&str>) -> (StatusCode, String) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    if let Some(from) = from {
        request.extensions_mut().insert(ConnectInfo(from.parse::<SocketAddr>().unwrap()));
    }
    let reply = router.oneshot(request).await.unwrap();
    let status = reply.status();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_names_what_is_awaited() {
    let admin = Admin::new("test", None);
    let gate = admin.readiness.gate("waiting for the first configuration");
    let (status, text) = ask(admin.router(), "/ready", None).await;
    assert_eq!(
        (status, text.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: waiting for the first configuration\n")
    );
    gate.open();
    assert_eq!(ask(admin.router(), "/ready", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn metrics_and_version_are_told() {
    let admin = Admin::new("test", None);
    assert!(ask(admin.router(), "/metrics", None).await.1.ends_with("# EOF\n"));
    assert!(ask(admin.router(), "/version", None).await.1.contains("\"program\":\"test\""));
}

#[tokio::test]
async fn debug_routes_answer_the_loopback_only() {
    let router = local_only(Router::new().route("/debug", axum::routing::get(async || "x")));
    for (from, status) in [
        (Some("127.0.0.1:1"), StatusCode::OK),
        (Some("[::ffff:127.0.0.1]:1"), StatusCode::OK),
        (Some("[::1]:1"), StatusCode::OK),
        (Some("10.0.0.7:1"), StatusCode::FORBIDDEN),
        (None, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(ask(router.clone(), "/debug", from).await.0, status, "{from:?}");
    }
}
