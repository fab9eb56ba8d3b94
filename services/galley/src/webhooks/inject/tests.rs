use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn world(namespaces: &[(&str, &[(&str, &str)])]) -> Arc<Published> {
    let labels = |labels: &[(&str, &str)]| labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let namespaces: BTreeMap<String, BTreeMap<String, String>> =
        namespaces.iter().map(|(name, given)| ((*name).to_owned(), labels(given))).collect();
    Arc::new(Published { is_complete: true, namespaces: Arc::new(namespaces), ..Published::default() })
}

fn injection(namespaces: &[(&str, &[(&str, &str)])]) -> Injection {
    following(watch::channel(world(namespaces)).1)
}

fn following(published: watch::Receiver<Arc<Published>>) -> Injection {
    Injection {
        published,
        settings: Settings::default(),
        root_namespace: "istio-system".to_owned(),
        patience: Duration::from_millis(10),
        metrics: Metrics::default(),
    }
}

fn request(namespace: &str, annotations: Value) -> Request {
    let request = json!({
        "uid": "u", "operation": "CREATE", "namespace": namespace,
        "kind": { "group": "", "version": "v1", "kind": "Pod" },
        "object": {
            "apiVersion": "v1", "kind": "Pod", "metadata": { "generateName": "a-", "annotations": annotations },
            "spec": { "containers": [{ "name": "app", "image": "app" }] },
        },
    });
    serde_json::from_value(request).expect("a request")
}

#[tokio::test]
async fn a_namespace_that_opted_in_gets_proxies_and_another_does_not() {
    let injection = injection(&[("in", &[("istio-injection", "enabled")]), ("out", &[])]);
    let injected = injection.decide("", &request("in", json!({}))).await;
    let Verdict::Patch { patch, .. } = injected else { panic!("{injected:?}") };
    assert!(patch.to_string().contains("istio-proxy"), "{patch}");
    assert_eq!(injection.decide("", &request("out", json!({}))).await, Verdict::allow());
}

#[tokio::test]
async fn a_label_that_is_news_is_waited_for() {
    let (publish, published) = watch::channel(world(&[("in", &[])]));
    let injection = Injection { patience: Duration::from_secs(5), ..following(published) };
    let asked = tokio::spawn(async move { injection.decide("", &request("in", json!({}))).await });
    // The question is there first; what happens elsewhere is no news.
    tokio::task::yield_now().await;
    publish.send_replace(world(&[("in", &[]), ("other", &[])]));
    tokio::task::yield_now().await;
    publish.send_replace(world(&[("in", &[("istio-injection", "enabled")])]));
    let injected = asked.await.expect("an answer");
    assert!(matches!(injected, Verdict::Patch { .. }), "{injected:?}");
}

#[tokio::test]
async fn nonsense_in_an_annotation_stops_the_pod_and_says_why() {
    let injection = injection(&[("in", &[("istio-injection", "enabled")])]);
    let annotations = json!({ "traffic.sidecar.istio.io/excludeInboundPorts": "many" });
    let refused = injection.decide("", &request("in", annotations)).await;
    assert!(
        matches!(refused, Verdict::Deny { ref message, .. } if message.contains("excludeInboundPorts")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_namespace_that_nobody_knows_is_waited_for_and_then_refused() {
    let refused = injection(&[]).decide("", &request("new", json!({}))).await;
    assert!(matches!(refused, Verdict::Deny { ref message, .. } if message.contains("`new`")), "{refused:?}");
}

#[test]
fn the_path_names_cluster_and_network() {
    let settings = at(&Settings::default(), "cluster/east/net/n1");
    assert_eq!((settings.cluster_id.as_str(), settings.network.as_str()), ("east", "n1"));
    assert_eq!(at(&Settings::default(), ""), Settings::default());
}
