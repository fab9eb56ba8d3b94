//! Promise: every hop of a request shows in the metrics of both of its sides, under the names of who called whom.

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Space, eventually,
    mesh::{DataPlane, exec, series},
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;

/// How many visits there are.
const VISITS: &str = "20";

/// Who calls whom, by workload, and the service that is called.
const HOPS: [(&str, &str, &str); 4] = [
    ("client", "productpage-v1", "productpage"),
    ("productpage-v1", "details-v1", "details"),
    ("productpage-v1", "reviews-v3", "reviews"),
    ("reviews-v3", "ratings-v1", "ratings"),
];

/// Only with v3 of reviews, so that each visit takes every hop.
const ROUTE: &str = "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: reviews}, \
                     spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v3}}]}]}}";

#[tokio::test]
async fn every_hop_shows_in_metrics() -> Result<()> {
    const TEST: &str = "every_hop_shows_in_metrics";
    let Some((cluster, data_plane)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    if data_plane != DataPlane::Lateen {
        eprintln!("{TEST} was not run: Istio's metrics are our proxy's; stock Envoy has none");
        return Ok(());
    }
    cluster
        .in_namespace(|space| async move {
            space.bookinfo().await?;
            space.apply_text(ROUTE)?;
            let caller = space.caller("client").await?;
            caller.load(&["http://productpage:9080/productpage", "-n", VISITS]).await?.all_good()?;
            for hop in HOPS {
                for reporter in ["source", "destination"] {
                    eventually(&format!("{reporter} tells of {hop:?}"), e2e::mesh::PATIENCE, || {
                        shows(&space, hop, reporter)
                    })
                    .await?;
                }
            }
            Ok(())
        })
        .await
}

/// Whether one side of a hop counts all of its visits, under the right labels.
async fn shows(space: &Space, hop: (&str, &str, &str), reporter: &str) -> Result<Option<()>> {
    let (source, destination, service) = hop;
    let own = if reporter == "source" { source } else { destination };
    let pods = space.api::<Pod>();
    let all = pods.list(&ListParams::default()).await?.into_iter().filter_map(|pod| pod.metadata.name);
    let pod = all.into_iter().find(|name| name.starts_with(own)).with_context(|| format!("no pod of {own}"))?;
    let ask = ["pilot-agent", "request", "--debug-port", "15020", "GET", "stats/prometheus"];
    let text = exec(&pods, &pod, "istio-proxy", &ask).await?;
    let labels = [
        format!("reporter=\"{reporter}\""),
        format!("source_workload=\"{source}\""),
        format!("destination_workload=\"{destination}\""),
        format!("destination_service=\"{service}.{}.svc.cluster.local\"", space.name),
        "response_code=\"200\"".to_owned(),
    ];
    let parts: Vec<&str> = labels.iter().map(String::as_str).collect();
    let (seen, wanted) = (series(&text, "istio_requests_total", &parts), VISITS.parse::<f64>()?);
    ensure!(seen >= wanted, "{seen} of {wanted} requests are counted; {pod} tells: {}", requests(&text));
    Ok(Some(()))
}

/// What a proxy says of requests, for a person.
fn requests(text: &str) -> String {
    text.lines().filter(|line| line.starts_with("istio_requests_total")).collect::<Vec<_>>().join("\n")
}
