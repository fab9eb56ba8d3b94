use std::{io, net::SocketAddr, time::Duration};

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{forward::HOST_PORTS, netns::NetNs, topology::tests::two_nodes, *};
use crate::{
    api::{Api, verbs::DeleteOptions},
    client::Client,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// Asks until `check` finds what it wants.
async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

async fn read(stream: io::Result<TcpStream>) -> Option<String> {
    let mut text = String::new();
    stream.ok()?.read_to_string(&mut text).await.ok()?;
    Some(text).filter(|t| !t.is_empty())
}

async fn read_from(netns: &NetNs, address: &str) -> Option<String> {
    let address: SocketAddr = address.parse().unwrap();
    read(timeout(Duration::from_secs(1), netns.connect_tcp(address)).await.ok()?).await
}

fn host_port(service: &Service) -> Option<String> {
    let ports = service.metadata.annotations.as_ref()?.get(HOST_PORTS)?;
    ports.strip_prefix("http=").map(str::to_owned)
}

#[tokio::test]
async fn a_service_is_reached_from_pods_and_from_the_host_while_it_exists() {
    let Some(net) = two_nodes("a_service_is_reached_from_pods_and_from_the_host").await else { return };
    let api = Api::default();
    let client = Client::new(api, "test");
    let proxy = proxier::start(client.clone(), &net).await.unwrap();
    let ways_in = forward::start(client.clone(), net.clone());
    let (server, other) = (net.attach("node-2", "server").await.unwrap(), net.attach("node-1", "other").await.unwrap());
    let listener = server.netns.listen_tcp((server.ip, 8080).into()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            stream.write_all(format!("seen {}", peer.ip()).as_bytes()).await.unwrap();
        }
    });
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "type": "LoadBalancer", "clusterIP": "10.96.0.77", "externalTrafficPolicy": "Local",
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 31999}],
        },
    }))
    .unwrap();
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [server.ip.to_string()], "nodeName": "node-2", "conditions": {"ready": true}}],
    }))
    .unwrap();
    client.create(&service).await.unwrap();
    client.create(&slice).await.unwrap();

    let got = || client.get::<Service>("default", "web").unwrap().unwrap();
    let on_host = eventually("the annotation", async || host_port(&got())).await;
    let status = serde_json::to_value(got().status).unwrap();
    assert_eq!(status["loadBalancer"]["ingress"], json!([{"ip": "172.18.255.1", "ipMode": "VIP"}]));
    // With policy Local the caller's own address is seen, by the balancer's address and by the host's port.
    let seen = eventually("the host's port", async || read(TcpStream::connect(&on_host).await).await).await;
    assert_eq!(seen, "seen 203.0.113.1");
    let seen = eventually("the balancer", async || read_from(net.outside(), "172.18.255.1:80").await).await;
    assert_eq!(seen, "seen 203.0.113.1");
    let seen = eventually("the cluster IP", async || read_from(&other.netns, "10.96.0.77:80").await).await;
    assert_eq!(seen, format!("seen {}", other.ip));

    client.delete::<Service>("default", "web", &DeleteOptions::default()).await.unwrap();
    eventually("the listener is gone", async || TcpStream::connect(&on_host).await.is_err().then_some(())).await;
    eventually("the rules are gone", async || read_from(&other.netns, "10.96.0.77:80").await.is_none().then_some(()))
        .await;
    proxy.abort();
    ways_in.abort();
}
