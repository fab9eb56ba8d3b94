//! What the meshes consist of, as galley reads it from a folder.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use e2e::pki::authority;
use rcgen::{CertificateParams, KeyPair};

/// The name of the far proxy in its certificate.
const FAR: &str = "far.example";

/// One service, whose backend speaks HTTP/1.1 on one port and HTTP/2 on the other.
const ONE_HOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: default}
---
apiVersion: v1
kind: Service
metadata: {name: backend, namespace: default, creationTimestamp: '2026-01-01T00:00:00Z'}
spec: {clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{name: http, port: 9080, protocol: TCP}, {name: http2, port: 9081, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: backend-1, namespace: default, labels: {kubernetes.io/service-name: backend}}
addressType: IPv4
ports: [{name: http, port: HTTP1, protocol: TCP}, {name: http2, port: HTTP2, protocol: TCP}]
endpoints: [{addresses: [ADDRESS], conditions: {ready: true, serving: true, terminating: false}}]
";

/// The service's endpoints are ports of a gateway, which asks for certificates and has the backend behind it.
const BY_GATEWAY: &str = "
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: backend, namespace: default}
spec:
  host: backend.default.svc.cluster.local
  trafficPolicy:
    tls: {mode: MUTUAL, sni: FAR, clientCertificate: PKI/certificate, privateKey: PKI/key, caCertificates: PKI/roots}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: behind, namespace: default}
spec:
  hosts: [behind.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}, {number: 9081, name: http2, protocol: HTTP2}]
  endpoints: [{address: 10.1.0.1}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door, namespace: default}
spec:
  selector: {app: door}
  servers:
  - port: {number: 8443, name: https, protocol: HTTPS}
    hosts: ['*']
    tls: {mode: MUTUAL, serverCertificate: PKI/certificate, privateKey: PKI/key, caCertificates: PKI/roots}
  - port: {number: 8444, name: https2, protocol: HTTPS}
    hosts: ['*']
    tls: {mode: MUTUAL, serverCertificate: PKI/certificate, privateKey: PKI/key, caCertificates: PKI/roots}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: door, namespace: default}
spec:
  hosts: ['*']
  gateways: [door]
  http:
  - match: [{port: 8443}]
    route: [{destination: {host: behind.example, port: {number: 9080}}}]
  - match: [{port: 8444}]
    route: [{destination: {host: behind.example, port: {number: 9081}}}]
";

/// The mesh of a proxy that calls the backend by itself.
pub(crate) fn one_hop() -> String {
    ONE_HOP.replace("HTTP1", "9080").replace("HTTP2", "9081").replace("ADDRESS", "10.1.0.1")
}

/// The mesh of two with mutual TLS between them, by certificates in a folder, which it makes.
pub(crate) fn by_gateway(gateway: &str, pki: &Path) -> Result<String> {
    certificates(pki)?;
    let near = ONE_HOP.replace("HTTP1", "8443").replace("HTTP2", "8444").replace("ADDRESS", gateway);
    Ok(near + &BY_GATEWAY.replace("FAR", FAR).replace("PKI", &pki.display().to_string()))
}

/// One for both sides, and the roots that it is proved by.
fn certificates(pki: &Path) -> Result<()> {
    let authority = authority("bench")?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new([FAR.to_owned()])?.signed_by(&key, &authority)?;
    fs::create_dir_all(pki)?;
    for (name, pem) in [("roots", authority.pem()), ("certificate", certificate.pem()), ("key", key.serialize_pem())] {
        fs::write(pki.join(name), pem).with_context(|| format!("cannot write below {}", pki.display()))?;
    }
    Ok(())
}
