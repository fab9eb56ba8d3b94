//! Proxies with certificates.

use std::time::{Duration, SystemTime};

use mesh_pki::{Authority, Csr, Grant, Key, KeyKind, WorkloadCert, csr};
use mesh_proto::type_url;
use mesh_tls::{Clients, Credentials, Peers, alpn, server_config};
use mesh_xds::{
    client::{self, Backoff, Event, Settings},
    transport::Tls,
};

use crate::{
    mesh::shop,
    support::{PATIENCE, galley, node, pilot_behind},
};

fn credentials(authority: &Authority, account: &str, dns: &[&str]) -> Credentials {
    let id = format!("spiffe://cluster.local/ns/default/sa/{account}").parse().unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let request = Csr::parse(&csr::request(&key, &id).unwrap()).unwrap();
    let dns_names = dns.iter().map(|name| (*name).to_owned()).collect();
    let grant = Grant { id: id.clone(), dns_names, lifetime: Duration::from_secs(3600) };
    let now = SystemTime::now();
    let issued = authority.issue(&request, &grant, now).unwrap();
    let cert = WorkloadCert::parse(&issued.chain.concat(), &key, &id, authority.roots(), now).unwrap();
    Credentials::fixed(Some(cert), authority.roots().clone())
}

/// What the first stream of a proxy with this account's certificate comes to.
async fn outcome(address: &str, credentials: &Credentials) -> String {
    let dial = client::Tls::with_name(address, "pilot.istio-system.svc", credentials).unwrap();
    let settings = Settings { node: node("productpage-v1", "10.0.0.1"), backoff: Backoff::new(|| 0.0) };
    let (subscriber, mut events) = client::start(dial, settings);
    subscriber.everything(type_url::CLUSTER);
    loop {
        match tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap() {
            Event::Connected => {}
            Event::Lost { reason } => return reason,
            Event::Update(update) => return format!("{} clusters", update.changed.len().min(1)),
        }
    }
}

#[tokio::test]
async fn a_proxy_gets_what_its_certificate_entitles_it_to() {
    let authority = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    let own = credentials(&authority, "pilot", &["pilot.istio-system.svc"]);
    let tls = server_config(&own, Clients::Required(Peers::domain("cluster.local")), &[alpn::H2]).unwrap();
    let galley = galley(shop()).await;
    let running = pilot_behind(galley.served.address, "127.0.0.1:0", Tls::new(tls), false).await;
    running.worlds.clone().wait_for(Option::is_some).await.unwrap();
    let address = running.served.address.to_string();

    assert_eq!(outcome(&address, &credentials(&authority, "productpage", &[])).await, "1 clusters");
    let reason = outcome(&address, &credentials(&authority, "ratings", &[])).await;
    assert!(reason.contains("PermissionDenied") && reason.contains("sa/ratings"), "{reason}");
    let strangers = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    let stranger = credentials(&strangers, "productpage", &[]);
    let forged = Credentials { cert: stranger.cert, roots: own.roots.clone() };
    let reason = outcome(&address, &forged).await;
    assert!(!reason.contains("clusters"), "{reason}");
    running.end().await;
}
