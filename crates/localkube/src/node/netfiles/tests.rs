use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{hostname, hosts, resolv_conf};

fn pod(spec: Value) -> Pod {
    let mut spec = spec;
    spec["containers"] = json!([]);
    serde_json::from_value(json!({"metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec})).unwrap()
}

fn resolv(spec: Value) -> String {
    let machine = "# made by hand\nsearch lan\nnameserver 192.0.2.1\nnameserver 192.0.2.1\noptions edns0\n";
    resolv_conf(&pod(spec).spec.unwrap(), "shop", machine)
}

#[test]
fn dns_policies() {
    let cluster =
        "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n";
    let default = "search lan\nnameserver 192.0.2.1\noptions edns0\n";
    assert_eq!(resolv(json!({})), cluster);
    assert_eq!(resolv(json!({"dnsPolicy": "Default"})), default);
    assert_eq!(resolv(json!({"dnsPolicy": "ClusterFirst", "hostNetwork": true})), default);
    assert_eq!(resolv(json!({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true})), cluster);
    let own = json!({"nameservers": ["192.0.2.7"], "searches": ["x.y"], "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]});
    assert_eq!(
        resolv(json!({"dnsPolicy": "None", "dnsConfig": own})),
        "search x.y\nnameserver 192.0.2.7\noptions ndots:2 edns0\n"
    );
    assert_eq!(
        resolv(json!({"dnsConfig": own})),
        "search shop.svc.cluster.local svc.cluster.local cluster.local x.y\nnameserver 10.96.0.10\n\
         nameserver 192.0.2.7\noptions ndots:2 edns0\n"
    );
}

#[test]
fn hosts_file_names_the_pod_and_its_aliases() {
    let pod = pod(json!({
        "hostname": "a", "subdomain": "db", "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["x.example", "y.example"]}],
    }));
    let text = hosts(&pod, "10.244.0.7", &hostname(&pod, "node-1"));
    assert!(text.contains("10.244.0.7\ta.db.shop.svc.cluster.local\ta\n"), "{text}");
    assert!(text.ends_with("1.2.3.4\tx.example\ty.example\n"), "{text}");
}

#[test]
fn host_names() {
    assert_eq!(hostname(&pod(json!({})), "node-1"), "web-0");
    assert_eq!(hostname(&pod(json!({"hostNetwork": true})), "node-1"), "node-1");
    let long = pod(json!({"hostname": format!("{}-x", "a".repeat(62))}));
    assert_eq!(hostname(&long, "n"), "a".repeat(62));
}
