use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::kinds::Kinds;

fn patched(original: Value, patch: Value) -> Value {
    let served = Kinds::default().served();
    let kind = served.find("apps", "v1", "deployments").expect("deployments");
    merge(original, &patch, Shape::of(kind)).expect("a good patch")
}

fn containers(list: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": list}}}})
}

#[test]
fn containers_merge_by_name_and_their_lists_by_their_own_keys() {
    let original = containers(json!([
        {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}], "ports": [{"containerPort": 80}]},
        {"name": "b", "image": "b:1", "args": ["1"]},
    ]));
    let patch = containers(json!([
        {"name": "b", "image": "b:2", "args": ["2", "3"]},
        {"name": "a", "env": [{"name": "Y", "value": "2"}], "ports": [{"containerPort": 80, "name": "http"}]},
        {"name": "c", "image": "c:1"},
    ]));
    let wanted = containers(json!([
        {"name": "b", "image": "b:2", "args": ["2", "3"]},
        {"name": "a", "image": "a:1", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}],
         "ports": [{"containerPort": 80, "name": "http"}]},
        {"name": "c", "image": "c:1"},
    ]));
    assert_eq!(patched(original, patch), wanted);
}

#[test]
fn directives_delete_replace_and_retain() {
    let two = || containers(json!([{"name": "a", "image": "a"}, {"name": "b", "image": "b"}]));
    let delete = containers(json!([{"name": "a", "$patch": "delete"}]));
    assert_eq!(patched(two(), delete), containers(json!([{"name": "b", "image": "b"}])));
    let replace = containers(json!([{"$patch": "replace"}, {"name": "c", "image": "c"}]));
    assert_eq!(patched(two(), replace), containers(json!([{"name": "c", "image": "c"}])));
    let strategy = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let retain = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    assert_eq!(patched(strategy.clone(), retain), json!({"spec": {"strategy": {"type": "Recreate"}}}));
    let replace = json!({"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}});
    assert_eq!(patched(strategy.clone(), replace), json!({"spec": {"strategy": {"type": "Recreate"}}}));
    assert_eq!(patched(strategy, json!({"spec": {"strategy": {"$patch": "delete"}}})), json!({"spec": {}}));
}

#[test]
fn finalizers_are_a_set_and_orders_are_kept() {
    let original = json!({"metadata": {"finalizers": ["a", "b"]}});
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c", "b"]}});
    assert_eq!(patched(original, patch), json!({"metadata": {"finalizers": ["c", "b"]}}));
    let original = containers(json!([{"name": "injected"}, {"name": "a"}, {"name": "b"}]));
    let patch = json!({"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "b"}, {"name": "new"}, {"name": "a"}],
        "containers": [{"name": "new", "image": "n"}]}}}});
    let wanted = containers(json!([{"name": "injected"}, {"name": "b"}, {"name": "new", "image": "n"}, {"name": "a"}]));
    assert_eq!(patched(original, patch), wanted);
}

#[test]
fn new_items_stand_before_others_that_follow() {
    let named = |names: &[&str]| containers(names.iter().map(|name| json!({"name": name})).collect());
    assert_eq!(patched(named(&["a", "b"]), named(&["new"])), named(&["new", "a", "b"]));
    assert_eq!(patched(named(&["a", "b", "z"]), named(&["b", "new"])), named(&["a", "b", "new", "z"]));
    let patch = json!({"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "a"}, {"name": "new"}], "containers": [{"name": "new"}]}}}});
    assert_eq!(patched(named(&["a", "injected"]), patch), named(&["a", "new", "injected"]));
}

#[test]
fn an_item_without_its_key_is_refused() {
    let served = Kinds::default().served();
    let kind = served.find("apps", "v1", "deployments").expect("deployments");
    let error = merge(json!({}), &containers(json!([{"image": "x"}])), Shape::of(kind)).expect_err("no key");
    assert!(error.message.contains("does not contain declared merge key: name"), "{}", error.message);
}

/// Objects of the shape of a Deployment, with keyed, set-like and atomic lists.
fn deployment() -> impl Strategy<Value = Value> {
    let container = ("[a-e]", "[x-z]", proptest::collection::btree_map("[A-C]", "[0-9]", 0..3));
    let containers = proptest::collection::vec(container, 0..4).prop_map(|list| {
        let mut named = std::collections::BTreeMap::new();
        for (name, image, env) in list {
            let env: Vec<Value> = env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            named.insert(name.clone(), json!({"name": name, "image": image, "env": env, "args": [image]}));
        }
        Value::Array(named.into_values().collect())
    });
    let labels = proptest::collection::btree_map("[a-c]", "[0-9]", 0..3);
    (containers, labels, 0..5).prop_map(|(containers, labels, replicas)| {
        json!({"metadata": {"labels": labels},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}}})
    })
}

proptest! {
    #[test]
    fn an_empty_patch_changes_nothing(object in deployment()) {
        prop_assert_eq!(patched(object.clone(), json!({})), object);
    }

    #[test]
    fn an_object_patched_with_itself_is_itself(object in deployment()) {
        prop_assert_eq!(patched(object.clone(), object.clone()), object);
    }

    #[test]
    fn a_patch_applied_twice_is_applied_once(object in deployment(), patch in deployment()) {
        let once = patched(object, patch.clone());
        prop_assert_eq!(patched(once.clone(), patch), once);
    }
}
