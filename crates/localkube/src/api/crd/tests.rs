use std::time::Duration;

use serde_json::{Value, json};

use super::{run, validate};
use crate::{
    api::{Api, Caller, WriteOptions, verbs::DeleteOptions},
    client::Client,
    object::Object,
};

fn definition() -> Value {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer", "default": 3, "minimum": 1},
    }}}});
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}}})
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing", "singular": "thing", "listKind": "ThingList", "shortNames": ["th"]},
            "versions": [version("v1beta1", false), version("v1", true)],
        },
    })
}

fn texts(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut value = definition();
    change(&mut value);
    let causes = validate(&Object::new(value).unwrap(), None);
    causes.into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
}

#[test]
fn definitions_are_checked() {
    assert_eq!(texts(|_| {}), Vec::<String>::new());
    assert_eq!(
        texts(|d| d["metadata"]["name"] = json!("x")),
        ["metadata.name: Invalid value: \"x\": must be spec.names.plural+\".\"+spec.group"]
    );
    let found = texts(|d| d["spec"]["versions"][0]["storage"] = json!(true));
    assert!(found[0].ends_with("must have exactly one version marked as storage version"), "{found:?}");
    assert_eq!(
        texts(|d| d["spec"]["versions"][0]["schema"] = json!({})),
        ["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"]
    );
    assert_eq!(
        texts(|d| d["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = json!({})),
        ["spec.versions[0].schema.openAPIV3Schema.properties[spec].type: Required value: must not be empty for \
          specified object fields"]
    );
    assert_eq!(
        texts(|d| d["spec"]["conversion"] = json!({"strategy": "Webhook"})),
        ["spec.conversion.strategy: Unsupported value: \"Webhook\": supported values: \"None\""]
    );
}

/// Looks until `done`, for at most five seconds.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}");
}

#[tokio::test]
async fn a_definition_is_established_served_and_cleaned_up() {
    let api = Api::default();
    let (caller, options) = (Caller::component("system:admin"), WriteOptions::default());
    let task = tokio::spawn(run(Client::new(api.clone(), "apiextensions")));
    let crds = api.kinds().served().find("apiextensions.k8s.io", "v1", "customresourcedefinitions").unwrap().clone();
    api.create(&caller, &crds, Object::new(definition()).unwrap(), &options).await.unwrap();
    let established = || {
        let crd = api.get(&crds, "", "things.example.com").unwrap();
        let conditions = crd.object.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True")
            && crd.object.at("/status/storedVersions") == Some(&json!(["v1"]))
            && crd.object.finalizers() == [super::FINALIZER]
    };
    until("established", established).await;
    let things = api.kinds().served().preferred(&crate::store::Resource::new("example.com", "things")).unwrap().clone();
    assert_eq!((&*things.version, things.has_status), ("v1", true));
    assert_eq!(things.scale.as_ref().unwrap().spec, "/spec/size");
    let thing =
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "default"}});
    api.create(&caller, &things, Object::new(thing).unwrap(), &options).await.unwrap();
    api.delete(&caller, &crds, "", "things.example.com", &DeleteOptions::default()).await.unwrap();
    until("gone", || api.get(&crds, "", "things.example.com").is_err()).await;
    assert!(api.get(&things, "default", "a").is_err());
    until("unserved", || api.kinds().served().find("example.com", "v1", "things").is_none()).await;
    task.abort();
}
