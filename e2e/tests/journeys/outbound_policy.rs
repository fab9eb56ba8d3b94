//! Journey 4, its second half: where only registered hosts are reached, others are refused and said to be; an entry opens
//! the way.

use anyhow::{Result, ensure};
use e2e::{
    Cluster, Space,
    ctl::lateenctl,
    mesh::{Caller, DataPlane},
    proxy::IS_CUT,
};

use crate::beyond;

/// As the journey's author wrote it.
const SERVICE_ENTRY_OF_GOOGLE: &str = r#"
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: google
spec:
  hosts:
  - google.com
  ports:
  - number: 443
    name: tls
    protocol: TLS
  resolution: DNS
"#;

const GOOGLE: &str = "https://google.com";

/// Known from the journey's first half: at a port where the mesh knows TLS, server names are read, and so can be told.
const SERVICE_ENTRY_OF_CNN: &str = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: cnn}, \
                                    spec: {hosts: [edition.cnn.com], ports: [{number: 443, name: tls, protocol: TLS}], \
                                    resolution: DNS}}";

/// With it the mesh knows HTTP at port 80, where a refusal can be an answer.
const WEB: &str = "{apiVersion: v1, kind: Service, metadata: {name: web}, \
                   spec: {selector: {app: web}, ports: [{name: http, port: 80}]}}";

/// The policy of a namespace, as `meshConfig.outboundTrafficPolicy` is that of the mesh.
const REGISTRY_ONLY: &str = "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: default}, \
                             spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}}";

#[tokio::test]
async fn journey_4_only_registered_hosts_are_reached() -> Result<()> {
    const TEST: &str = "journey_4_only_registered_hosts_are_reached";
    let Some((cluster, data_plane)) = Cluster::with_outside(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.opt_in().await?;
            space.apply_text(WEB)?;
            space.apply_text(SERVICE_ENTRY_OF_CNN)?;
            let sleep = space.caller("sleep").await?;
            beyond::is_logged(&sleep, GOOGLE, &sleep.proxy, &["PassthroughCluster", ":443 "]).await?;
            space.apply_text(REGISTRY_ONLY)?;
            let said = beyond::fails(&sleep, &[GOOGLE]).await?;
            ensure!(IS_CUT.iter().any(|words| said.contains(words)), "curl says {said}");
            sleep.proxy.logged(&["BlackHoleCluster", ":443 "]).await?;
            if data_plane == DataPlane::Lateen {
                let labels = ["reporter=\"source\"", "destination_service_name=\"BlackHoleCluster\""];
                sleep.proxy.counted("istio_tcp_connections_opened_total", &labels).await?;
            }
            is_told_why(&space, &sleep, data_plane).await?;
            // Plain HTTP to a port that the mesh knows has an answer.
            let (status, _) = sleep.curl(&["http://google.com"]).await?;
            ensure!(status == 502, "http://google.com is answered with {status}");
            space.apply_text(SERVICE_ENTRY_OF_GOOGLE)?;
            beyond::is_logged(&sleep, GOOGLE, &sleep.proxy, &["outbound|443||google.com"]).await.map(drop)
        })
        .await
}

/// Where a person looks, there is the host, who decided, and the way out.
async fn is_told_why(space: &Space, sleep: &Caller, data_plane: DataPlane) -> Result<()> {
    const HINT: &str = "add a ServiceEntry for the host";
    let object = format!("Sidecar {}/default", space.name);
    let said = lateenctl(&["explain", &sleep.proxy.name(), "GET", GOOGLE], "").await?;
    for part in ["BLACKHOLE", "google.com", &object, HINT] {
        ensure!(said.contains(part), "explain does not say {part}:\n{said}");
    }
    if data_plane == DataPlane::Lateen {
        sleep.proxy.logged(&["reason=BLACKHOLE", "host=\"google.com\"", &object, HINT, "try="]).await?;
    }
    Ok(())
}
