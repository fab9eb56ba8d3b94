//! Journey 5: what comes in by the ingress gateway, by name, with TLS and with a redirect; and the author's way out.

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Space, eventually,
    mesh::{Caller, PATIENCE},
    pki::{Authority, authority},
    proxy::MESH,
};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, api::PostParams};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::json;

use crate::beyond::{self, CONVERGED};

/// This and what follows is as the journey's author wrote it.
const GATEWAY: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata:
  name: example-gateway
spec:
  selector:
    istio: ingressgateway # use Istio's default controller
  servers:
  - port:
      number: 80
      name: http
      protocol: HTTP
    hosts:
    - "www.example.com"
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: example-virtualservice
spec:
  hosts:
  - "www.example.com"
  gateways:
  - example-gateway
  http:
  - route:
    - destination:
        host: example-service
        port:
          number: 8080
"#;

const EGRESS: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: external-service-entry
spec:
  hosts:
  - "api.external.com"
  ports:
  - number: 80
    name: http
    protocol: HTTP
  location: MESH_EXTERNAL
  resolution: DNS
---
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata:
  name: istio-egressgateway
spec:
  selector:
    istio: egressgateway
  servers:
  - port:
      number: 80
      name: http
      protocol: HTTP
    hosts:
    - "api.external.com"
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: direct-traffic-through-egress-gateway
spec:
  hosts:
  - "api.external.com"
  gateways:
  - istio-egressgateway
  - mesh
  http:
  - match:
    - gateways:
      - mesh
    route:
    - destination:
        host: istio-egressgateway.istio-system.svc.cluster.local
      weight: 100
  - route:
    - destination:
        host: "api.external.com"
        port:
          number: 80
"#;

/// HTTPS beside it, with the certificate of a Secret, and HTTP that is sent there.
const TLS: &str = r#"
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: secure-gateway
spec:
  selector:
    istio: ingressgateway
  servers:
  - port:
      number: 80
      name: http
      protocol: HTTP
    tls:
      httpsRedirect: true
    hosts:
    - secure.example.com
  - port:
      number: 443
      name: https
      protocol: HTTPS
    tls:
      mode: SIMPLE
      credentialName: CREDENTIAL
    hosts:
    - secure.example.com
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: secure
spec:
  hosts:
  - secure.example.com
  gateways:
  - secure-gateway
  http:
  - route:
    - destination:
        host: example-service
        port:
          number: 8080
"#;

#[tokio::test]
async fn journey_5_hosts_come_in_by_name() -> Result<()> {
    const TEST: &str = "journey_5_hosts_come_in_by_name";
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.apply_text(GATEWAY)?;
            let visitor = Visitor::new(&space).await?;
            let answer = visitor.asks("www.example.com", 200).await?;
            ensure!(answer.contains("\r\nserver: istio-envoy\r"), "{answer}");
            ensure!(answer.contains("\r\nx-envoy-upstream-service-time: "), "{answer}");
            let answer = visitor.asks("other.example.com", 404).await?;
            ensure!(!answer.contains("x-envoy-upstream-service-time"), "{answer}");
            visitor.asks("www.example.com:12345", 200).await.map(drop)
        })
        .await
}

#[tokio::test]
async fn journey_5_tls_ends_at_the_gateway_with_the_certificate_of_a_secret() -> Result<()> {
    const TEST: &str = "journey_5_tls_ends_at_the_gateway_with_the_certificate_of_a_secret";
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            let credential = format!("{}-credential", space.name);
            space.apply_text(&TLS.replace("CREDENTIAL", &credential))?;
            let visitor = Visitor::new(&space).await?;
            let answer = visitor.asks("secure.example.com", 301).await?;
            ensure!(answer.contains("\r\nlocation: https://secure.example.com/headers\r"), "{answer}");

            let authority = authority("authority of the gateway")?;
            ensure!(visitor.serial(&authority).await.is_err(), "a listener without its certificate takes calls");
            let (first, serial) = secret(&credential, &authority)?;
            let test = async {
                visitor.is_shown(&authority, &serial).await?;
                let (second, serial) = secret(&credential, &authority)?;
                space.cluster.apply(MESH, &second).await?;
                visitor.is_shown(&authority, &serial).await
            };
            space.cluster.holding(MESH, &first, test).await
        })
        .await
}

