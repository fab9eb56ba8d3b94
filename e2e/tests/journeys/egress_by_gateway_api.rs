//! Journey 2: HTTP leaves by an egress gateway of the Gateway API, by one of Istio's API, and by one label.

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Space, eventually, gateway_api,
    mesh::{Caller, DataPlane, PATIENCE},
    proxy::{MESH, Proxy},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::beyond::{self, CONVERGED};

/// This and what follows is as the journey's author wrote it.
const SERVICE_ENTRY: &str = r#"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: testserviceentry
  namespace: istio-system
spec:
  hosts:
  - ifconfig.me
  ports:
  - number: 80
    name: http-port
    protocol: HTTP
  - number: 443
    name: https
    protocol: HTTPS
  resolution: DNS
"#;

const GATEWAY: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: egress-gateway
  namespace: istio-system
  annotations:
    networking.istio.io/service-type: ClusterIP
spec:
  gatewayClassName: istio
  listeners:
  - name: http
    hostname: ifconfig.me
    port: 80
    protocol: HTTP
    allowedRoutes:
      namespaces:
        from: All
"#;

const ROUTES: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: direct-to-egress-gateway
  namespace: istio-system
spec:
  parentRefs:
  - kind: ServiceEntry
    group: networking.istio.io
    name: testserviceentry
    namespace: istio-system
  rules:
  - backendRefs:
    - name: egress-gateway-istio
      port: 80
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: forward-from-egress-gateway
  namespace: istio-system
spec:
  parentRefs:
  - name: egress-gateway
    namespace: istio-system
  hostnames:
  - ifconfig.me
  rules:
  - backendRefs:
    - kind: Hostname
      group: networking.istio.io
      name: ifconfig.me
      port: 80
"#;

/// The way of Istio's own API, which the author could not get to work.
const CLASSIC: &str = r#"
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: ifconfig-egress
  namespace: istio-system
spec:
  selector:
    istio: egressgateway
  servers:
  - port:
      number: 80
      name: http
      protocol: HTTP
    hosts:
    - ifconfig.me
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: egressgateway-for-ifconfig
  namespace: istio-system
spec:
  host: istio-egressgateway.istio-system.svc.cluster.local
  subsets:
  - name: ifconfig
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: direct-ifconfig-through-egress-gateway
  namespace: istio-system
spec:
  hosts:
  - ifconfig.me
  gateways:
  - ifconfig-egress
  - mesh
  http:
  - match:
    - gateways:
      - mesh
      port: 80
    route:
    - destination:
        host: istio-egressgateway.istio-system.svc.cluster.local
        subset: ifconfig
        port:
          number: 80
      weight: 100
  - match:
    - gateways:
      - ifconfig-egress
      port: 80
    route:
    - destination:
        host: ifconfig.me
        port:
          number: 80
      weight: 100
"#;

const IFCONFIG: &str = "http://ifconfig.me";

/// All ways lead to one host, and so come one after the other.
#[tokio::test]
async fn journey_2_http_leaves_by_an_egress_gateway() -> Result<()> {
    const TEST: &str = "journey_2_http_leaves_by_an_egress_gateway";
    let Some((cluster, data_plane)) = Cluster::with_outside(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.opt_in().await?;
            let pod = space.caller_of("pod1", "nicolaka/netshoot", &json!({})).await?;
            gateway_api::install(&space.cluster).await?;
            is_anonymous(&pod, data_plane).await?;
            let cluster = &space.cluster;
            cluster
                .holding(MESH, SERVICE_ENTRY, async {
                    is_known_by_name(&pod).await?;
                    let by_gateway_api = by_gateway_api(&space, &pod, data_plane);
                    cluster
                        .holding(MESH, &[GATEWAY, ROUTES].join("---"), by_gateway_api)
                        .await
                        .context("Gateway API")?;
                    beyond::sees(&pod, IFCONFIG, &pod.proxy.address().await?).await?;
                    let classic = by_the_classic_gateway(&pod, cluster);
                    cluster.holding(MESH, CLASSIC, classic).await.context("Istio's API")?;
                    beyond::sees(&pod, IFCONFIG, &pod.proxy.address().await?).await?;
                    by_one_label(&pod, cluster, data_plane).await.context("the label")
                })
                .await
        })
        .await
}

async fn is_anonymous(pod: &Caller, data_plane: DataPlane) -> Result<()> {
    beyond::sees(pod, IFCONFIG, &pod.proxy.address().await?).await?;
    pod.proxy.logged(&["PassthroughCluster", "\"ifconfig.me\""]).await?;
    if data_plane == DataPlane::Lateen {
        let labels = ["reporter=\"source\"", "destination_service_name=\"PassthroughCluster\""];
        pod.proxy.counted("istio_requests_total", &labels).await?;
    }
    Ok(())
}

