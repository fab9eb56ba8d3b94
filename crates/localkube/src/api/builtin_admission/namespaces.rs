//! Namespaces: phase, finalizer, the label with their own name; and those that every cluster has from the start.

use serde_json::{Value, json};

use crate::{
    api::verbs::{now, random_uid},
    object::Object,
    store::{Precondition, Resource, Store},
};

/// The namespaces of a new cluster.
const FIRST: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Completes a namespace.
pub(super) fn complete(namespace: &mut Object, new: bool) {
    let name = namespace.name().to_owned();
    if new {
        namespace.value_mut()["spec"]["finalizers"] = json!(["kubernetes"]);
        namespace.value_mut()["status"]["phase"] = json!("Active");
    }
    let labels = &mut namespace.value_mut()["metadata"]["labels"];
    if !labels.is_object() {
        *labels = json!({});
    }
    labels["kubernetes.io/metadata.name"] = Value::String(name);
}

/// Puts the first namespaces, each with its `default` service account, into an empty store.
pub(in crate::api) fn seed(store: &Store) {
    for name in FIRST {
        let mut namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        put(store, "namespaces", &mut namespace, true);
        let mut account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name},
        });
        put(store, "serviceaccounts", &mut account, false);
    }
}

fn put(store: &Store, plural: &str, value: &mut Value, is_namespace: bool) {
    let Ok(mut object) = Object::new(value.take()) else { return };
    object.set_meta("uid", random_uid());
    object.set_meta("creationTimestamp", now());
    if is_namespace {
        complete(&mut object, true);
    }
    if store.put(&Resource::new("", plural), object, Precondition::Absent).is_err() {
        tracing::debug!(plural, "was there already");
    }
}
