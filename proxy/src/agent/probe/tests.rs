use std::net::{IpAddr, Ipv4Addr};

use axum::{Router, http::HeaderMap, routing::get};
use http::StatusCode;
use tokio::net::TcpListener;

use super::{Prober, Probers};

const POD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An application that tells whom it sees.
async fn application() -> u16 {
    let router = Router::new()
        .route(
            "/healthy",
            get(async |headers: HeaderMap| {
                let header = |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
                format!("{} {} {}", header("host"), header("x-probe"), header("user-agent"))
            }),
        )
        .route("/sick", get(async || (StatusCode::SERVICE_UNAVAILABLE, "sick")));
    let listener = TcpListener::bind((POD, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

async fn ask(json: serde_json::Value, headers: &HeaderMap) -> (StatusCode, String) {
    let prober: Prober = serde_json::from_value(json).unwrap();
    let outcome = prober.ask(POD, headers).await;
    (outcome.status, String::from_utf8(outcome.body).unwrap())
}

#[tokio::test]
async fn http_is_asked_as_the_kubelet_would() {
    let port = application().await;
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", "kube-probe/1.33".parse().unwrap());
    headers.insert("host", "10.0.0.7:15020".parse().unwrap());
    let get = serde_json::json!({ "httpGet": {
        "path": "/healthy", "port": port, "httpHeaders": [{ "name": "X-Probe", "value": "yes" }]
    } });
    let (status, body) = ask(get, &headers).await;
    assert_eq!((status, body), (StatusCode::OK, format!("127.0.0.1:{port} yes kube-probe/1.33")));
    let named = serde_json::json!({ "httpGet": {
        "path": "healthy", "port": port, "httpHeaders": [{ "name": "Host", "value": "web.example" }]
    } });
    assert!(ask(named, &headers).await.1.starts_with("web.example "));
    let sick = serde_json::json!({ "httpGet": { "path": "/sick", "port": port } });
    assert_eq!(ask(sick, &headers).await, (StatusCode::SERVICE_UNAVAILABLE, "sick".to_owned()));
}

#[tokio::test]
async fn tcp_is_a_connection() {
    let port = application().await;
    let none = HeaderMap::new();
    assert_eq!(ask(serde_json::json!({ "tcpSocket": { "port": port } }), &none).await.0, StatusCode::OK);
    let closed = TcpListener::bind((POD, 0)).await.unwrap().local_addr().unwrap().port();
    for question in [
        serde_json::json!({ "tcpSocket": { "port": closed } }),
        serde_json::json!({ "httpGet": { "path": "/", "port": closed } }),
        serde_json::json!({ "grpc": { "port": closed } }),
        serde_json::json!({ "httpGet": { "path": "/", "port": "web" } }),
        serde_json::json!({}),
    ] {
        let (status, why) = ask(question.clone(), &none).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{question}");
        assert!(!why.is_empty());
    }
}

#[test]
fn what_injection_writes_is_read() {
    let text = r#"{"/app-health/web/livez":{"httpGet":{"path":"/","port":9080,"scheme":"HTTP"},"timeoutSeconds":3},
        "/app-health/db/readyz":{"tcpSocket":{"port":5432}},
        "/app-health/rpc/startupz":{"grpc":{"port":9000,"service":null}}}"#;
    let probers: Probers = serde_json::from_str(text).unwrap();
    assert_eq!(probers.len(), 3);
}
