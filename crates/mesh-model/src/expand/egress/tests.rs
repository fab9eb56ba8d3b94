use serde_json::json;

use super::*;
use crate::registry::{Origin, Port, Resolution as Found, TargetPort};
use crate::store::Record;
use mesh_types::{Labels, Protocol};

/// The Service of an egress gateway with these ports.
fn gateway(ports: &[(u16, Protocol)]) -> Change {
    let host = "istio-egressgateway.istio-system.svc.cluster.local";
    let ports = ports.iter().map(|(number, protocol)| Port {
        name: format!("p{number}"),
        number: *number,
        protocol: *protocol,
        target: TargetPort::Number(*number),
    });
    let service = Service {
        host: Hostname::parse(host).unwrap(),
        name: "istio-egressgateway".to_owned(),
        namespace: "istio-system".to_owned(),
        origin: Origin::Kubernetes,
        addresses: Vec::new(),
        allocated: Vec::new(),
        ports: ports.collect(),
        export_to: None,
        resolution: Found::Endpoints,
        external: false,
        created: 0,
        selector: [("istio".to_owned(), "egressgateway".to_owned())].into_iter().collect::<Labels>(),
        publish_not_ready: false,
        node_local: false,
        subject_alt_names: Vec::new(),
    };
    Change::put(host, Record::Service(service))
}

fn usual() -> Change {
    gateway(&[(15021, Protocol::Auto), (80, Protocol::Http2), (443, Protocol::Https)])
}

fn entry(name: &str, labels: Value, spec: &str) -> Change {
    let spec: Value = serde_saphyr::from_str(spec).unwrap();
    let metadata = json!({ "name": name, "namespace": "shop", "labels": labels });
    let object =
        json!({ "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec });
    Change::config(parse(&object, &ParseContext::default()).unwrap_or_else(|e| panic!("{e:#?}")).config)
}

fn labelled(name: &str, spec: &str) -> Change {
    entry(name, json!({ GATEWAY: "istio-egressgateway" }), spec)
}

const CNN: &str = "{hosts: [edition.cnn.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}";

fn only(changes: impl IntoIterator<Item = Change>) -> Plan {
    let mut plans = plans(&Store::of(changes));
    assert_eq!(plans.len(), 1);
    plans.remove(0)
}

fn reasons(plan: &Plan) -> String {
    plan.issues.iter().map(|issue| format!("{issue}\n")).collect()
}

#[test]
fn an_entry_without_the_label_is_left_alone() {
    let store = Store::of([usual(), entry("cnn", json!({}), CNN)]);
    assert!(plans(&store).is_empty());
    assert_eq!(super::super::expand(&store).configs().count(), 1);
}

#[test]
fn tls_is_passed_on_by_its_server_name() {
    let plan = only([usual(), labelled("cnn", CNN)]);
    let meta = |name: &str| json!({ "name": name, "namespace": "shop" });
    let gateway = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": meta("cnn-egress"),
        "spec": {
            "selector": { "istio": "egressgateway" },
            "servers": [{
                "port": { "number": 443, "name": "tls-443", "protocol": "TLS" },
                "hosts": ["./edition.cnn.com"],
                "tls": { "mode": "PASSTHROUGH" },
            }],
        },
    });
    let rule = |from: &str, host: &str| {
        json!({
            "match": [{ "gateways": [from], "port": 443, "sniHosts": ["edition.cnn.com"] }],
            "route": [{ "destination": { "host": host, "port": { "number": 443 } } }],
        })
    };
    let routes = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": meta("cnn-egress"),
        "spec": {
            "hosts": ["edition.cnn.com"],
            "gateways": ["mesh", "cnn-egress"],
            "tls": [
                rule("mesh", "istio-egressgateway.istio-system.svc.cluster.local"),
                rule("cnn-egress", "edition.cnn.com"),
            ],
        },
    });
    assert_eq!(plan.objects, [gateway, routes]);
    assert_eq!(plan.issues, []);
}

#[test]
fn each_port_has_a_door_of_its_own() {
    let ports = "ports: [{number: 80, name: a, protocol: HTTP}, {number: 8080, name: b, protocol: HTTP}, {number: 8443, name: c, protocol: HTTPS}]";
    let plan = only([usual(), labelled("a.b", &format!("{{hosts: [a.com, b.com], resolution: DNS, {ports}}}"))]);
    let names: Vec<String> =
        plan.objects.iter().map(|o| format!("{}/{}", o["kind"], o["metadata"]["name"]).replace('"', "")).collect();
    assert_eq!(names, ["Gateway/a-b-egress", "VirtualService/a.b-egress", "VirtualService/a.b-egress-1"]);
    let spec = &plan.objects[1]["spec"];
    let to = |rule: &Value| rule["route"][0]["destination"].clone();
    let host = "istio-egressgateway.istio-system.svc.cluster.local";
    let http = spec["http"].as_array().unwrap();
    assert_eq!(http.len(), 3, "the second port has no way out: {http:#?}");
    assert_eq!(to(&http[0]), json!({ "host": host, "port": { "number": 80 } }));
    assert_eq!(to(&http[1]), json!({ "host": "a.com", "port": { "number": 80 } }));
    assert_eq!(to(&http[2]), json!({ "host": host, "port": { "number": 8080 }, "subset": "not-passed-on" }));
    assert_eq!(to(&spec["tls"][0]), json!({ "host": host, "port": { "number": 443 } }), "8443 goes by 443");
    assert_eq!(to(&spec["tls"][1]), json!({ "host": "a.com", "port": { "number": 8443 } }));
    assert!(reasons(&plan).contains("spec.ports[1].number: the gateway has no further port of HTTP"));
}

