use serde_json::{Value, json};

use super::*;

/// The record of a Service `default/reviews` with this spec and these annotations.
fn converted(spec: Value, annotations: Value) -> registry::Service {
    let service = json!({
        "metadata": {
            "name": "reviews", "namespace": "default", "annotations": annotations,
            "labels": { "app": "reviews" }, "creationTimestamp": "1970-01-01T00:01:40Z",
        },
        "spec": spec,
    });
    record(&serde_json::from_value(service).expect("a Service"), "cluster.local")
}

#[test]
fn bookinfo_reviews() {
    let spec = json!({
        "type": "ClusterIP", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "selector": { "app": "reviews" },
        "ports": [{ "name": "http", "port": 9080, "protocol": "TCP", "targetPort": 9080 }],
    });
    let expected = registry::Service {
        host: "reviews.default.svc.cluster.local".to_owned(),
        name: "reviews".to_owned(),
        namespace: "default".to_owned(),
        vips: vec!["10.96.0.7".to_owned()],
        ports: vec![registry::ServicePort {
            name: "http".to_owned(),
            number: 9080,
            transport: "TCP".to_owned(),
            app_protocol: String::new(),
            target_port: "9080".to_owned(),
            node_port: 0,
        }],
        created: 100,
        selector: [("app".to_owned(), "reviews".to_owned())].into(),
        labels: [("app".to_owned(), "reviews".to_owned())].into(),
        ..registry::Service::default()
    };
    assert_eq!(converted(spec, json!({})), expected);
}

#[test]
fn addresses_follow_the_kind_of_service() {
    let table = [
        (json!({ "clusterIP": "10.0.0.1" }), Resolution::ClusterIp, &["10.0.0.1"][..], ""),
        (
            json!({ "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"] }),
            Resolution::ClusterIp,
            &["10.0.0.1", "fd00::1"],
            "",
        ),
        (json!({ "clusterIP": "None", "clusterIPs": ["None"] }), Resolution::Headless, &[], ""),
        (
            json!({ "type": "ExternalName", "externalName": "API.Example.org." }),
            Resolution::ExternalName,
            &[],
            "api.example.org",
        ),
        (json!({ "clusterIP": "10.0.0.1", "externalName": "left.over" }), Resolution::ClusterIp, &["10.0.0.1"], ""),
        (json!({}), Resolution::ClusterIp, &[], ""),
    ];
    for (spec, resolution, vips, external_name) in table {
        let record = converted(spec.clone(), json!({}));
        assert_eq!(record.resolution(), resolution, "{spec}");
        assert_eq!(record.vips, vips, "{spec}");
        assert_eq!(record.external_name, external_name, "{spec}");
    }
}

#[test]
fn ports_are_as_written() {
    let spec = json!({ "ports": [
        { "name": "a", "port": 80, "targetPort": "web", "appProtocol": "kubernetes.io/h2c", "nodePort": 30080 },
        { "port": 53, "protocol": "UDP" },
    ] });
    let ports = converted(spec, json!({})).ports;
    let short = |p: &registry::ServicePort| {
        (p.name.clone(), p.number, p.transport.clone(), p.app_protocol.clone(), p.target_port.clone(), p.node_port)
    };
    let line = |name: &str, number, transport: &str, app: &str, target: &str, node| {
        (name.to_owned(), number, transport.to_owned(), app.to_owned(), target.to_owned(), node)
    };
    assert_eq!(
        ports.iter().map(short).collect::<Vec<_>>(),
        [line("a", 80, "TCP", "kubernetes.io/h2c", "web", 30080), line("", 53, "UDP", "", "", 0),]
    );
}

#[test]
fn annotations_and_switches() {
    let spec = json!({
        "internalTrafficPolicy": "Local", "sessionAffinity": "ClientIP", "publishNotReadyAddresses": true,
        "externalIPs": ["192.0.2.1"],
    });
    let record = converted(
        spec,
        json!({
            "networking.istio.io/exportTo": " ., team-a ,", "networking.istio.io/traffic-distribution": "PreferClose",
        }),
    );
    assert!(record.node_local && record.client_ip_affinity && record.publish_not_ready);
    assert_eq!(record.export_to, [".", "team-a"]);
    assert_eq!(record.traffic_distribution, "PreferClose");
    assert_eq!(record.external_addresses, ["192.0.2.1"]);
}

#[test]
fn the_field_for_traffic_distribution_beats_the_annotation() {
    let annotations = json!({ "networking.istio.io/traffic-distribution": "PreferClose" });
    let record = converted(json!({ "trafficDistribution": "PreferSameZone" }), annotations);
    assert_eq!(record.traffic_distribution, "PreferSameZone");
}
