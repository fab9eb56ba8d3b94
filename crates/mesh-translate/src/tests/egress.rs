//! The label that leads a ServiceEntry through an egress gateway means what its objects mean.

use mesh_model::expand::egress::{GATEWAY, plans};
use prost::Message as _;

use super::fixture::Mesh;
use crate::{
    Built,
    pb::{cluster::Cluster, listener::Listener, route::RouteConfiguration},
};

const GATEWAYS: &str = "
kind: Service
metadata: {name: istio-egressgateway, namespace: istio-system, created: 1}
spec: {clusterIP: 10.96.7.1, selector: {istio: egressgateway}, ports: [{name: http2, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}, {name: tcp, port: 9000}]}
---
kind: Pod
metadata: {name: egress, namespace: istio-system, labels: {istio: egressgateway}, annotations: {inject.istio.io/templates: gateway}}
ip: 10.1.7.1
---
";

const ENTRIES: &str = "
kind: ServiceEntry
metadata: {name: web, labels: {LABEL}, created: 5}
spec: {hosts: [web.example.com, more.example.com], ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}, {number: 8443, name: h, protocol: HTTPS}], resolution: DNS}
---
kind: ServiceEntry
metadata: {name: bytes, labels: {LABEL}, created: 6}
spec: {hosts: [bytes.example.com], addresses: [10.70.0.1], ports: [{number: 9000, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 9.9.9.9}], exportTo: ['.', istio-system]}
---
kind: ServiceEntry
metadata: {name: lost, labels: {LABEL}, created: 7}
spec: {hosts: [lost.example.com], addresses: [10.70.0.2], ports: [{number: 9001, name: tcp, protocol: TCP}], resolution: DNS}
";

/// What a proxy is sent, without who decided it.
fn without_provenance(built: Vec<Built>) -> Vec<(String, Vec<u8>)> {
    let strip = |b: Built| {
        let value = match b.type_url.rsplit('.').next().unwrap() {
            "Cluster" => {
                let mut cluster = Cluster::decode(&b.value[..]).unwrap();
                cluster.metadata = None;
                cluster.encode_to_vec()
            }
            "Listener" => {
                let mut listener = Listener::decode(&b.value[..]).unwrap();
                listener.metadata = None;
                let chains = listener.filter_chains.iter_mut().chain(&mut listener.default_filter_chain);
                chains.for_each(|chain| chain.metadata = None);
                listener.encode_to_vec()
            }
            "RouteConfiguration" => {
                let mut table = RouteConfiguration::decode(&b.value[..]).unwrap();
                for host in &mut table.virtual_hosts {
                    host.metadata = None;
                    host.routes.iter_mut().for_each(|route| route.metadata = None);
                }
                table.encode_to_vec()
            }
            other => panic!("{other}"),
        };
        (b.name, value)
    };
    built.into_iter().map(strip).collect()
}

/// Everything that the proxy of a pod gets, but endpoints, which have no say in it.
fn all(mesh: &Mesh, pod: &str) -> Vec<(String, Vec<u8>)> {
    let view = mesh.view(pod);
    let mut built = crate::clusters(&view, &mesh.push);
    let listeners = crate::listeners(&view, &mesh.push);
    let text = super::text::listeners(&listeners);
    let tables: Vec<&str> = text.lines().filter_map(|l| l.split("http rds ").nth(1)).map(str::trim).collect();
    built.extend(listeners);
    built.extend(crate::routes(&view, &mesh.push, &tables));
    without_provenance(built)
}

#[test]
fn the_objects_that_a_label_stands_for_mean_the_same() {
    let labelled = format!("{GATEWAYS}{}", ENTRIES.replace("LABEL", &format!("{GATEWAY}: istio-egressgateway")));
    let labelled = Mesh::bookinfo(&labelled);
    let mut objects = String::new();
    for plan in plans(&labelled.store) {
        for mut object in plan.objects {
            // What is derived has the age of its entry.
            object["metadata"]["created"] = (plan.entry.meta.created - 1_735_689_600).into();
            objects += &format!("\n---\n{object}");
        }
    }
    let exported = Mesh::bookinfo(&format!("{GATEWAYS}{}{objects}", ENTRIES.replace("LABEL", "")));
    for pod in ["default/ratings-v1", "data/mongo", "istio-system/egress"] {
        let (by_label, by_objects) = (all(&labelled, pod), all(&exported, pod));
        let names = |of: &[(String, Vec<u8>)]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&by_label), names(&by_objects), "{pod}");
        for ((name, label), (_, objects)) in by_label.iter().zip(&by_objects) {
            assert!(label == objects, "{pod}: {name} differs");
        }
    }
    let without = Mesh::bookinfo(&format!("{GATEWAYS}{}", ENTRIES.replace("LABEL", "")));
    assert!(all(&labelled, "default/ratings-v1") != all(&without, "default/ratings-v1"), "the label does something");
}
