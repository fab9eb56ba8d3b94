//! Listeners that come and go, as those of a gateway do.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use http::StatusCode;
use serde_json::json;
use tokio::{net::TcpStream, time::sleep};

use super::rig::{Rig, all_to, cluster, echo, get, listener, nobody};

/// Waits until somebody takes connections there, or nobody does.
async fn until(is_open: bool, at: SocketAddr) {
    for _ in 0..300 {
        if TcpStream::connect(at).await.is_ok() == is_open {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{at} should be {}", if is_open { "open" } else { "closed" });
}

#[tokio::test]
async fn ports_open_and_close_with_their_listeners() {
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[echo().await], json!({}))]).await;
    let at = nobody();
    until(false, at).await;
    rig.listen(at, Some(listener(all_to("a", json!({})), json!({}))));
    until(true, at).await;
    rig.listen(at, None);
    until(false, at).await;
    assert_eq!(rig.get("/").await.status, StatusCode::OK, "the other one stays");
    assert_eq!(rig.stat("listener_manager.listener_create_success"), 2);
    assert_eq!(rig.stat("listener_manager.listener_create_failure"), 0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_counted_once_and_opened_when_it_is_free() {
    let rig = Rig::new(listener(all_to("a", json!({})), json!({})), &[cluster("a", &[echo().await], json!({}))]).await;
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = other.local_addr().unwrap();
    rig.listen(at, Some(listener(all_to("a", json!({})), json!({}))));
    for _ in 0..2 {
        // Housekeeping tries again in between.
        sleep(Duration::from_millis(1200)).await;
        assert_eq!(rig.stat("listener_manager.listener_create_failure"), 1);
    }
    assert_eq!(rig.ask(get("/")).await.status, StatusCode::OK, "the other one works");
    drop(other);
    until(true, at).await;
    assert_eq!(rig.stat("listener_manager.listener_create_success"), 2);
}
