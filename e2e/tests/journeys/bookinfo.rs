//! Journey 1: bookinfo, unmodified, behind a gateway of the Gateway API.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use e2e::{
    Cluster, Space, browser, eventually,
    gateway_api::{self, condition, resource},
    mesh::{Caller, PATIENCE, bookinfo},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
};
use kube::{
    Api,
    api::{DynamicObject, ListParams},
};
use serde_json::{Value, json};

/// The columns of the journey's `kubectl get`: what bookinfo consists of.
const SERVICES: [&str; 4] = ["details", "productpage", "ratings", "reviews"];

/// The pod of the gateway.
const POD: &str = "gateway.networking.k8s.io/gateway-name=bookinfo-gateway";

#[tokio::test]
async fn journey_1_bookinfo_is_behind_a_gateway_of_the_gateway_api() -> Result<()> {
    const TEST: &str = "journey_1_bookinfo_is_behind_a_gateway_of_the_gateway_api";
    let Some(samples) = Cluster::upstream(TEST) else { return Ok(()) };
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            gateway_api::install(&space.cluster).await?;
            space.opt_in().await?;
            space.apply(&bookinfo("platform/kube/bookinfo.yaml"))?;
            space.pods_ready(6).await?;
            has_what_the_author_counted(&space).await?;
            space.apply(&samples.join("bookinfo/gateway-api/bookinfo-gateway.yaml"))?;
            let service = gateway(&space).await?;
            balances_by_iptables(&space).await?;
            let visitor = visitor(&space).await?;
            is_shown(&visitor, &format!("http://{service}")).await?;
            is_shown_in_a_browser(&space, TEST).await
        })
        .await
}

async fn has_what_the_author_counted(space: &Space) -> Result<()> {
    let services = space.api::<Service>().list(&ListParams::default()).await?;
    let names: Vec<_> = services.iter().filter_map(|s| s.metadata.name.as_deref()).collect();
    ensure!(names == SERVICES, "Services {names:?}");
    let deployments = space.api::<Deployment>().list(&ListParams::default()).await?.items;
    ensure!(deployments.len() == 6, "{} Deployments", deployments.len());
    for pod in space.api::<Pod>().list(&ListParams::default()).await? {
        let ready = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten()).filter(|c| c.ready).count();
        ensure!(ready == 2, "{:?} has {ready} ready containers", pod.metadata.name);
    }
    Ok(())
}

/// Waits for the gateway, and gives its Service's address.
async fn gateway(space: &Space) -> Result<String> {
    space.cluster.gateway(&space.name, POD).await?;
    let services = space.api::<Service>();
    let service = services.get("bookinfo-gateway-istio").await?.spec.context("a Service without a spec")?;
    let ports: Vec<i32> = service.ports.iter().flatten().map(|port| port.port).collect();
    ensure!(ports == [15021, 80], "the Service has the ports {ports:?}");
    ensure!(service.type_.as_deref() == Some("LoadBalancer"), "the Service is of type {:?}", service.type_);
    let annotate = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {
        "name": "bookinfo-gateway", "annotations": {"networking.istio.io/service-type": "NodePort"},
    }});
    let gateways = api(space, "Gateway");
    let merge = kube::api::Patch::Merge(&annotate);
    gateways.patch("bookinfo-gateway", &kube::api::PatchParams::default(), &merge).await?;
    eventually("the annotation changes the Service", PATIENCE, async || {
        let kind = services.get("bookinfo-gateway-istio").await?.spec.and_then(|s| s.type_);
        ensure!(kind.as_deref() == Some("NodePort"), "it is of type {kind:?}");
        Ok(Some(()))
    })
    .await?;
    eventually("the statuses tell of it", PATIENCE, async || {
        let status = gateways.get("bookinfo-gateway").await?.data["status"].take();
        for name in ["Accepted", "Programmed"] {
            condition(&status["conditions"], name)?;
        }
        let listener = &status["listeners"][0];
        ensure!(listener["name"] == "http" && listener["attachedRoutes"] == 1, "{listener}");
        for name in ["Accepted", "Programmed", "ResolvedRefs"] {
            condition(&listener["conditions"], name)?;
        }
        let route = api(space, "HTTPRoute").get("bookinfo").await?.data["status"]["parents"][0].take();
        ensure!(route["controllerName"] == "istio.io/gateway-controller", "{route}");
        for name in ["Accepted", "ResolvedRefs"] {
            condition(&route["conditions"], name)?;
        }
        Ok(Some(()))
    })
    .await?;
    service.cluster_ip.context("the Service has no address")
}

