use std::net::Ipv4Addr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{rules::chain_hash, *};
use crate::net::topology::{PodNet, tests::two_nodes};

fn service(name: &str, spec: Value) -> Service {
    serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ns"}, "spec": spec})).unwrap()
}

fn with_lb(mut service: Service, ip: &str) -> Service {
    service.status = serde_json::from_value(json!({"loadBalancer": {"ingress": [{"ip": ip}]}})).unwrap();
    service
}

fn slice(service: &str, port: Value, endpoints: &[(&str, &str, bool)]) -> EndpointSlice {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|(ip, node, ready)| {
            json!({"addresses": [ip], "nodeName": node, "conditions": {"ready": ready, "serving": true, "terminating": !ready}})
        })
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": service, "namespace": "ns", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [port], "endpoints": endpoints,
    }))
    .unwrap()
}

fn lines(rules: &Rules) -> String {
    transition(&Rules::default(), rules).unwrap_or_default()
}

/// Compares with the file of that name; `UPDATE_GOLDEN=1` writes it instead, for review.
fn golden(name: &str, text: &str) {
    let path = format!("{}/src/net/proxier/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{path}");
}

#[test]
fn chains_are_named_as_kube_proxy_names_them() {
    // From the tables of a real cluster.
    assert_eq!(chain_hash(&["istio-sample/reviews:http", "tcp"]), "IZRUIY3NLSNO2IFV");
    assert_eq!(chain_hash(&["istio-sample/reviews:http", "tcp", "10.244.0.208:9080"]), "5U3Z6MOEAXFVLKOR");
    assert_eq!(chain_hash(&["kube-system/kube-dns:dns", "udp"]), "TCOU7JCQXEZGVUNU");
    assert_eq!(chain_hash(&["default/kubernetes:https", "tcp"]), "NPX46M4PTMTKRN6Y");
}

#[test]
fn a_cluster_ip_of_three_pods() {
    let services = [service("reviews", json!({"clusterIP": "10.96.7.7", "ports": [{"name": "http", "port": 9080}]}))];
    let pods = [("10.244.0.3", "node-1", true), ("10.244.1.4", "node-2", true), ("10.244.0.5", "node-1", true)];
    let slices = [slice("reviews", json!({"name": "http", "port": 9080}), &pods)];
    golden("cluster_ip", &lines(&rules(&service_ports(&services, &slices), "node-1")));
}

#[test]
fn a_load_balancer_with_local_policy_affinity_and_ranges() {
    let spec = json!({
        "type": "LoadBalancer", "clusterIP": "10.96.8.8", "externalTrafficPolicy": "Local", "sessionAffinity": "ClientIP",
        "loadBalancerSourceRanges": ["203.0.113.0/24"], "externalIPs": ["198.51.100.7"],
        "ports": [{"name": "http", "port": 80, "nodePort": 30080}],
    });
    let services = [with_lb(service("gateway", spec), "172.18.255.1")];
    let slices = [slice("gateway", json!({"name": "http", "port": 8080}), &[("10.244.1.9", "node-2", true)])];
    let ports = service_ports(&services, &slices);
    golden("local_with_pod", &lines(&rules(&ports, "node-2")));
    golden("local_without_pod", &lines(&rules(&ports, "node-1")));
}

#[test]
fn without_endpoints_callers_are_refused_and_ending_pods_serve_last() {
    let services = [
        service("gone", json!({"clusterIP": "10.96.9.9", "ports": [{"port": 80, "nodePort": 30081}]})),
        service("headless", json!({"clusterIP": "None", "ports": [{"port": 80}]})),
        service("ending", json!({"clusterIP": "10.96.9.8", "ports": [{"port": 80}]})),
        service("moving", json!({"clusterIP": "10.96.9.7", "ports": [{"port": 80}]})),
    ];
    let slices = [
        slice("ending", json!({"port": 80}), &[("10.244.0.7", "node-1", false)]),
        slice("moving", json!({"port": 80}), &[("10.244.0.8", "node-1", false), ("10.244.0.9", "node-1", true)]),
    ];
    let text = lines(&rules(&service_ports(&services, &slices), "node-1"));
    assert!(text.contains(
        "-A KUBE-SERVICES -m comment --comment \"ns/gone has no endpoints\" -m tcp -p tcp -d 10.96.9.9 --dport 80 -j REJECT\n"
    ));
    assert!(text.contains("-A KUBE-EXTERNAL-SERVICES -m comment --comment \"ns/gone has no endpoints\" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 30081 -j REJECT\n"));
    assert!(text.contains("--to-destination 10.244.0.7:80"));
    assert!(!text.contains("--to-destination 10.244.0.8:80"));
    assert!(text.contains("--to-destination 10.244.0.9:80"));
    assert!(!text.contains("headless"));
}

#[test]
fn a_transition_names_only_what_changes() {
    let services = [
        service("a", json!({"clusterIP": "10.96.1.1", "ports": [{"port": 80}]})),
        service("b", json!({"clusterIP": "10.96.1.2", "ports": [{"port": 80}]})),
    ];
    let b = slice("b", json!({"port": 80}), &[("10.244.0.2", "node-1", true)]);
    let one = slice("a", json!({"port": 80}), &[("10.244.0.8", "node-1", true)]);
    let other = slice("a", json!({"port": 80}), &[("10.244.0.9", "node-1", true)]);
    let before = rules(&service_ports(&services, &[one, b.clone()]), "node-1");
    let after = rules(&service_ports(&services, &[other, b]), "node-1");
    assert_eq!(transition(&before, &before), None);
    let text = transition(&before, &after).unwrap();
    let svc = format!("KUBE-SVC-{}", chain_hash(&["ns/a", "tcp"]));
    let old = format!("KUBE-SEP-{}", chain_hash(&["ns/a", "tcp", "10.244.0.8:80"]));
    let new = format!("KUBE-SEP-{}", chain_hash(&["ns/a", "tcp", "10.244.0.9:80"]));
    let chains: BTreeSet<&str> = text.lines().filter_map(|l| l.strip_prefix(':')?.split(' ').next()).collect();
    assert_eq!(chains, BTreeSet::from([svc.as_str(), old.as_str(), new.as_str()]));
    assert!(text.contains(&format!("-X {old}\n")));
    assert!(!text.contains("*filter"));
}

