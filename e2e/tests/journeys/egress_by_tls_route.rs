//! Journey 4 by the Gateway API: TLS leaves by a gateway of a TLSRoute, unopened.

use anyhow::{Result, ensure};
use e2e::{
    Cluster, Space, eventually, gateway_api,
    mesh::{Caller, PATIENCE},
    proxy::IS_CUT,
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::beyond;

const HOST: &str = "https://route.example.org/ip";
const GATEWAY_POD: &str = "gateway.networking.k8s.io/gateway-name=way-out";
const SERVICE_ENTRY: &str = r#"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: httpbin
spec:
  hosts:
  - route.example.org
  ports:
  - number: 443
    name: tls
    protocol: TLS
  resolution: DNS
"#;
const GATEWAY: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: way-out
  annotations:
    networking.istio.io/service-type: ClusterIP
spec:
  gatewayClassName: istio
  listeners:
  - name: tls
    hostname: route.example.org
    port: 443
    protocol: TLS
    tls:
      mode: Passthrough
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TLSRoute
metadata:
  name: to-the-gateway
spec:
  parentRefs:
  - group: networking.istio.io
    kind: ServiceEntry
    name: httpbin
  hostnames:
  - route.example.org
  rules:
  - backendRefs:
    - name: way-out-istio
      port: 443
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TLSRoute
metadata:
  name: from-the-gateway
spec:
  parentRefs:
  - name: way-out
  hostnames:
  - route.example.org
  rules:
  - backendRefs:
    - group: networking.istio.io
      kind: Hostname
      name: route.example.org
      port: 443
"#;

#[tokio::test]
async fn journey_4_tls_leaves_by_a_gateway_of_the_gateway_api() -> Result<()> {
    const TEST: &str = "journey_4_tls_leaves_by_a_gateway_of_the_gateway_api";
    let Some((cluster, _)) = Cluster::with_outside(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            gateway_api::install(&space.cluster).await?;
            space.opt_in().await?;
            let sleep = space.caller("sleep").await?;
            space.apply_text(SERVICE_ENTRY)?;
            beyond::sees(&sleep, HOST, &sleep.proxy.address().await?).await?;
            space.apply_text(GATEWAY)?;
            let gateway = space.cluster.gateway(&space.name, GATEWAY_POD).await?;
            // curl verifies the certificate of the host itself: nobody in between has opened the connection.
            beyond::sees(&sleep, HOST, &gateway.address().await?).await?;
            let to_the_gateway = format!("outbound|443||way-out-istio.{}.svc.cluster.local", space.name);
            sleep.proxy.logged(&[&to_the_gateway, " route.example.org "]).await?;
            gateway.logged(&["outbound|443||route.example.org", " route.example.org "]).await?;
            sleep.proxy.accepts_all().await?;
            gateway.accepts_all().await?;
            without_the_gateway(&space, &sleep, &to_the_gateway).await
        })
        .await
}

/// With the gateway gone nothing leaves by another way, and the log names the gateway.
async fn without_the_gateway(space: &Space, sleep: &Caller, to_the_gateway: &str) -> Result<()> {
    let none = json!({"spec": {"replicas": 0}});
    space.api::<Deployment>().patch("way-out-istio", &PatchParams::default(), &Patch::Merge(none)).await?;
    let labels = ListParams::default().labels(GATEWAY_POD);
    eventually("the gateway's pod is gone", PATIENCE, async || {
        Ok(space.api::<Pod>().list(&labels).await?.items.is_empty().then_some(()))
    })
    .await?;
    let said = beyond::fails(sleep, &[HOST]).await?;
    ensure!(IS_CUT.iter().any(|words| said.contains(words)), "curl says {said}");
    sleep.proxy.logged(&[" UH ", to_the_gateway]).await.map(drop)
}
