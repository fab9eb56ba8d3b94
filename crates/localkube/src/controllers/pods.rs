//! What controllers ask of pods, read straight from the JSON: thousands of them are looked at, few are decoded.

use std::sync::Arc;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference, Time},
    jiff::Timestamp,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::engine::key_of;
use crate::{
    api::Part,
    client::{Client, Key, Typed},
    object::Object,
    status::Status,
    store::{Resource, Store, Stored},
};

/// The owner reference with `controller: true`.
pub(super) fn controller(object: &Object) -> Option<&Value> {
    object.owners().iter().find(|owner| owner["controller"] == true)
}

/// `status.phase`, or "".
pub(super) fn phase(pod: &Object) -> &str {
    pod.text("/status/phase")
}

/// True when every container has ended for good.
pub(super) fn is_terminal(pod: &Object) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// True for a pod that counts as a replica: neither ended nor being deleted.
pub(super) fn is_active(pod: &Object) -> bool {
    !is_terminal(pod) && !pod.is_deleting()
}

/// A status condition of any object.
pub(super) fn condition<'a>(object: &'a Object, kind: &str) -> Option<&'a Value> {
    object.at("/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Condition Ready is True.
pub(super) fn is_ready(pod: &Object) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// When the pod became ready; None when it is not.
pub(super) fn ready_since(pod: &Object) -> Option<Timestamp> {
    let ready = condition(pod, "Ready").filter(|ready| ready["status"] == "True")?;
    ready["lastTransitionTime"].as_str()?.parse().ok()
}

/// Ready for at least `min_ready` seconds.
pub(super) fn is_available(pod: &Object, min_ready: i64, now: Timestamp) -> bool {
    is_ready(pod)
        && (min_ready <= 0 || ready_since(pod).is_some_and(|since| since.as_second() + min_ready <= now.as_second()))
}

/// A time at a JSON pointer.
pub(super) fn time_at(object: &Object, pointer: &str) -> Option<Timestamp> {
    object.at(pointer)?.as_str()?.parse().ok()
}

/// Now, as the API writes it: whole seconds.
pub(super) fn now() -> Time {
    let now = Timestamp::now();
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// True when the selector selects an object. An empty selector selects everything, as in Kubernetes.
pub(super) fn selects(selector: &LabelSelector, object: &Object) -> bool {
    let none = Map::new();
    let labels = object.at("/metadata/labels").and_then(Value::as_object).unwrap_or(&none);
    let value = |key: &str| labels.get(key).and_then(Value::as_str);
    let equal = selector.match_labels.iter().flatten().all(|(key, want)| value(key) == Some(want.as_str()));
    equal
        && selector.match_expressions.iter().flatten().all(|requirement| {
            let found = value(&requirement.key);
            let listed = || found.is_some_and(|found| requirement.values.iter().flatten().any(|want| want == found));
            match requirement.operator.as_str() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

/// The objects of a resource beside `object` whose `spec.selector` selects it: those that would adopt it.
pub(super) fn selecting(store: &Store, resource: &Resource, object: &Object) -> Vec<Key> {
    let (found, _) = store.list(resource, Some(object.namespace()));
    let is_selecting = |stored: &&Arc<Stored>| {
        let selector =
            stored.object.at("/spec/selector").and_then(|selector| LabelSelector::deserialize(selector).ok());
        selector.is_some_and(|selector| selects(&selector, object))
    };
    found.iter().filter(is_selecting).map(|stored| key_of(&stored.object)).collect()
}

/// A reference to `owner` as the one that controls.
pub(super) fn controlled_by<T: Typed>(owner: &T) -> OwnerReference {
    OwnerReference {
        api_version: T::API_VERSION.to_owned(),
        kind: T::KIND.to_owned(),
        name: owner.metadata().name.clone().unwrap_or_default(),
        uid: owner.metadata().uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The objects of type `C` that `owner` controls; first lets go those that the selector no longer selects, and takes in
/// free ones that it does.
pub(super) async fn claim<O: Typed, C: Typed>(
    client: &Client,
    owner: &O,
    selector: &LabelSelector,
) -> Result<Vec<Arc<Stored>>, Status> {
    let reference = controlled_by(owner);
    let namespace = owner.metadata().namespace.as_deref().unwrap_or_default();
    let resource = client.kind::<C>()?.resource();
    let store = client.api().store();
    let mut claimed = Vec::new();
    for stored in store.owned(&resource, &reference.uid) {
        let object = &stored.object;
        if object.namespace() != namespace || controller(object).is_none_or(|c| c["uid"] != reference.uid.as_str()) {
            continue;
        }
        if selects(selector, object) {
            claimed.push(stored);
        } else if owner.metadata().deletion_timestamp.is_none() {
            set_owner::<C>(client, object, &reference, false).await?;
        }
    }
    if owner.metadata().deletion_timestamp.is_some() {
        return Ok(claimed);
    }
    for stored in store.owned(&resource, "") {
        let object = &stored.object;
        if object.namespace() == namespace && selects(selector, object) && is_active(object) {
            set_owner::<C>(client, object, &reference, true).await?;
            claimed.extend(store.get(&resource, namespace, object.name()));
        }
    }
    Ok(claimed)
}

async fn set_owner<C: Typed>(client: &Client, of: &Object, owner: &OwnerReference, on: bool) -> Result<(), Status> {
    let (key, uid) = (key_of(of), of.uid());
    let change = |object: &mut C| {
        let meta = object.metadata_mut();
        if meta.uid.as_deref() != Some(uid) {
            return false;
        }
        let owners = meta.owner_references.get_or_insert_default();
        owners.retain(|other| other.uid != owner.uid);
        if on {
            owners.push(owner.clone());
        }
        true
    };
    client.modify::<C>(&key.namespace, &key.name, Part::Main, change).await.map(|_| ())
}

/// The template's pod for an owner: labels, annotations and finalizers of the template, a name to be generated.
pub(super) fn from_template<O: Typed>(owner: &O, template: &Value, prefix: &str) -> Value {
    let meta = &template["metadata"];
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": prefix,
            "namespace": owner.metadata().namespace,
            "ownerReferences": [controlled_by(owner)],
        },
        "spec": template["spec"],
    });
    for member in ["labels", "annotations", "finalizers"] {
        if meta[member].as_object().is_some_and(|m| !m.is_empty()) || meta[member].is_array() {
            pod["metadata"][member] = meta[member].clone();
        }
    }
    pod
}

/// A count as status fields carry it: zero is left out.
pub(super) fn count(count: usize) -> Option<i32> {
    i32::try_from(count).ok().filter(|&count| count != 0)
}