async fn is_known_by_name(pod: &Caller) -> Result<()> {
    beyond::is_logged(pod, IFCONFIG, &pod.proxy, &["outbound|80||ifconfig.me", "\"ifconfig.me\""]).await?;
    let head = beyond::head(pod, IFCONFIG).await?;
    for part in ["http/1.1 200 ok", "server: envoy\r", "x-envoy-upstream-service-time: "] {
        ensure!(head.contains(part), "no `{part}` in {head}");
    }
    Ok(())
}

async fn by_gateway_api(space: &Space, pod: &Caller, data_plane: DataPlane) -> Result<()> {
    let cluster = &space.cluster;
    let gateway = cluster.gateway(MESH, "gateway.networking.k8s.io/gateway-name=egress-gateway").await?;
    let service = Api::<Service>::namespaced(cluster.client.clone(), MESH).get("egress-gateway-istio").await?;
    let spec = service.spec.context("a Service without a spec")?;
    ensure!(spec.type_.as_deref() == Some("ClusterIP"), "the Service is of type {:?}", spec.type_);
    goes_by(pod, &gateway).await?;
    let to_the_gateway = "outbound|80||egress-gateway-istio.istio-system.svc.cluster.local";
    pod.proxy.logged(&["\"ifconfig.me\"", to_the_gateway]).await?;
    gateway.logged(&["\"ifconfig.me\"", "outbound|80||ifconfig.me"]).await?;
    if data_plane == DataPlane::Lateen {
        let labels = ["reporter=\"source\"", "destination_service=\"ifconfig.me\"", "response_code=\"200\""];
        gateway.counted("istio_requests_total", &labels).await?;
    }
    without_the_gateway(cluster, pod, to_the_gateway).await
}

/// With the gateway gone, the error names it.
async fn without_the_gateway(cluster: &Cluster, pod: &Caller, to_the_gateway: &str) -> Result<()> {
    let deployments = Api::<Deployment>::namespaced(cluster.client.clone(), MESH);
    let none = json!({"spec": {"replicas": 0}});
    deployments.patch("egress-gateway-istio", &PatchParams::default(), &Patch::Merge(none)).await?;
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), MESH);
    let labels = ListParams::default().labels("gateway.networking.k8s.io/gateway-name=egress-gateway");
    eventually("the gateway's pod is gone", PATIENCE, async || {
        Ok(pods.list(&labels).await?.items.is_empty().then_some(()))
    })
    .await?;
    eventually("calls fail", CONVERGED, async || {
        let (status, body) = pod.curl(&[IFCONFIG]).await?;
        ensure!(status == 503, "{status}: {body}");
        Ok(Some(()))
    })
    .await?;
    pod.proxy.logged(&["\"ifconfig.me\"", " 503 UH ", to_the_gateway]).await.map(drop)
}

async fn by_the_classic_gateway(pod: &Caller, cluster: &Cluster) -> Result<()> {
    let gateway = cluster.gateway(MESH, "istio=egressgateway").await?;
    goes_by(pod, &gateway).await?;
    let to_the_gateway = "outbound|80|ifconfig|istio-egressgateway.istio-system.svc.cluster.local";
    pod.proxy.logged(&["\"ifconfig.me\"", to_the_gateway]).await.map(drop)
}

/// The label on the ServiceEntry says all that the three objects of the classic way say; a gateway that is not there is
/// no way out.
async fn by_one_label(pod: &Caller, cluster: &Cluster, data_plane: DataPlane) -> Result<()> {
    let labelled = |gateway: &str| {
        let labels = format!("  namespace: istio-system\n  labels:\n    lateen.io/use-egress-gateway: {gateway}\n");
        SERVICE_ENTRY.replace("  namespace: istio-system\n", &labels)
    };
    cluster.apply(MESH, &labelled("istio-egressgateway")).await?;
    let gateway = cluster.gateway(MESH, "istio=egressgateway").await?;
    goes_by(pod, &gateway).await?;
    beyond::sees(pod, "https://ifconfig.me", &gateway.address().await?).await.context("HTTPS")?;
    cluster.apply(MESH, &labelled("no-such-gateway")).await?;
    eventually("calls fail", CONVERGED, async || {
        let (status, body) = pod.curl(&[IFCONFIG]).await?;
        ensure!(status == 503, "{status}: {body}");
        Ok(Some(()))
    })
    .await?;
    let who_decided = match data_plane {
        DataPlane::Lateen => "no-such-gateway.istio-system",
        DataPlane::Envoy => "NC",
    };
    pod.proxy.logged(&["\"ifconfig.me\"", " 503 ", who_decided]).await.map(drop)
}

/// The host beyond sees the gateway's address, and the caller's view is as the author's.
async fn goes_by(pod: &Caller, gateway: &Proxy) -> Result<()> {
    beyond::sees(pod, IFCONFIG, &gateway.address().await?).await?;
    let head = beyond::head(pod, IFCONFIG).await?;
    for part in ["http/1.1 200 ok", "server: envoy\r", "x-envoy-upstream-service-time: "] {
        ensure!(head.contains(part), "no `{part}` in {head}");
    }
    pod.proxy.accepts_all().await?;
    gateway.accepts_all().await
}