fn api(space: &Space, kind: &str) -> Api<DynamicObject> {
    Api::namespaced_with(space.cluster.client.clone(), &space.name, &resource(kind))
}

/// Three endpoints of reviews, by chance: a third, a half of the rest, and the rest.
async fn balances_by_iptables(space: &Space) -> Result<()> {
    let pods = space.api::<Pod>();
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "node", "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {"hostNetwork": true, "terminationGracePeriodSeconds": 1, "containers": [{
            "name": "node", "image": "nicolaka/netshoot", "command": ["sleep", "infinity"],
            "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
        }]},
    }))?;
    pods.create(&kube::api::PostParams::default(), &pod).await?;
    eventually("a pod sees the node's rules", PATIENCE, async || {
        Ok(e2e::mesh::is_ready(&pods.get("node").await?).then_some(()))
    })
    .await?;
    let rules = e2e::mesh::exec(&pods, "node", "node", &["iptables-save", "-t", "nat"]).await?;
    let comment = format!("{}/reviews:http ->", space.name);
    let chances: Vec<&str> = rules
        .lines()
        .filter(|line| line.starts_with("-A KUBE-SVC-") && line.contains(&comment))
        .map(|line| line.split_once("--probability ").map_or("", |(_, rest)| rest))
        .map(|rest| rest.split(' ').next().unwrap_or_default())
        .collect();
    let [third, half, rest] = chances[..] else { bail!("reviews has the rules {chances:?}") };
    ensure!(third.starts_with("0.333") && half.starts_with("0.5") && rest.is_empty(), "the chances are {chances:?}");
    Ok(())
}

/// Somebody who is no part of the mesh.
async fn visitor(space: &Space) -> Result<Caller> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "visitor", "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [
            {"name": "caller", "image": "lateen/load", "command": ["sleep", "infinity"]},
        ]},
    }))?;
    space.caller_from(pod).await
}

/// The page, and the stars of each version of reviews.
async fn is_shown(visitor: &Caller, door: &str) -> Result<()> {
    let page = eventually("the page is there", PATIENCE, async || {
        let (status, page) = visitor.curl(&[&format!("{door}/productpage")]).await?;
        ensure!(status == 200, "{status}: {page}");
        Ok(Some(page))
    })
    .await?;
    for part in ["The Comedy of Errors", "William Shakespeare"] {
        ensure!(page.contains(part), "the page shows no `{part}`");
    }
    ensure!(visitor.curl(&[&format!("{door}/details/0")]).await?.0 == 404, "what no route names is shown");
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let (status, body) = visitor.curl(&[&format!("{door}/api/v1/products/0/reviews")]).await?;
        ensure!(status == 200, "reviews answer {status}: {body}");
        let reviews: Value = serde_json::from_str(&body)?;
        seen.insert(reviews["reviews"][0]["rating"]["color"].as_str().unwrap_or("none").to_owned());
        if seen.len() == 3 {
            break;
        }
    }
    ensure!(seen.iter().eq(["black", "none", "red"]), "100 reloads show these stars: {seen:?}");
    Ok(())
}

/// The page as a person sees it, through the gateway: it is drawn with no stars, black stars and red stars in turn.
async fn is_shown_in_a_browser(space: &Space, test: &str) -> Result<()> {
    let Some(browser) = browser::for_test(test) else { return Ok(()) };
    let gateway = space.cluster.gateway(&space.name, POD).await?;
    let door = space.cluster.door(&space.name, &gateway.pod, 80).await?;
    let url = format!("http://{}/productpage", door.address);
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        let page = browser::open(&browser, &url).await?;
        ensure!(page.contains("The Comedy of Errors") && page.contains("An extremely entertaining play"), "{page}");
        let color = page.split_once("data-color=\"").and_then(|(_, rest)| rest.split('"').next());
        seen.insert(color.unwrap_or("none").to_owned());
        if seen.len() == 3 {
            break;
        }
    }
    ensure!(seen.iter().eq(["black", "none", "red"]), "40 pages show these stars: {seen:?}");
    Ok(())
}
