//! What the Gateway API brings besides decisions (`rules/gateway_api*.yaml` has those).

use super::fixture::Mesh;

const SECURED: &str = r#"
kind: Pod
metadata: {name: edge, labels: {gateway.networking.k8s.io/gateway-name: edge}, annotations: {inject.istio.io/templates: gateway}}
ip: 10.1.7.9
---
kind: Pod
metadata: {name: other, labels: {gateway.networking.k8s.io/gateway-name: other}, annotations: {inject.istio.io/templates: gateway}}
ip: 10.1.7.8
---
kind: Secret
metadata: {name: cert, namespace: data}
stringData: {tls.crt: chain, tls.key: key}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: istio
  listeners: [{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: data}]}}]
"#;

const GRANT: &str = r#"
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: open, namespace: data}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}]
  to: [{group: "", kind: Secret, name: cert}]
"#;

fn has(yaml: &str, pod: &str, name: &str) -> bool {
    let mesh = Mesh::bookinfo(yaml);
    !crate::secrets(&mesh.view(pod), &mesh.push, &[name]).is_empty()
}

#[test]
fn a_gateway_reads_the_secrets_of_another_namespace_that_it_was_granted_and_no_others() {
    const CERT: &str = "kubernetes-gateway://data/cert";
    let granted = [SECURED, GRANT].concat();
    assert!(has(&granted, "default/edge", CERT));
    assert!(!has(SECURED, "default/edge", CERT), "nobody granted it");
    assert!(!has(&granted, "default/other", CERT), "it is not the Gateway's");
    assert!(!has(&granted, "default/ratings-v1", CERT), "it is no gateway");
    assert!(!has(&granted, "default/edge", "kubernetes://data/cert"), "the Gateway names it otherwise");
}
