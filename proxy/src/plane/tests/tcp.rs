//! Bytes that are passed on.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::rig::{Rig, all_to, cluster, echo, listener, nobody};

fn to(cluster: &str) -> Value {
    json!({ "filters": [{ "name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": cluster, "cluster": cluster,
    } }] })
}

/// Speaks first, then sends everything back, and ends when the client has.
async fn server_first() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = socket.accept().await.unwrap();
            tokio::spawn(async move {
                stream.write_all(b"hello\n").await.unwrap();
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.unwrap();
            });
        }
    });
    address
}

#[tokio::test]
async fn a_server_may_speak_first_and_either_side_may_finish_first() {
    let clusters = [cluster("a", &[server_first().await], json!({}))];
    let rig = Rig::new(json!({ "filter_chains": [to("a")] }), &clusters).await;
    let mut stream = rig.connect().await;
    let mut hello = [0; 6];
    stream.read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"hello\n");
    // More than all buffers on the way hold, so that both directions have to go on at once.
    let sent: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut read, mut write) = stream.into_split();
    let writing = tokio::spawn({
        let sent = sent.clone();
        async move {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        }
    });
    let mut back = Vec::new();
    read.read_to_end(&mut back).await.unwrap();
    writing.await.unwrap();
    assert!(back == sent, "{} bytes of {} came back", back.len(), sent.len());
    assert_eq!(rig.stat("cluster.a.upstream_cx_tx_bytes_total"), 8_000_000);
    assert_eq!(rig.stat("cluster.a.upstream_cx_rx_bytes_total"), 8_000_006);
}

#[tokio::test]
async fn where_there_is_nobody_the_connection_is_reset() {
    for clusters in [vec![cluster("a", &[], json!({}))], vec![cluster("a", &[nobody()], json!({}))], vec![]] {
        let rig = Rig::new(json!({ "filter_chains": [to("a")] }), &clusters).await;
        // The reset may come before the connection is even given out.
        let ended = match TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).await {
            Ok(mut stream) => stream.read_u8().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset, "{clusters:?}");
    }
}

#[tokio::test]
async fn the_first_bytes_choose_the_chain() {
    let mut both = listener(all_to("web", json!({})), json!({}));
    both["filter_chains"][0]["filter_chain_match"] = json!({ "application_protocols": ["http/1.1", "h2c"] });
    both["default_filter_chain"] = to("bytes");
    let clusters = [cluster("web", &[echo().await], json!({})), cluster("bytes", &[server_first().await], json!({}))];
    let rig = Rig::new(both, &clusters).await;
    assert!(rig.get("/").await.text().starts_with("GET / HTTP/1.1"));
    let mut stream = rig.connect().await;
    stream.write_all(b"\x00\x01not http").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"hello\n\x00\x01not http");
}
