//! Requests and connections that go to the host which they name.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::Full;
use mesh_snapshot::DnsFamily;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::rig::{Answer, Rig, all_to, echo, listener};
use crate::{dns::Found, plane::dns::Outside};

/// `a.example.org` is this machine, `far.example.org` a link; other names are not known.
pub(super) struct Names;

impl Outside for Names {
    fn look_up<'a>(&'a self, name: &'a str, _: DnsFamily) -> BoxFuture<'a, io::Result<Found>> {
        Box::pin(async move {
            let addresses = match name {
                "a.example.org" => vec![[127, 0, 0, 1].into()],
                "far.example.org" => vec![[169, 254, 169, 254].into()],
                _ => Vec::new(),
            };
            Ok(Found { addresses, ttl: None })
        })
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// A cluster for names of `*.example.org`, dialled at a port; links are closed to it.
pub(super) fn cluster(port: u16) -> Value {
    json!({
        "name": "d",
        "connect_timeout": "2s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                "dns_cache_config": {
                    "name": "n", "dns_lookup_family": "V4_ONLY",
                    "resolved_address_filter": { "ranges": [{ "address_prefix": "169.254.0.0", "prefix_len": 16 }] },
                },
            },
        },
        "metadata": { "filter_metadata": { "lateen": {
            "dynamic_host": "*.example.org", "dynamic_port": port.to_string(),
        } } },
    })
}

async fn ask(rig: &Rig, host: &str) -> Answer {
    let request = Request::builder().uri("/x").header("host", host).body(Full::default()).unwrap();
    rig.ask(request).await
}

#[tokio::test]
async fn a_request_goes_to_the_host_that_it_names() {
    let server = echo().await;
    let rig = Rig::new(listener(all_to("d", json!({})), json!({})), &[cluster(server.port())]).await;
    drop(rig.shared.names.start(Names));
    // A port in the name is the caller's word of where it dialled, not of where to go.
    for host in ["a.example.org", "A.example.org:22"] {
        let answer = ask(&rig, host).await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
        assert!(answer.text().contains(&format!("host: {host}\n")), "{}", answer.text());
    }
    for host in ["b.example.org", "far.example.org", "example.org", "evil.net", "127.0.0.1"] {
        let answer = ask(&rig, host).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{host}");
        assert_eq!(answer.text(), "DNS resolution failure");
    }
}

/// The first message of TLS with this server name.
fn hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// Answers a connection's first bytes with their number.
async fn counter() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            stream.write_all(read.to_string().as_bytes()).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn tls_goes_to_its_server_name() {
    let bytes = json!({
        "listener_filters": [{ "name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        } }],
        "filter_chains": [{
            "filter_chain_match": { "server_names": ["*.example.org"] },
            "filters": [
                { "name": "sni", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig",
                    "dns_cache_config": { "name": "n", "dns_lookup_family": "V4_ONLY" },
                    "port_value": 443,
                } },
                { "name": "tcp", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefix": "d", "cluster": "d",
                } },
            ],
        }],
    });
    let rig = Rig::new(bytes, &[cluster(counter().await.port())]).await;
    drop(rig.shared.names.start(Names));
    for (name, is_let_through) in
        [("a.example.org", true), ("b.example.org", false), ("far.example.org", false), ("evil.net", false)]
    {
        let hello = hello(name);
        let mut stream = rig.connect().await;
        stream.write_all(&hello).await.unwrap();
        let mut back = String::new();
        let came = stream.read_to_string(&mut back).await.is_ok() && back == hello.len().to_string();
        assert_eq!(came, is_let_through, "{name}: {back}");
    }
}
