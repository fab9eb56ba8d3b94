//! Journey 4: calls to a host beyond the mesh are first anonymous, then known by name, and then leave by the egress gateway
//! with their TLS untouched.

use anyhow::{Result, ensure};
use e2e::{
    Cluster, Space,
    mesh::{Caller, DataPlane},
    proxy::{MESH, Proxy},
};

use crate::beyond;

/// This and what follows is as the journey's author wrote it.
const SERVICE_ENTRY_OF_CNN: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: cnn
spec:
  hosts:
  - edition.cnn.com
  ports:
  - number: 443
    name: tls
    protocol: TLS
  resolution: DNS
"#;

const BY_GATEWAY: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata:
  name: istio-egressgateway
spec:
  selector:
    istio: egressgateway
  servers:
  - port:
      number: 443
      name: tls
      protocol: TLS
    hosts:
    - edition.cnn.com
    tls:
      mode: PASSTHROUGH
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata:
  name: egressgateway-for-cnn
spec:
  host: istio-egressgateway.istio-system.svc.cluster.local
  subsets:
  - name: cnn
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: direct-cnn-through-egress-gateway
spec:
  hosts:
  - edition.cnn.com
  gateways:
  - mesh
  - istio-egressgateway
  tls:
  - match:
    - gateways:
      - mesh
      port: 443
      sniHosts:
      - edition.cnn.com
    route:
    - destination:
        host: istio-egressgateway.istio-system.svc.cluster.local
        subset: cnn
        port:
          number: 443
  - match:
    - gateways:
      - istio-egressgateway
      port: 443
      sniHosts:
      - edition.cnn.com
    route:
    - destination:
        host: edition.cnn.com
        port:
          number: 443
      weight: 100
"#;

const CNN: &str = "https://edition.cnn.com/politics";
/// Another host, which tells callers their addresses.
const HTTPBIN: &str = "https://httpbin.org/ip";

#[tokio::test]
async fn journey_4_tls_leaves_by_the_egress_gateway_untouched() -> Result<()> {
    const TEST: &str = "journey_4_tls_leaves_by_the_egress_gateway_untouched";
    let Some((cluster, data_plane)) = Cluster::with_outside(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.opt_in().await?;
            let sleep = space.caller("sleep").await?;
            let gateway = space.cluster.gateway(MESH, "istio=egressgateway").await?;
            is_anonymous(&sleep, data_plane).await?;
            is_known_by_name(&space, &sleep, data_plane).await?;
            goes_by_the_gateway(&space, &sleep, &gateway).await
        })
        .await
}

async fn is_anonymous(sleep: &Caller, data_plane: DataPlane) -> Result<()> {
    beyond::is_logged(sleep, CNN, &sleep.proxy, &["PassthroughCluster", ":443 "]).await?;
    beyond::sees(sleep, HTTPBIN, &sleep.proxy.address().await?).await?;
    if data_plane == DataPlane::Lateen {
        let labels = ["reporter=\"source\"", "destination_service_name=\"PassthroughCluster\""];
        sleep.proxy.counted("istio_tcp_connections_opened_total", &labels).await?;
    }
    Ok(())
}

async fn is_known_by_name(space: &Space, sleep: &Caller, data_plane: DataPlane) -> Result<()> {
    space.apply_text(SERVICE_ENTRY_OF_CNN)?;
    beyond::is_logged(sleep, CNN, &sleep.proxy, &["outbound|443||edition.cnn.com", " edition.cnn.com "]).await?;
    if data_plane == DataPlane::Lateen {
        let labels = ["reporter=\"source\"", "destination_service_name=\"edition.cnn.com\""];
        sleep.proxy.counted("istio_tcp_connections_opened_total", &labels).await?;
    }
    Ok(())
}

async fn goes_by_the_gateway(space: &Space, sleep: &Caller, gateway: &Proxy) -> Result<()> {
    space.apply_text(BY_GATEWAY)?;
    let to_the_gateway = "outbound|443|cnn|istio-egressgateway.istio-system.svc.cluster.local";
    beyond::is_logged(sleep, CNN, &sleep.proxy, &[to_the_gateway, " edition.cnn.com "]).await?;
    gateway.logged(&["outbound|443||edition.cnn.com", " edition.cnn.com "]).await?;
    // curl has verified the certificate of the host itself: nobody in between has opened the connection.
    let (_, page) = sleep.curl(&[CNN]).await?;
    ensure!(page.contains("Breaking News"), "edition.cnn.com answers {page}");

    let httpbin = |text: &str| {
        let text = text.replace("edition.cnn.com", "httpbin.org").replace("cnn", "httpbin");
        text.replace("istio-egressgateway\n", "istio-egressgateway-for-httpbin\n")
    };
    space.apply_text(&httpbin(SERVICE_ENTRY_OF_CNN))?;
    space.apply_text(&httpbin(BY_GATEWAY))?;
    beyond::sees(sleep, HTTPBIN, &gateway.address().await?).await?;
    sleep.proxy.accepts_all().await?;
    gateway.accepts_all().await
}
