use serde_json::{Value, json};

use super::*;
use crate::kinds::Kinds;

struct Stage {
    api: Api,
    caller: Caller,
}

impl Stage {
    fn new() -> Self {
        Self { api: Api::default(), caller: Caller::component("tests") }
    }

    fn kind(&self, plural: &str) -> Arc<Kind> {
        let served = Kinds::default().served();
        served.iter().find(|kind| kind.plural == plural).expect("a kind").clone()
    }

    async fn create(&self, plural: &str, mut object: Value) -> Result<Arc<Stored>, Status> {
        let kind = self.kind(plural);
        if kind.is_namespaced() && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!("default");
        }
        self.api.create(&self.caller, &kind, Object::new(object)?, &WriteOptions::default()).await
    }

    async fn update(&self, plural: &str, part: Part, object: Object) -> Result<Arc<Stored>, Status> {
        self.api.update(&self.caller, &self.kind(plural), part, object, &WriteOptions::default()).await
    }

    async fn delete(&self, plural: &str, name: &str, options: DeleteOptions) -> Result<Deleted, Status> {
        let kind = self.kind(plural);
        let namespace = if kind.is_namespaced() { "default" } else { "" };
        self.api.delete(&self.caller, &kind, namespace, name, &options).await
    }
}

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"a": "b"}})
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

#[tokio::test]
async fn the_server_keeps_identity_and_skips_writes_without_a_change() {
    let stage = Stage::new();
    let mut wish = map("a");
    wish["metadata"]["uid"] = json!("mine");
    let created = stage.create("configmaps", wish).await.expect("created");
    assert_ne!(created.object.uid(), "mine");
    let same = stage.update("configmaps", Part::Main, created.object.clone()).await.expect("updated");
    assert_eq!(same.object.revision(), created.object.revision());
    let mut changed = created.object.clone();
    changed.set_meta("creationTimestamp", "2001-01-01T00:00:00Z");
    changed.set_meta("resourceVersion", Value::Null);
    changed.set("data", json!({"a": "c"}));
    let updated = stage.update("configmaps", Part::Main, changed.clone()).await.expect("updated");
    assert!(updated.object.revision() > created.object.revision());
    assert_eq!(updated.object.text("/metadata/creationTimestamp"), created.object.text("/metadata/creationTimestamp"));
    changed.set_meta("resourceVersion", created.object.revision().to_string());
    let error = stage.update("configmaps", Part::Main, changed).await.expect_err("stale");
    assert_eq!(
        error.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
}

#[tokio::test]
async fn status_and_the_rest_are_written_apart_and_only_the_rest_counts_generations() {
    let stage = Stage::new();
    let created = stage.create("pods", pod("p")).await.expect("created");
    assert_eq!((created.object.text("/status/phase"), created.object.generation()), ("Pending", 1));
    let mut both = created.object.clone();
    both.value_mut()["status"]["phase"] = json!("Running");
    both.value_mut()["spec"]["containers"][0]["image"] = json!("j");
    let status = stage.update("pods", Part::Status, both.clone()).await.expect("updated").object.clone();
    assert_eq!((status.text("/status/phase"), status.generation()), ("Running", 1));
    assert_eq!(status.text("/spec/containers/0/image"), "i");
    both.set_meta("resourceVersion", Value::Null);
    both.value_mut()["status"]["phase"] = json!("Failed");
    let main = stage.update("pods", Part::Main, both).await.expect("updated").object.clone();
    assert_eq!((main.text("/status/phase"), main.generation()), ("Running", 2));
    assert_eq!(main.text("/spec/containers/0/image"), "j");
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let stage = Stage::new();
    let mut held = map("a");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    stage.create("configmaps", held).await.expect("created");
    let marked = stage.delete("configmaps", "a", DeleteOptions::default()).await.expect("marked");
    assert!(!marked.gone && marked.object.object.is_deleting());
    let mut more = marked.object.object.clone();
    more.set_meta("finalizers", json!(["example.com/hold", "example.com/more"]));
    let error = stage.update("configmaps", Part::Main, more).await.expect_err("too late");
    assert!(error.message.contains("no new finalizers can be added if the object is being deleted"), "{error}");
    let mut free = marked.object.object.clone();
    free.set_meta("finalizers", Value::Null);
    stage.update("configmaps", Part::Main, free).await.expect("released");
    let error = stage.api.get(&stage.kind("configmaps"), "default", "a").expect_err("gone");
    assert_eq!(error.message, "configmaps \"a\" not found");
}

#[tokio::test]
async fn propagation_is_told_by_finalizers() {
    let stage = Stage::new();
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let name = policy.to_lowercase();
        stage.create("configmaps", map(&name)).await.expect("created");
        let options = DeleteOptions { propagation: Some(policy.to_owned()), ..DeleteOptions::default() };
        let marked = stage.delete("configmaps", &name, options).await.expect("marked");
        assert_eq!(marked.object.object.finalizers(), [finalizer]);
        let options = DeleteOptions { propagation: Some("Background".to_owned()), ..DeleteOptions::default() };
        assert!(stage.delete("configmaps", &name, options).await.expect("deleted").gone);
    }
    let options = DeleteOptions { uid: Some("other".to_owned()), ..DeleteOptions::default() };
    stage.create("configmaps", map("kept")).await.expect("created");
    let error = stage.delete("configmaps", "kept", options).await.expect_err("another");
    assert!(error.is_conflict() && error.message.contains("does not match the UID in record"), "{error}");
}

