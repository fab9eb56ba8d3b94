use std::time::SystemTime;

use mesh_pki::Authority;
use serde_json::json;

use super::{RootError, obtain, secret};
use crate::fake_api::FakeApi;

const OWN: &str = "/api/v1/namespaces/istio-system/secrets/istio-ca-secret";
const PLUGGED: &str = "/api/v1/namespaces/istio-system/secrets/cacerts";

#[tokio::test]
async fn the_first_makes_a_root_and_all_others_read_it() {
    let api = FakeApi::default();
    let client = api.client();
    let first = obtain(&client, "istio-system", "cluster.local").await.unwrap();
    let second = obtain(&client, "istio-system", "cluster.local").await.unwrap();
    assert_eq!(first.roots(), second.roots());
    assert_eq!(api.objects.lock().unwrap()[OWN]["type"], "istio.io/ca-root");
    assert_eq!(api.writes.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_loses_the_race_takes_the_winners_root() {
    let api = FakeApi::default();
    let winner = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    let object = serde_json::to_value(secret(&winner)).unwrap();
    *api.rival.lock().unwrap() = Some((OWN.to_owned(), object));
    let mine = obtain(&api.client(), "istio-system", "cluster.local").await.unwrap();
    assert_eq!(mine.roots(), winner.roots());
}

#[tokio::test]
async fn a_plugged_in_authority_counts_first() {
    let api = FakeApi::default();
    obtain(&api.client(), "istio-system", "cluster.local").await.unwrap();
    let plugged = Authority::generate("company", SystemTime::now()).unwrap();
    api.objects.lock().unwrap().insert(PLUGGED.to_owned(), serde_json::to_value(secret(&plugged)).unwrap());
    let used = obtain(&api.client(), "istio-system", "cluster.local").await.unwrap();
    assert_eq!(used.roots(), plugged.roots());
}

/// A broken Secret is never replaced: the mesh may run on what it held.
#[tokio::test]
async fn a_broken_secret_is_left_alone() {
    let api = FakeApi::default();
    let broken = json!({ "metadata": { "name": "istio-ca-secret" }, "data": { "ca-cert.pem": "eA==" } });
    api.objects.lock().unwrap().insert(OWN.to_owned(), broken.clone());
    let error = obtain(&api.client(), "istio-system", "cluster.local").await.unwrap_err();
    assert!(matches!(error, RootError::Broken { name: "istio-ca-secret", .. }), "{error}");
    assert_eq!(api.objects.lock().unwrap()[OWN], broken);
    assert!(api.writes.lock().unwrap().is_empty());
}
