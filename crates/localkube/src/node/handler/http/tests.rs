use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{Target, get, redirect};
use crate::net::netns::NetNs;

/// Serves one canned answer to each of `answers`' connections in turn; gives the requests as they came.
async fn server(answers: Vec<String>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut seen = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 4096];
            let n = stream.read(&mut bytes).await.unwrap();
            seen.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        seen
    });
    (address, task)
}

fn target(address: SocketAddr, path: &str) -> Target {
    Target { host: address.ip().to_string(), port: address.port(), tls: false, path: path.to_owned() }
}

#[tokio::test]
async fn asks_as_the_kubelet_and_follows_on_the_same_host() {
    let moved = "HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n".to_owned();
    let fine = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let (address, task) = server(vec![moved, fine]).await;
    let headers = [("host".to_owned(), "own.example".to_owned()), ("X-A".to_owned(), "1".to_owned())];
    let netns = NetNs::current().unwrap();
    let status = get(&netns, &target(address, "/here?x=1"), &headers, Duration::from_secs(2)).await.unwrap();
    assert_eq!(status, 204);
    let seen = task.await.unwrap();
    assert!(seen[0].starts_with("GET /here?x=1 HTTP/1.1\r\n") && seen[1].starts_with("GET /there "), "{seen:?}");
    assert!(
        seen[0].contains("user-agent: kube-probe/1.33\r\n") && seen[0].contains("host: own.example\r\n"),
        "{seen:?}"
    );
    assert!(seen[0].contains("x-a: 1\r\n") && !seen[0].contains("127.0.0.1:"), "{seen:?}");
}

#[tokio::test]
async fn failures_are_worded_as_gos() {
    let netns = NetNs::current().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let late = get(&netns, &target(address, "/"), &[], Duration::from_millis(100)).await.unwrap_err();
    let url = format!("Get \"http://{address}/\": ");
    assert_eq!(late, format!("{url}context deadline exceeded (Client.Timeout exceeded while awaiting headers)"));
    drop(listener);
    let refused = get(&netns, &target(address, "/"), &[], Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(refused, format!("{url}dial tcp {address}: connect: connection refused"));
}

#[test]
fn redirects() {
    let from = Target { host: "10.0.0.1".into(), port: 80, tls: false, path: "/".into() };
    assert_eq!(
        redirect(&from, "https://10.0.0.1:8443/x").unwrap(),
        Target { port: 8443, tls: true, path: "/x".into(), ..from.clone() }
    );
    assert_eq!(redirect(&from, "http://elsewhere/x"), None);
    assert_eq!(redirect(&from, "//elsewhere/x"), None);
}