#[tokio::test]
async fn journey_5_http_leaves_by_the_authors_objects() -> Result<()> {
    const TEST: &str = "journey_5_http_leaves_by_the_authors_objects";
    let Some((cluster, _)) = Cluster::with_outside(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.opt_in().await?;
            let pod = space.caller("pod").await?;
            space.apply_text(EGRESS)?;
            let gateway = space.cluster.gateway(MESH, "istio=egressgateway").await?;
            let url = "http://api.external.com/ip";
            let to_the_gateway = "outbound|80||istio-egressgateway.istio-system.svc.cluster.local";
            beyond::is_logged(&pod, url, &pod.proxy, &["\"api.external.com\"", to_the_gateway]).await?;
            gateway.logged(&["\"api.external.com\"", "outbound|80||api.external.com"]).await.map(drop)
        })
        .await
}

/// Somebody who is no part of the mesh, at the door of the ingress gateway, behind which there is a service.
struct Visitor {
    pod: Caller,
    /// The address of the gateway's Service.
    door: String,
}

impl Visitor {
    async fn new(space: &Space) -> Result<Self> {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "example-service"},
            "spec": {"selector": {"app": "example"}, "ports": [{"name": "http", "port": 8080}]},
        }))?;
        let server: Pod = serde_json::from_value(json!({
            "metadata": {"name": "example", "labels": {"app": "example", "sidecar.istio.io/inject": "true"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
                "name": "httpbin", "image": "mccutchen/go-httpbin", "ports": [{"containerPort": 8080}],
            }]},
        }))?;
        space.api::<Service>().create(&PostParams::default(), &service).await?;
        space.api::<Pod>().create(&PostParams::default(), &server).await?;
        let pod = space.caller_of("visitor", "lateen/load", &json!({})).await?;
        space.pods_ready(2).await?;
        let services = Api::<Service>::namespaced(space.cluster.client.clone(), MESH);
        let door = services.get("istio-ingressgateway").await?.spec.and_then(|s| s.cluster_ip);
        Ok(Self { pod, door: door.context("the gateway has no address")? })
    }

    /// Asks for a host until it is answered with this status; gives the head of the answer in small letters.
    async fn asks(&self, host: &str, wanted: u16) -> Result<String> {
        let (host, url) = (format!("Host: {host}"), format!("http://{}/headers", self.door));
        let command = ["curl", "-sS", "-m", "10", "-o", "/dev/null", "-D", "-", "-H", &host, &url];
        eventually(&format!("{host} is answered with {wanted}"), CONVERGED, async || {
            let head = self.pod.exec("caller", &command).await?.to_ascii_lowercase();
            ensure!(head.starts_with(&format!("http/1.1 {wanted} ")), "{head}");
            Ok(Some(head))
        })
        .await
    }

    /// Asks by HTTPS, trusting only `authority`; gives the serial number of the certificate that is shown.
    async fn serial(&self, authority: &Authority) -> Result<String> {
        let script = format!(
            "cat > /tmp/ca.crt <<'END'\n{}END\ncurl -sS -m 10 --cacert /tmp/ca.crt -o /tmp/body -w '%{{certs}}' \
             --resolve secure.example.com:443:{} https://secure.example.com/headers && cat /tmp/body",
            authority.pem(),
            self.door,
        );
        let said = self.pod.exec("caller", &["sh", "-c", &script]).await?;
        ensure!(said.contains("\"headers\""), "no answer of the service: {said}");
        let serial = said.lines().find_map(|line| line.strip_prefix("Serial Number:")).context("no serial number")?;
        Ok(serial.chars().filter(char::is_ascii_hexdigit).collect())
    }

    /// Waits until the certificate with this serial number is shown.
    async fn is_shown(&self, authority: &Authority, serial: &str) -> Result<()> {
        eventually(&format!("certificate {serial} is shown"), PATIENCE, async || {
            let shown = self.serial(authority).await?;
            ensure!(shown == serial, "{shown} is shown");
            Ok(Some(()))
        })
        .await
    }
}

/// A Secret with a new certificate for `secure.example.com`, and the certificate's serial number.
fn secret(name: &str, authority: &Authority) -> Result<(String, String)> {
    let serial: [u8; 8] = (rand::random::<u64>() >> 1 | 1 << 62).to_be_bytes();
    let mut params = CertificateParams::new(vec!["secure.example.com".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "secure.example.com");
    params.serial_number = Some(serial.to_vec().into());
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": certificate.pem(), "tls.key": key.serialize_pem()},
    });
    Ok((object.to_string(), serial.iter().map(|byte| format!("{byte:02x}")).collect()))
}