#[test]
fn bytes_need_a_port_that_is_theirs_alone() {
    let spec =
        "{hosts: [HOST], addresses: [10.9.9.9], ports: [{number: 5432, name: t, protocol: TCP}], resolution: DNS}";
    let db = |name: &str| labelled(name, &spec.replace("HOST", &format!("{name}.com")));
    let without = only([usual(), db("a")]);
    assert!(reasons(&without).contains("has no TCP port 5432"), "{}", reasons(&without));
    assert_eq!(without.objects[0]["spec"]["gateways"], json!(["mesh"]));
    let with = gateway(&[(5432, Protocol::Tcp)]);
    let both = plans(&Store::of([with, db("a"), db("b")]));
    assert_eq!((both[0].issues.len(), both[1].issues.len()), (0, 1));
    assert_eq!(both[0].objects[1]["spec"]["tcp"].as_array().unwrap().len(), 2);
    let failing = &both[1].objects[0]["spec"]["tcp"];
    assert_eq!(failing[0]["route"][0]["destination"]["subset"], "not-passed-on");
    assert_eq!(failing.as_array().unwrap().len(), 1);
}

#[test]
fn without_a_gateway_nothing_leaves() {
    let elsewhere = entry("cnn", json!({ GATEWAY: "istio-egressgateway", NAMESPACE: "other" }), CNN);
    let misspelt = entry("cnn", json!({ GATEWAY: "Not_a.Name_" }), CNN);
    for (change, host, name) in [
        (
            labelled("cnn", CNN),
            "istio-egressgateway.istio-system.svc.cluster.local",
            "istio-egressgateway.istio-system",
        ),
        (elsewhere, "istio-egressgateway.other.svc.cluster.local", "istio-egressgateway.other"),
        (misspelt, "not_a.name_.istio-system.svc.cluster.local", "Not_a.Name_.istio-system"),
    ] {
        let plan = only([change]);
        assert_eq!(plan.objects.len(), 1);
        let to = plan.objects[0]["spec"]["tls"][0]["route"][0]["destination"]["host"].as_str().unwrap();
        assert_eq!(to, host);
        assert!(read(&plan.objects[0]).is_ok(), "{to}");
        assert!(reasons(&plan).contains("fails (503) instead of leaving directly"), "{}", reasons(&plan));
        let adopted = adopt(read(&plan.objects[0]).unwrap(), &plan);
        let decider = &adopted.meta().derived.as_ref().unwrap().path;
        assert!(decider.ends_with(&format!(" (no Service {name} that selects pods)")), "{decider}");
    }
}

#[test]
fn a_gateway_that_is_there_is_not_said_to_be_missing() {
    let plan = only([usual(), labelled("cnn", CNN)]);
    assert_eq!(plan.decider, label().to_string());
}

#[test]
fn what_a_gateway_cannot_do_is_said() {
    for (spec, path) in [
        ("{hosts: [a.com], ports: [{number: 443, name: t, protocol: TLS}], resolution: NONE}", "spec.resolution"),
        (
            "{hosts: [a.com], ports: [{number: 443, name: t, protocol: TLS}], resolution: DNS, exportTo: ['.']}",
            "spec.exportTo",
        ),
        ("{hosts: [a.com], ports: [{number: 53, name: u, protocol: UDP}], resolution: DNS}", "spec.ports[0].protocol"),
        ("{hosts: [a.com], ports: [{number: 443, name: t}], resolution: DNS}", "spec.ports[0].protocol"),
    ] {
        let plan = only([usual(), labelled("it", spec)]);
        assert!(plan.issues.iter().any(|issue| issue.path.as_str() == path), "{path}: {}", reasons(&plan));
        for object in &plan.objects {
            let sent = object["spec"]["tls"].as_array().into_iter().flatten();
            let direct = sent.filter(|rule| rule["match"][0]["gateways"] == json!(["mesh"]));
            assert!(direct.into_iter().all(|rule| rule["route"][0]["destination"]["host"] != "a.com"));
        }
    }
}

#[test]
fn names_that_users_took_are_theirs() {
    let spec = "{hosts: [edition.cnn.com], http: [{route: [{destination: {host: a.com}}]}]}";
    let metadata = json!({ "name": "cnn-egress", "namespace": "shop" });
    let spec: Value = serde_saphyr::from_str(spec).unwrap();
    let theirs =
        json!({ "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec });
    let theirs = Change::config(parse(&theirs, &ParseContext::default()).unwrap().config);
    let store = Store::of([usual(), theirs, labelled("cnn", CNN)]);
    let expanded = super::super::expand(&store);
    let names: Vec<String> = expanded.virtual_services().iter().map(|o| o.meta.name.to_string()).collect();
    assert_eq!(names, ["cnn-egress", "cnn-egress-1"]);
    assert_eq!(plans(&expanded)[0].objects, plans(&store)[0].objects, "what was derived takes no names");
}
