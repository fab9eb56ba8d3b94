//! Garbage collection, namespaces, nodes that are lost.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, ServiceAccount};

use super::*;
use crate::store::Precondition;

fn config(name: &str, owners: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": owners}})
}

fn owner(object: &Object) -> Value {
    json!({
        "apiVersion": object.api_version(), "kind": object.kind(), "name": object.name(), "uid": object.uid(),
        "blockOwnerDeletion": true,
    })
}

async fn delete_with(cluster: &Cluster, name: &str, propagation: &str) {
    let options = DeleteOptions { propagation: Some(propagation.to_owned()), ..DeleteOptions::default() };
    cluster.client.delete::<ConfigMap>("default", name, &options).await.expect("deleted");
}

/// Makes an object older than any patience that a test has.
fn age<T: Typed>(cluster: &Cluster, namespace: &str, name: &str) {
    let resource = cluster.client.kind::<T>().expect("a kind").resource();
    let store = cluster.client.api().store();
    loop {
        let stored = store.get(&resource, namespace, name).expect("there");
        let mut old = stored.object.clone();
        old.set_meta("creationTimestamp", "2026-01-01T00:00:00Z");
        if store.put(&resource, old, Precondition::Revision(stored.object.revision())).is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn dependents_go_with_their_last_owner() {
    let cluster = Cluster::start().await;
    let a = cluster.create(config("a", &json!([]))).await;
    let b = cluster.create(config("b", &json!([]))).await;
    cluster.create(config("of-a", &json!([owner(&a)]))).await;
    cluster.create(config("of-both", &json!([owner(&a), owner(&b)]))).await;
    cluster.delete::<ConfigMap>("a").await;
    let took = cluster.until("one is gone", |c| c.get::<ConfigMap>("of-a").is_none()).await;
    assert!(took < Duration::from_millis(200), "took {took:?}");
    let left =
        |c: &Cluster| c.get::<ConfigMap>("of-both").and_then(|map| map.metadata.owner_references).unwrap_or_default();
    cluster.until("the reference is dropped", |c| left(c).len() == 1).await;
    assert_eq!(left(&cluster)[0].name, "b");
    cluster.delete::<ConfigMap>("b").await;
    cluster.until("the other is gone", |c| c.get::<ConfigMap>("of-both").is_none()).await;
}

#[tokio::test]
async fn an_object_whose_owner_never_was_is_deleted() {
    let cluster = Cluster::start().await;
    let a = cluster.create(config("a", &json!([]))).await;
    let mut impostor = owner(&a);
    impostor["uid"] = "00000000-0000-4000-8000-000000000000".into();
    cluster.create(config("stray", &json!([impostor]))).await;
    cluster.until("it is gone", |c| c.get::<ConfigMap>("stray").is_none()).await;
    assert!(cluster.get::<ConfigMap>("a").is_some());
}

#[tokio::test]
async fn foreground_waits_for_dependents_and_orphan_spares_them() {
    let cluster = Cluster::start().await;
    let a = cluster.create(config("a", &json!([]))).await;
    let mut held = config("held", &json!([owner(&a)]));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.create(held).await;
    delete_with(&cluster, "a", "Foreground").await;
    let going = |c: &Cluster| c.get::<ConfigMap>("held").is_some_and(|map| map.metadata.deletion_timestamp.is_some());
    cluster.until("the dependent is told to go", going).await;
    assert!(cluster.get::<ConfigMap>("a").is_some(), "the owner waits");
    cluster.patch("v1", "ConfigMap", "held", json!({"metadata": {"finalizers": null}})).await;
    let both = |c: &Cluster| c.get::<ConfigMap>("a").is_none() && c.get::<ConfigMap>("held").is_none();
    cluster.until("both are gone", both).await;

    let b = cluster.create(config("b", &json!([]))).await;
    cluster.create(config("spared", &json!([owner(&b)]))).await;
    delete_with(&cluster, "b", "Orphan").await;
    cluster.until("the owner is gone", |c| c.get::<ConfigMap>("b").is_none()).await;
    let spared = cluster.get::<ConfigMap>("spared").expect("it is spared");
    assert!(spared.metadata.owner_references.unwrap_or_default().is_empty());
}

#[tokio::test]
async fn a_namespace_is_furnished_and_cleared() {
    let cluster = Cluster::start().await;
    cluster.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
    let account = |c: &Cluster| c.client.get::<ServiceAccount>("shop", "default").expect("decoded");
    let roots = |c: &Cluster| c.client.get::<ConfigMap>("shop", "kube-root-ca.crt").expect("decoded");
    cluster.until("it is furnished", |c| account(c).is_some() && roots(c).is_some()).await;
    assert_eq!(roots(&cluster).and_then(|map| map.data).expect("data")["ca.crt"], "a certificate");
    let mut web = deployment("web", 3, "web:1");
    web["metadata"]["namespace"] = "shop".into();
    cluster.create(web).await;
    let pods = |c: &Cluster| c.client.list::<Pod>(Some("shop")).expect("decoded");
    let runs = |pod: &Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    cluster.until("three pods run", |c| pods(c).iter().filter(|pod| runs(pod)).count() == 3).await;
    let mut held = config("held", &json!([]));
    held["metadata"]["namespace"] = "shop".into();
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.create(held).await;
    cluster.delete::<Namespace>("shop").await;
    let remaining = |c: &Cluster| {
        let conditions = c.get::<Namespace>("shop")?.status?.conditions?;
        conditions.into_iter().find(|condition| condition.type_ == "NamespaceFinalizersRemaining")?.message
    };
    let message = "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances";
    cluster.until("it tells what holds it", |c| remaining(c).as_deref() == Some(message)).await;
    let unhold = |map: &mut ConfigMap| {
        map.metadata.finalizers = None;
        true
    };
    cluster.client.modify("shop", "held", Part::Main, unhold).await.expect("written");
    cluster.until("it is gone", |c| c.get::<Namespace>("shop").is_none()).await;
    assert!(pods(&cluster).is_empty() && account(&cluster).is_none() && roots(&cluster).is_none());
}

#[tokio::test]
async fn what_is_furnished_comes_back() {
    let cluster = Cluster::start().await;
    cluster.until("it is there", |c| c.get::<ConfigMap>("kube-root-ca.crt").is_some()).await;
    cluster.delete::<ConfigMap>("kube-root-ca.crt").await;
    cluster.until("it is back", |c| c.get::<ConfigMap>("kube-root-ca.crt").is_some()).await;
}

#[tokio::test]
async fn a_silent_node_is_lost_and_comes_back() {
    let cluster = Cluster::start().await;
    age::<Node>(&cluster, "", "node-1");
    let state = |c: &Cluster| {
        let conditions = c.get::<Node>("node-1")?.status?.conditions?;
        conditions.into_iter().find(|condition| condition.type_ == "Ready").map(|ready| ready.status)
    };
    let taints = |c: &Cluster| c.get::<Node>("node-1").and_then(|node| node.spec?.taints).unwrap_or_default();
    cluster.until("the node is lost", |c| state(c).as_deref() == Some("Unknown") && taints(c).len() == 2).await;
    assert_eq!(taints(&cluster)[0].key, "node.kubernetes.io/unreachable");
    let renewed = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "node-1", "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": "node-1", "leaseDurationSeconds": 40, "renewTime": renewed},
    });
    cluster.create(lease).await;
    let ready = json!([{"type": "Ready", "status": "True"}]);
    cluster.status("v1", "Node", "", "node-1", json!({"conditions": ready})).await;
    cluster.until("the taints are gone", |c| taints(c).is_empty()).await;
}

#[tokio::test]
async fn pods_of_a_node_that_is_gone_go() {
    let cluster = Cluster::start().await;
    let spec = json!({"nodeName": "node-9", "containers": [{"name": "main", "image": "web:1"}]});
    let meta = json!({"name": "lost", "annotations": {"pretend": "left alone"}});
    cluster.create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(cluster.get::<Pod>("lost").is_some(), "the node may yet appear");
    age::<Pod>(&cluster, "default", "lost");
    cluster.until("it is gone", |c| c.get::<Pod>("lost").is_none()).await;
}
