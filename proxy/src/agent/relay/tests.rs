use std::time::Duration;

use mesh_bootstrap::Metrics;
use mesh_identity::Credentials;
use mesh_tls::{Clients, Dialer, Peers, Servers, TlsListener, alpn, client_config, peer_identity, server_config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixStream},
    sync::watch,
    time::{sleep, timeout},
};

use super::{listen, serve};
use crate::agent::{
    metrics::AgentMetrics,
    pilot::Pilot,
    testing::{authority, certificate},
};

/// Envoy may ask before there is a certificate and before pilot is there.
#[tokio::test]
async fn bytes_go_to_pilot_and_back_once_both_are_there() {
    let authority = authority();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("XDS");
    // A socket that a former agent left behind.
    drop(listen(&path).unwrap());
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = reserved.local_addr().unwrap().port();
    drop(reserved);

    let (writer, cert) = watch::channel(None);
    let credentials = Credentials { cert, roots: watch::channel(authority.roots().clone()).1 };
    let registry = Metrics::new("proxy");
    let metrics = AgentMetrics::new(&registry, &credentials);
    let config = client_config(&credentials, Servers::Named, &[alpn::H2]).unwrap();
    let pilot = Pilot::MutualTls(Dialer::new(&format!("localhost:{port}"), config).unwrap(), credentials);
    tokio::spawn(serve(listen(&path).unwrap(), pilot, metrics));
    let mut envoy = UnixStream::connect(&path).await.unwrap();
    envoy.write_all(b"ask").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    writer.send(Some(certificate(&authority, "web").into())).unwrap();
    sleep(Duration::from_millis(300)).await;

    let shown = Credentials::fixed(Some(certificate(&authority, "pilot")), authority.roots().clone());
    let config = server_config(&shown, Clients::Required(Peers::domain("cluster.local")), &[alpn::H2]).unwrap();
    let tcp = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let mut pilot = TlsListener::new(tcp, config).unwrap();
    let mut accepted = timeout(Duration::from_secs(20), pilot.accept()).await.unwrap().unwrap().stream;
    let peer = peer_identity(accepted.get_ref().1.peer_certificates().unwrap()).unwrap();
    assert_eq!(peer.account(), "web");
    let mut question = [0; 3];
    accepted.read_exact(&mut question).await.unwrap();
    assert_eq!(&question, b"ask");
    accepted.write_all(b"answer").await.unwrap();
    accepted.shutdown().await.unwrap();
    drop(accepted);
    let mut answer = String::new();
    envoy.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    let text = registry.encode();
    assert!(text.contains("istio_agent_xds_connects_total 1"), "{text}");
    assert!(!text.contains("istio_agent_xds_connect_failures_total 0"), "{text}");
}

/// Without certificates the same bytes go to pilot's plaintext port.
#[tokio::test]
async fn plaintext_needs_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("XDS");
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let credentials = Credentials::fixed(None, authority().roots().clone());
    let metrics = AgentMetrics::new(&Metrics::new("proxy"), &credentials);
    let pilot = Pilot::Plaintext(tcp.local_addr().unwrap().to_string().into());
    tokio::spawn(serve(listen(&path).unwrap(), pilot, metrics));
    let mut envoy = UnixStream::connect(&path).await.unwrap();
    envoy.write_all(b"ask").await.unwrap();
    let (mut accepted, _) = timeout(Duration::from_secs(20), tcp.accept()).await.unwrap().unwrap();
    let mut question = [0; 3];
    accepted.read_exact(&mut question).await.unwrap();
    assert_eq!(&question, b"ask");
}
