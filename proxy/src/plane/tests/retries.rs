//! Trying again, and giving up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::rig::{Rig, all_to, answer, cluster, listener, nobody, request, upstream};

fn retry(on: &str, retries: u32) -> Value {
    json!({ "retry_policy": {
        "retry_on": on, "num_retries": retries,
        "retry_back_off": { "base_interval": "0.001s", "max_interval": "0.002s" },
        "retry_host_predicate": [{ "name": "envoy.retry_host_predicates.previous_hosts" }],
        "host_selection_retry_max_attempts": "5",
    } })
}

#[tokio::test]
async fn a_failing_answer_is_tried_again_with_the_same_body() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let flaky = upstream(move |parts, body| {
        let number = counted.fetch_add(1, SeqCst);
        assert_eq!(parts.headers["x-envoy-attempt-count"], (number + 1).to_string().as_str());
        if number < 2 { answer(503, "") } else { answer(200, std::str::from_utf8(body).unwrap()) }
    });
    let clusters = [cluster("a", &[flaky.await], json!({}))];
    let rig = Rig::new(listener(all_to("a", retry("5xx", 2)), json!({})), &clusters).await;
    let answer = rig.ask(request("POST", "/", "the body")).await;
    assert_eq!((answer.status.as_u16(), answer.text(), calls.load(SeqCst)), (200, "the body", 3));
    assert_eq!(rig.stat("cluster.a.upstream_rq_retry"), 2);
    assert_eq!(rig.stat("cluster.a.upstream_rq_retry_success"), 1);
}

#[tokio::test]
async fn retries_come_to_an_end_with_the_last_answer() {
    let clusters = [cluster("a", &[upstream(|_, _| answer(502, "no")).await], json!({}))];
    let rig = Rig::new(listener(all_to("a", retry("gateway-error", 3)), json!({})), &clusters).await;
    let answer = rig.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (502, "no"));
    assert_eq!(rig.stat("cluster.a.upstream_rq_total"), 4);
    assert_eq!(rig.stat("cluster.a.upstream_rq_retry_limit_exceeded"), 1);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_left_for_another() {
    let good = upstream(|_, _| answer(200, "good")).await;
    let clusters = [cluster("a", &[nobody(), good], json!({}))];
    let rig = Rig::new(listener(all_to("a", retry("connect-failure", 2)), json!({})), &clusters).await;
    for _ in 0..10 {
        assert_eq!(rig.get("/").await.text(), "good");
    }
    let alone = [cluster("a", &[nobody()], json!({}))];
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &alone).await;
    let failed = rig.get("/").await;
    assert_eq!(failed.status, 503);
    assert!(failed.text().ends_with("reset reason: connection failure"), "{}", failed.text());
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_told_apart() {
    let listener_socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude = listener_socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener_socket.accept().await.unwrap();
            // It reads the request, and goes.
            drop(stream.read(&mut [0; 1024]).await);
        }
    });
    let clusters = [cluster("a", &[rude], json!({}))];
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &clusters).await;
    let failed = rig.get("/").await;
    assert_eq!(failed.status, 503);
    assert!(failed.text().ends_with("reset reason: connection termination"), "{}", failed.text());
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clusters = [cluster("a", &[silent.local_addr().unwrap()], json!({}))];
    let rig = Rig::new(listener(all_to("a", json!({ "timeout": "0.2s" })), json!({})), &clusters).await;
    let began = Instant::now();
    let late = rig.get("/").await;
    assert_eq!((late.status.as_u16(), late.text()), (504, "upstream request timeout"));
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(rig.stat("cluster.a.upstream_rq_timeout"), 1);

    let mut action = retry("5xx", 1);
    action["retry_policy"]["per_try_timeout"] = json!("0.1s");
    let rig = Rig::new(listener(all_to("a", action), json!({})), &clusters).await;
    assert_eq!(rig.get("/").await.status, 504);
    assert_eq!(rig.stat("cluster.a.upstream_rq_per_try_timeout"), 2);
}

#[tokio::test]
async fn a_connection_that_idled_out_is_not_used_again() {
    // Closes each connection after one answer without saying so.
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = socket.accept().await.unwrap();
            tokio::spawn(async move {
                drop(stream.read(&mut [0; 4096]).await);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                drop(tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await);
            });
        }
    });
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[address], json!({}))]).await;
    for _ in 0..50 {
        assert_eq!(rig.get("/").await.text(), "ok");
    }
}
