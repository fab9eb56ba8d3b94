//! Limits of clusters, and endpoints that are sent home.

use std::time::Duration;

use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::rig::{Rig, all_to, answer, cluster, listener, upstream};

#[tokio::test]
async fn a_cluster_that_is_busy_answers_so() {
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = json!({ "circuit_breakers": { "thresholds": [{ "max_requests": 1 }] } });
    let clusters = [cluster("a", &[slow.local_addr().unwrap()], limits)];
    let rig = std::sync::Arc::new(Rig::new(listener(all_to("a", json!({})), json!({})), &clusters).await);
    let first = rig.clone();
    let waiting = tokio::spawn(async move { drop(first.get("/").await) });
    let (mut held, _) = slow.accept().await.unwrap();
    held.read_exact(&mut [0; 4]).await.unwrap();
    let refused = rig.get("/").await;
    assert_eq!((refused.status.as_u16(), refused.header("x-envoy-overloaded")), (503, "true"));
    assert!(refused.text().ends_with("reset reason: overflow"), "{}", refused.text());
    waiting.abort();
}

#[tokio::test]
async fn requests_wait_for_a_connection_when_there_may_be_one_only() {
    let clusters = [cluster(
        "a",
        &[upstream(|_, _| {
            std::thread::sleep(Duration::from_millis(5));
            answer(200, "ok")
        })
        .await],
        json!({ "circuit_breakers": { "thresholds": [{ "max_connections": 1 }] } }),
    )];
    let rig = std::sync::Arc::new(Rig::new(listener(all_to("a", json!({})), json!({})), &clusters).await);
    let asking: Vec<_> = (0..10)
        .map(|_| {
            let rig = rig.clone();
            tokio::spawn(async move { rig.get("/").await.status })
        })
        .collect();
    for answered in asking {
        assert_eq!(answered.await.unwrap(), 200);
    }
    assert_eq!(rig.stat("cluster.a.upstream_cx_total"), 1);
}

#[tokio::test]
async fn an_endpoint_that_keeps_failing_is_sent_home() {
    let (bad, good) = (upstream(|_, _| answer(500, "bad")).await, upstream(|_, _| answer(200, "good")).await);
    let outlier = json!({ "outlier_detection": {
        "consecutive_5xx": 2, "base_ejection_time": "60s", "max_ejection_percent": 100, "enforcing_success_rate": 0,
    } });
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[bad, good], outlier)]).await;
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(rig.get("/").await.status.as_u16());
    }
    assert_eq!(answers.iter().filter(|status| **status == 500).count(), 2, "{answers:?}");
    assert_eq!(rig.stat("cluster.a.ejections_enforced_total"), 1);
    let snapshot = rig.snapshot();
    assert_eq!(snapshot.cluster("a").unwrap().hosts().count(), 2);
}

#[tokio::test]
async fn connections_are_used_again_and_end_after_their_share() {
    let clusters = [cluster("a", &[upstream(|_, _| answer(200, "ok")).await], json!({}))];
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &clusters).await;
    for _ in 0..20 {
        assert_eq!(rig.get("/").await.status, 200);
    }
    assert_eq!(rig.stat("cluster.a.upstream_cx_total"), 1);

    let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let options = json!({ "typed_extension_protocol_options": { name: {
        "@type": format!("type.googleapis.com/{name}"),
        "common_http_protocol_options": { "max_requests_per_connection": 5 },
        "explicit_http_config": { "http_protocol_options": {} },
    } } });
    let clusters = [cluster("a", &[upstream(|_, _| answer(200, "ok")).await], options)];
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &clusters).await;
    for _ in 0..20 {
        assert_eq!(rig.get("/").await.status, 200);
    }
    assert_eq!(rig.stat("cluster.a.upstream_cx_total"), 4);
}
