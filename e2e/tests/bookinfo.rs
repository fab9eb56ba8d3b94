//! Promise: bookinfo runs, ours and upstream's unmodified one, with every version of reviews in turn.

use std::{collections::BTreeSet, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::{Cluster, Space, eventually, http};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
};
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn our_bookinfo_runs() -> Result<()> {
    let Some(cluster) = Cluster::for_test("our_bookinfo_runs").await? else { return Ok(()) };
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bookinfo/manifests/bookinfo.yaml");
    cluster.in_namespace(|space| async move { visit(&space, &manifests).await }).await
}

#[tokio::test]
async fn upstreams_bookinfo_runs_unmodified() -> Result<()> {
    let Some(upstream) = std::env::var_os("LATEEN_UPSTREAM") else {
        eprintln!(
            "upstreams_bookinfo_runs_unmodified was not run: LATEEN_UPSTREAM names no folder of upstream's samples"
        );
        return Ok(());
    };
    let Some(cluster) = Cluster::for_test("upstreams_bookinfo_runs_unmodified").await? else { return Ok(()) };
    let manifests = Path::new(&upstream).join("istio-1.25.1/samples/bookinfo/platform/kube/bookinfo.yaml");
    cluster.in_namespace(|space| async move { visit(&space, &manifests).await }).await
}

/// Installs, waits, opens a door, and looks at all that a visitor can see.
async fn visit(space: &Space, manifests: &Path) -> Result<()> {
    space.apply(manifests)?;
    eventually("six deployments are available", PATIENCE, || async {
        let all = space.api::<Deployment>().list(&ListParams::default()).await?.items;
        let available = |d: &&Deployment| d.status.as_ref().and_then(|s| s.available_replicas) == Some(1);
        Ok((all.len() == 6 && all.iter().filter(available).count() == 6).then_some(()))
    })
    .await?;
    let pods = space.api::<Pod>().list(&ListParams::default()).await?.items;
    let addresses: BTreeSet<_> = pods.iter().filter_map(|p| p.status.as_ref()?.pod_ip.clone()).collect();
    ensure!(addresses.len() == 6, "six pods have six addresses, not {addresses:?}");

    let page = format!("http://{}", door(space).await?);
    let shown = eventually("the page is there", PATIENCE, || async {
        let answer = http::get(&format!("{page}/productpage")).await?;
        Ok(answer.status.is_success().then_some(answer.body))
    })
    .await?;
    for part in ["The Comedy of Errors", "William Shakespeare"] {
        ensure!(shown.contains(part), "the page shows no `{part}`");
    }
    let details: Value = serde_json::from_str(&http::get(&format!("{page}/api/v1/products/0")).await?.body)?;
    ensure!(details["author"] == "William Shakespeare", "details are {details}");
    see_all_stars(&page).await
}

async fn see_all_stars(page: &str) -> Result<()> {
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let answer = http::get(&format!("{page}/api/v1/products/0/reviews")).await?;
        ensure!(answer.status.is_success(), "reviews answer {}: {}", answer.status, answer.body);
        let reviews: Value = serde_json::from_str(&answer.body)?;
        let first = reviews["reviews"].get(0).with_context(|| format!("no reviews in {reviews}"))?;
        seen.insert(first["rating"]["color"].as_str().unwrap_or("none").to_owned());
    }
    ensure!(seen.iter().eq(["black", "none", "red"]), "100 reloads show these stars: {seen:?}");
    Ok(())
}

/// A NodePort for the page, and where it listens on this machine.
async fn door(space: &Space) -> Result<String> {
    let service: Service = serde_json::from_value(json!({
        "metadata": {"name": "door"},
        "spec": {"type": "NodePort", "selector": {"app": "productpage"}, "ports": [{"name": "http", "port": 9080}]},
    }))?;
    let services = space.api::<Service>();
    services.create(&PostParams::default(), &service).await?;
    eventually("the door has a listener", PATIENCE, || async {
        let annotations = services.get("door").await?.metadata.annotations.unwrap_or_default();
        let ports = annotations.get("localkube.dev/host-ports");
        Ok(ports.and_then(|p| p.split(',').find_map(|p| p.strip_prefix("http="))).map(str::to_owned))
    })
    .await
}
