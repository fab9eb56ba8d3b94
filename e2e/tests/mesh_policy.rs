//! Promise: what the mesh's settings say of hosts that nobody registered holds in every pod, at once, and is said where a
//! person looks.
//!
//! It changes the settings of the whole mesh, and so runs alone.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::{
    Cluster, Space, eventually,
    mesh::{Caller, DataPlane},
    proxy::{IS_CUT, MESH},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

const CONVERGED: Duration = Duration::from_secs(20);
const GOOGLE: &str = "https://google.com";
/// As the journey's author wrote it.
const SERVICE_ENTRY: &str = r#"
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

#[tokio::test]
async fn journey_4_the_mesh_reaches_only_registered_hosts() -> Result<()> {
    const TEST: &str = "journey_4_the_mesh_reaches_only_registered_hosts";
    let Some((cluster, data_plane)) = Cluster::with_outside(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.opt_in().await?;
            let sleep = space.caller("sleep").await?;
            ensure!(sleep.curl(&[GOOGLE]).await?.0 == 200, "google.com is not there");
            let settings = Settings::of(&space.cluster);
            let before = settings.read().await?;
            let result = only_registered(&space, &sleep, &settings, &before, data_plane).await;
            settings.write(&before).await?;
            result?;
            reaches(&sleep, "http://www.google.com").await
        })
        .await
}

async fn only_registered(
    space: &Space,
    sleep: &Caller,
    settings: &Settings,
    before: &str,
    data_plane: DataPlane,
) -> Result<()> {
    let mut mesh: Value = serde_saphyr::from_str(before).map_err(|e| anyhow::anyhow!("the mesh's settings: {e}"))?;
    mesh["outboundTrafficPolicy"] = json!({"mode": "REGISTRY_ONLY"});
    settings.write(&mesh.to_string()).await?;
    let said = eventually("google.com is refused", CONVERGED, async || match sleep.curl(&[GOOGLE]).await {
        Ok((status, _)) => bail!("it is answered with {status}"),
        Err(error) => Ok(Some(format!("{error:#}"))),
    })
    .await?;
    ensure!(IS_CUT.iter().any(|words| said.contains(words)), "curl says {said}");
    sleep.proxy.logged(&["BlackHoleCluster", ":443 "]).await?;
    if data_plane == DataPlane::Lateen {
        let labels = ["reporter=\"source\"", "destination_service_name=\"BlackHoleCluster\""];
        sleep.proxy.counted("istio_tcp_connections_opened_total", &labels).await?;
    }
    space.apply_text(SERVICE_ENTRY)?;
    reaches(sleep, GOOGLE).await?;
    sleep.proxy.logged(&["outbound|443||google.com"]).await.map(drop)
}

async fn reaches(sleep: &Caller, url: &str) -> Result<()> {
    eventually(&format!("{url} is reached"), CONVERGED, async || {
        let (status, body) = sleep.curl(&[url]).await?;
        ensure!(status == 200, "{status}: {body}");
        Ok(Some(()))
    })
    .await
}

/// ConfigMap `istio`, key `mesh`.
struct Settings(Api<ConfigMap>);

impl Settings {
    fn of(cluster: &Cluster) -> Self {
        Self(Api::namespaced(cluster.client.clone(), MESH))
    }

    async fn read(&self) -> Result<String> {
        let data = self.0.get("istio").await?.data.unwrap_or_default();
        data.get("mesh").cloned().context("ConfigMap istio has no mesh")
    }

    async fn write(&self, mesh: &str) -> Result<()> {
        let patch = json!({"data": {"mesh": mesh}});
        self.0.patch("istio", &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }
}