#[tokio::test]
async fn a_pod_on_a_node_waits_for_its_kubelet() {
    let stage = Stage::new();
    let pods = stage.kind("pods");
    stage.create("pods", pod("free")).await.expect("created");
    assert!(stage.delete("pods", "free", DeleteOptions::default()).await.expect("deleted").gone);
    stage.create("pods", pod("bound")).await.expect("created");
    let at = At { namespace: "default", name: "bound" };
    let binding = json!({"target": {"name": "node-1"}});
    let bound = stage.api.bind(&pods, at, &binding).await.expect("bound");
    assert_eq!(bound.object.text("/spec/nodeName"), "node-1");
    let error = stage.api.bind(&pods, at, &binding).await.expect_err("has a node");
    assert!(error.message.contains("pod bound is already assigned to node \"node-1\""), "{error}");
    let marked = stage.delete("pods", "bound", DeleteOptions::default()).await.expect("marked");
    assert!(!marked.gone);
    assert_eq!(marked.object.object.int("/metadata/deletionGracePeriodSeconds"), Some(30));
    let longer = DeleteOptions { grace_period: Some(60), ..DeleteOptions::default() };
    let longer = stage.delete("pods", "bound", longer).await.expect("nothing");
    assert_eq!(longer.object.object.revision(), marked.object.object.revision(), "grace never grows");
    let now = DeleteOptions { grace_period: Some(0), ..DeleteOptions::default() };
    assert!(stage.delete("pods", "bound", now).await.expect("deleted").gone);
}

#[tokio::test]
async fn a_namespace_ends_when_it_is_finalized() {
    let stage = Stage::new();
    let error = stage.create("configmaps", json!({"metadata": {"name": "a", "namespace": "n"}})).await.expect_err("no");
    assert_eq!((error.code, error.message.as_str()), (404, "namespaces \"n\" not found"));
    let created = stage.create("namespaces", json!({"metadata": {"name": "n"}})).await.expect("created");
    assert_eq!(created.object.label("kubernetes.io/metadata.name"), Some("n"));
    let marked = stage.delete("namespaces", "n", DeleteOptions::default()).await.expect("marked");
    assert!(!marked.gone);
    assert_eq!(marked.object.object.text("/status/phase"), "Terminating");
    let error = stage.create("configmaps", json!({"metadata": {"name": "a", "namespace": "n"}})).await.expect_err("no");
    assert_eq!(
        error.message,
        "configmaps \"a\" is forbidden: unable to create new content in namespace n because it is being terminated"
    );
    let mut final_one = marked.object.object.clone();
    final_one.value_mut()["spec"]["finalizers"] = json!([]);
    let kept = stage.update("namespaces", Part::Main, final_one.clone()).await.expect("kept");
    assert_eq!(kept.object.at("/spec/finalizers"), Some(&json!(["kubernetes"])));
    final_one.set_meta("resourceVersion", Value::Null);
    stage.update("namespaces", Part::Finalize, final_one).await.expect("finalized");
    assert!(stage.api.get(&stage.kind("namespaces"), "", "n").is_err());
    let error = stage.delete("namespaces", "kube-system", DeleteOptions::default()).await.expect_err("immortal");
    assert_eq!(error.code, 403);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let stage = Stage::new();
    let dry = WriteOptions { dry_run: true, ..WriteOptions::default() };
    let kind = stage.kind("configmaps");
    let mut object = map("a");
    object["metadata"]["namespace"] = json!("default");
    let object = Object::new(object).expect("object");
    stage.api.create(&stage.caller, &kind, object.clone(), &dry).await.expect("as if");
    assert!(stage.api.get(&kind, "default", "a").is_err());
}

#[tokio::test]
async fn ten_thousand_pods_are_listed_and_a_thousand_watchers_told_in_time() {
    let stage = Stage::new();
    let (kind, store) = (stage.kind("pods"), stage.api.store());
    for n in 0..10_000 {
        let mut object = Object::new(pod(&format!("p{n}"))).expect("object");
        object.set_meta("namespace", "default");
        store.put(&kind.resource(), object, Precondition::Absent).expect("created");
    }
    let started = std::time::Instant::now();
    let listing = stage.api.list(&kind, &crate::api::list::ListOptions::default()).expect("a list");
    let bytes: usize = listing.items.iter().map(|stored| stored.json().len()).sum();
    assert!(listing.items.len() == 10_000 && bytes > 1_000_000);
    assert!(started.elapsed().as_millis() < 1000, "listing took {:?}", started.elapsed());
    let mut watchers = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let mut watch = store.watch(&kind.resource(), store.revision()).expect("a watch");
        watchers.spawn(async move { watch.next().await.map(|event| event.object.json().len()) });
    }
    tokio::task::yield_now().await;
    let started = std::time::Instant::now();
    stage.create("pods", pod("new")).await.expect("created");
    while let Some(told) = watchers.join_next().await {
        told.expect("told").expect("in time");
    }
    assert!(started.elapsed().as_millis() < 1000, "watchers were told after {:?}", started.elapsed());
}