#[test]
fn udp_connections_to_forget() {
    let targets = |pairs: &[(&str, &[&str])]| -> UdpTargets {
        pairs.iter().map(|(s, e)| ((*s).to_owned(), e.iter().map(|e| (*e).to_owned()).collect())).collect()
    };
    let before = targets(&[("s", &["a", "b"]), ("empty", &[]), ("gone", &["x"])]);
    let after = targets(&[("s", &["b", "c"]), ("empty", &["d"])]);
    let pair = |s: &str, e: Option<&str>| (s.to_owned(), e.map(str::to_owned));
    assert_eq!(stale(&before, &after), [pair("empty", None), pair("gone", Some("x")), pair("s", Some("a"))]);
}

/// Answers every connection with `name` and the caller's address.
fn answer(pod: &PodNet, port: u16, name: &'static str) {
    let listener = pod.netns.listen_tcp((Ipv4Addr::UNSPECIFIED, port).into()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, peer)) = listener.accept().await {
            stream.write_all(format!("{name} {}", peer.ip()).as_bytes()).await.unwrap();
        }
    });
}

async fn ask(from: &NetNs, to: &str) -> String {
    let call = async {
        let mut stream = from.connect_tcp(to.parse().unwrap()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        io::Result::Ok(text)
    };
    match timeout(Duration::from_secs(5), call).await {
        Ok(Ok(text)) => text,
        Ok(Err(e)) => format!("{:?}", e.kind()),
        Err(_) => "timeout".to_owned(),
    }
}

#[tokio::test]
async fn real_rules_lead_to_real_pods() {
    let Some(net) = two_nodes("real_rules_lead_to_real_pods").await else { return };
    let a = net.attach("node-1", "a").await.unwrap();
    let b = net.attach("node-2", "b").await.unwrap();
    answer(&a, 8080, "a");
    answer(&b, 8080, "b");
    let services = [
        service("both", json!({"clusterIP": "10.96.0.20", "ports": [{"port": 80, "nodePort": 30080}]})),
        service("self", json!({"clusterIP": "10.96.0.21", "ports": [{"port": 80}]})),
        service("none", json!({"clusterIP": "10.96.0.22", "ports": [{"port": 80}]})),
        service("sticky", json!({"clusterIP": "10.96.0.23", "sessionAffinity": "ClientIP", "ports": [{"port": 80}]})),
        with_lb(service("lb", json!({"clusterIP": "10.96.0.24", "ports": [{"port": 80}]})), "172.18.255.1"),
    ];
    let (ip_a, ip_b) = (a.ip.to_string(), b.ip.to_string());
    let pods = [(ip_a.as_str(), "node-1", true), (ip_b.as_str(), "node-2", true)];
    let port = json!({"port": 8080});
    let slices = [
        slice("both", port.clone(), &pods),
        slice("self", port.clone(), &pods[..1]),
        slice("sticky", port.clone(), &pods),
        slice("lb", port, &pods[1..]),
    ];
    let ports = service_ports(&services, &slices);
    for (name, place) in net.nodes() {
        iptables_restore(&place.netns, BASE).unwrap();
        let (written, udp) = (Rules::default(), UdpTargets::new());
        let mut node = NodeProxy { name: name.to_owned(), netns: place.netns.clone(), written, udp };
        let start = std::time::Instant::now();
        node.sync(&ports).unwrap();
        eprintln!("{name}: five services written in {:?}", start.elapsed());
    }
    let (one, two) = (net.node("node-1").unwrap(), net.node("node-2").unwrap());
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        seen.insert(ask(&b.netns, "10.96.0.20:80").await);
    }
    // Its own service reaches itself as its node, and the other pod as itself.
    assert_eq!(seen, BTreeSet::from([format!("a {}", b.ip), format!("b {}", two.ip)]));
    assert_eq!(ask(&a.netns, "10.96.0.21:80").await, format!("a {}", one.ip));
    assert_eq!(ask(&one.netns, "10.96.0.21:80").await, format!("a {}", one.ip));
    assert_eq!(ask(&two.netns, "10.96.0.21:80").await, format!("a {}", two.ip));
    assert_eq!(ask(&a.netns, "10.96.0.22:80").await, "ConnectionRefused");
    let first = ask(&a.netns, "10.96.0.23:80").await;
    for _ in 0..10 {
        assert_eq!(ask(&a.netns, "10.96.0.23:80").await, first);
    }
    for to in ["172.18.0.2:30080", "172.18.0.3:30080", "127.0.0.1:30080"] {
        let from = if to.starts_with("127") { &one.netns } else { net.outside() };
        let answer = ask(from, to).await;
        assert!(answer.starts_with("a ") || answer.starts_with("b "), "{to}: {answer}");
    }
    for from in [net.outside(), &a.netns, &two.netns] {
        assert!(ask(from, "172.18.255.1:80").await.starts_with("b "));
    }
    assert_ne!(ask(&a.netns, "10.96.0.99:80").await, "timeout");
    assert_ne!(ask(&a.netns, "172.18.255.9:80").await, "timeout");
}
