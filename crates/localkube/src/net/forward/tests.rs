use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::net::{balancer::plan, topology::tests::two_nodes};

fn service(name: &str, spec: Value, lb: Option<&str>) -> Service {
    let ingress: Vec<Value> = lb.iter().map(|ip| json!({"ip": ip})).collect();
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "ns"}, "spec": spec, "status": {"loadBalancer": {"ingress": ingress}},
    }))
    .unwrap()
}

fn slice(service: &str, node: &str) -> EndpointSlice {
    serde_json::from_value(json!({
        "metadata": {"name": service, "namespace": "ns", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.244.1.2"], "nodeName": node}],
    }))
    .unwrap()
}

#[test]
fn every_load_balancer_gets_an_address_of_its_own() {
    let services = [
        service("has", json!({"type": "LoadBalancer"}), Some("172.18.255.1")),
        service("new", json!({"type": "LoadBalancer"}), None),
        service("wish", json!({"type": "LoadBalancer", "loadBalancerIP": "172.18.255.7"}), None),
        service("taken", json!({"type": "LoadBalancer", "loadBalancerIP": "172.18.255.1"}), None),
        service("other", json!({"type": "LoadBalancer", "loadBalancerClass": "x.io/y"}), None),
        service("no-more", json!({"type": "ClusterIP"}), Some("172.18.255.3")),
    ];
    let (changes, poor) = plan(&services);
    let changes: Vec<(&str, String)> = changes
        .iter()
        .map(|(s, a)| (s.metadata.name.as_deref().unwrap(), a.map_or("none".to_owned(), |a| a.to_string())))
        .collect();
    let expected = [("new", "172.18.255.2"), ("wish", "172.18.255.7"), ("no-more", "none")];
    assert_eq!(changes, expected.map(|(s, a)| (s, a.to_owned())));
    assert_eq!(poor.len(), 1);
    assert_eq!(poor[0].metadata.name.as_deref(), Some("taken"));
}

#[test]
fn ways_lead_to_the_balancer_or_to_a_node_that_has_endpoints() {
    let nodes = BTreeMap::from([
        ("node-1".to_owned(), Ipv4Addr::new(172, 18, 0, 2)),
        ("node-2".to_owned(), Ipv4Addr::new(172, 18, 0, 3)),
    ]);
    let local =
        json!({"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [{"port": 80, "nodePort": 30001}]});
    let services = [
        service("inner", json!({"type": "ClusterIP", "ports": [{"port": 80}]}), None),
        service("local", local, None),
        service(
            "node",
            json!({"type": "NodePort", "ports": [
                {"name": "http", "port": 80, "nodePort": 30000}, {"name": "u", "port": 53, "protocol": "UDP", "nodePort": 30000},
            ]}),
            None,
        ),
        service(
            "lb",
            json!({"type": "LoadBalancer", "ports": [{"name": "http", "port": 80, "nodePort": 30002}, {"name": "x", "port": 81}]}),
            Some("172.18.255.4"),
        ),
    ];
    let ways = ways(&services, &[slice("local", "node-2"), slice("node", "node-2")], &nodes);
    let found: Vec<String> = ways.iter().map(|w| format!("{} {} {} {}", w.service, w.port, w.target, w.wish)).collect();
    let expected = [
        "local 80 172.18.0.3:30001 30001",
        "node http 172.18.0.2:30000 30000",
        "lb http 172.18.255.4:80 30002",
        "lb x 172.18.255.4:81 0",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_connection_to_the_host_reaches_a_pod() {
    let Some(net) = two_nodes("a_connection_to_the_host_reaches_a_pod").await else { return };
    let pod = net.attach("node-2", "a").await.unwrap();
    let server = pod.netns.listen_tcp((Ipv4Addr::UNSPECIFIED, 80).into()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = server.accept().await {
            let mut asked = String::new();
            stream.read_to_string(&mut asked).await.unwrap();
            stream.write_all(format!("{asked} from {}", peer.ip()).as_bytes()).await.unwrap();
        }
    });
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wish = taken.local_addr().unwrap().port();
    let listener = listen(wish, (pod.ip, 80).into(), net.outside().clone()).await.unwrap();
    assert_ne!(listener.address.port(), wish);
    let mut stream = TcpStream::connect(listener.address).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    assert_eq!(told, "hello from 203.0.113.1");
    let address = listener.address;
    drop(listener);
    sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn routes_of_balancer_addresses_follow_their_pods() {
    let Some(net) = two_nodes("routes_of_balancer_addresses_follow_their_pods").await else { return };
    let mut routes = Routes::default();
    let address = Ipv4Addr::new(172, 18, 255, 4);
    routes.set(&net, BTreeMap::from([(address, "node-2".to_owned())])).unwrap();
    routes.set(&net, BTreeMap::from([(address, "node-1".to_owned())])).unwrap();
    routes.set(&net, BTreeMap::new()).unwrap();
    routes.set(&net, BTreeMap::new()).unwrap();
}
