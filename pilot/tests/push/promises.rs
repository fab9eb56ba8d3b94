use std::time::Duration;

use mesh_proto::type_url;

use crate::{
    mesh::{self, host, shop},
    support::{Envoy, galley, pilot},
};

const ALL: &str = "outbound|9080||reviews.default.svc.cluster.local";

fn is_complete(envoy: &Envoy) -> bool {
    envoy.routes.contains_key("9080") && envoy.endpoints.contains_key(ALL)
}

fn count(envoy: &Envoy) -> usize {
    envoy.endpoints[ALL].endpoints.iter().map(|l| l.lb_endpoints.len()).sum()
}

/// An Envoy that has everything of the shop, and is asked for nothing any more.
pub(crate) async fn settled(pilot: std::net::SocketAddr) -> Envoy {
    let mut envoy = Envoy::start(pilot);
    envoy.until("routes and endpoints", is_complete).await;
    envoy.idle(Duration::from_millis(300)).await;
    envoy.log.clear();
    envoy
}

#[tokio::test]
async fn a_change_of_endpoints_sends_endpoints_only() {
    let galley = galley(shop()).await;
    let pilot = pilot(galley.served.address, "127.0.0.1:0").await;
    let mut envoy = settled(pilot.served.address).await;
    let pods = [("v1", "10.0.0.2"), ("v2", "10.0.0.3"), ("v3", "10.0.0.4")];
    galley.records.send_modify(|records| mesh::service(records, "reviews", "10.96.0.2", &pods));
    envoy.until("three endpoints", |e| count(e) == 3).await;
    envoy.idle(Duration::from_millis(300)).await;
    assert!(envoy.log.iter().all(|line| line.starts_with("ClusterLoadAssignment")), "{:?}", envoy.log);
    let metrics = pilot.registry.encode();
    for line in ["pilot_xds 1", "pilot_xds_pushes{type=\"eds\"}", "pilot_proxy_convergence_time_count"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let proxy = pilot.proxies.find("productpage-v1.default").expect("connected");
    let standing = &proxy.standings()[type_url::ENDPOINT];
    assert!(standing.record.sent.is_some() && standing.record.sent == standing.record.accepted, "{standing:?}");
    assert!(standing.told.contains_key(ALL) && standing.unanswered.is_empty(), "{standing:?}");
    pilot.end().await;
}

#[tokio::test]
async fn what_is_applied_again_unchanged_is_not_sent() {
    let galley = galley(shop()).await;
    let pilot = pilot(galley.served.address, "127.0.0.1:0").await;
    let mut envoy = settled(pilot.served.address).await;
    let mut worlds = pilot.worlds.clone();
    worlds.borrow_and_update();
    // A namespace is in no resource.
    galley.records.send_modify(|records| {
        let namespace = mesh_proto::registry::Namespace { name: "empty".to_owned(), ..Default::default() };
        mesh::put(records, type_url::NAMESPACE, "empty", &namespace);
    });
    tokio::time::timeout(Duration::from_secs(5), worlds.changed()).await.expect("a new world").unwrap();
    envoy.idle(Duration::from_millis(300)).await;
    assert_eq!(envoy.log, [""; 0]);
    pilot.end().await;
}

#[tokio::test]
async fn a_restart_of_pilot_keeps_proxies_as_they_are() {
    let galley = galley(shop()).await;
    let first = pilot(galley.served.address, "127.0.0.1:0").await;
    let address = first.served.address;
    let mut envoy = settled(address).await;
    first.end().await;
    let second = pilot(galley.served.address, &address.to_string()).await;
    let is_back = |e: &Envoy| e.log.iter().any(|line| line == "Listener +0 -0");
    envoy.until("the stream after the restart", is_back).await;
    envoy.idle(Duration::from_millis(500)).await;
    let news: Vec<&String> = envoy.log.iter().filter(|line| line.contains(" +") && !line.ends_with("+0 -0")).collect();
    assert_eq!(news, [""; 0], "{:?}", envoy.log);
    let pods = [("v2", "10.0.0.3")];
    galley.records.send_modify(|records| mesh::service(records, "reviews", "10.96.0.2", &pods));
    envoy.until("one endpoint", |e| count(e) == 1).await;
    second.end().await;
}

#[tokio::test]
async fn a_service_that_goes_takes_its_clusters_along() {
    let galley = galley(shop()).await;
    let pilot = pilot(galley.served.address, "127.0.0.1:0").await;
    let mut envoy = settled(pilot.served.address).await;
    galley.records.send_modify(|records| records.retain(|(_, name), _| *name != host("reviews")));
    envoy.until("no clusters of reviews", |e| !e.clusters.keys().any(|name| name.contains("reviews"))).await;
    pilot.end().await;
}

#[tokio::test]
async fn without_galley_proxies_are_asked_to_come_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let pilot = pilot(nobody, "127.0.0.1:0").await;
    let mut envoy = Envoy::start(pilot.served.address);
    envoy.until("a refusal", |e| e.log.iter().any(|line| line.contains("not ready"))).await;
    assert!(!pilot.readiness.is_ready());
    pilot.end().await;
}
