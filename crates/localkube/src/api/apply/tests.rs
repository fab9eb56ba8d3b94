use super::*;
use crate::kinds::Kinds;

const NOBODY: &str = "tests";

fn api() -> (Api, Arc<Kind>, Caller) {
    let api = Api::default();
    let kind = Kinds::default().served().find("apps", "v1", "deployments").expect("deployments").clone();
    (api, kind, Caller::component(NOBODY))
}

fn deployment(spec: Value) -> Value {
    let mut value = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}},
    });
    json_patch::merge(&mut value["spec"], &spec);
    value
}

fn by(manager: &str) -> WriteOptions {
    WriteOptions { field_manager: manager.to_owned(), ..WriteOptions::default() }
}

async fn apply(
    api: &Api,
    kind: &Kind,
    caller: &Caller,
    config: &Value,
    options: &WriteOptions,
) -> Result<Patched, Status> {
    api.apply(caller, kind, Part::Main, At { namespace: "default", name: "d" }, config, options).await
}

#[tokio::test]
async fn a_conflict_names_manager_and_field_and_force_takes_it() {
    let (api, kind, caller) = api();
    let first = apply(&api, &kind, &caller, &deployment(json!({})), &by("one")).await.expect("applied");
    assert!(first.created);
    let again = apply(&api, &kind, &caller, &deployment(json!({})), &by("one")).await.expect("applied");
    assert_eq!(again.object.object.revision(), first.object.object.revision(), "no change is no write");
    let three = deployment(json!({"replicas": 3}));
    let error = apply(&api, &kind, &caller, &three, &by("two")).await.expect_err("a conflict");
    assert_eq!((error.code, error.reason), (409, "Conflict"));
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas");
    assert_eq!(error.details["causes"][0]["field"], ".spec.replicas");
    assert_eq!(error.details["causes"][0]["reason"], "FieldManagerConflict");
    let forced = WriteOptions { force: true, ..by("two") };
    let taken = apply(&api, &kind, &caller, &three, &forced).await.expect("forced");
    assert_eq!(taken.object.object.int("/spec/replicas"), Some(3));
    assert_eq!(taken.object.object.generation(), 2);
    let error = apply(&api, &kind, &caller, &deployment(json!({})), &by("one")).await.expect_err("lost it");
    assert!(error.message.contains("conflict with \"two\": .spec.replicas"), "{}", error.message);
}

#[tokio::test]
async fn an_update_owns_what_it_changed() {
    let (api, kind, caller) = api();
    let created = apply(&api, &kind, &caller, &deployment(json!({})), &by("one")).await.expect("applied");
    let mut object = created.object.object.clone();
    object.value_mut()["spec"]["replicas"] = json!(5);
    api.update(&caller, &kind, Part::Main, object, &by("hand")).await.expect("updated");
    let error = apply(&api, &kind, &caller, &deployment(json!({})), &by("one")).await.expect_err("a conflict");
    let wanted = "Apply failed with 1 conflict: conflict with \"hand\" using apps/v1: .spec.replicas";
    assert_eq!(error.message, wanted);
}

#[tokio::test]
async fn what_is_stated_no_more_goes_unless_another_owns_it() {
    let (api, kind, caller) = api();
    let env = |names: &[&str]| {
        let env: Vec<Value> = names.iter().map(|name| json!({"name": name, "value": "1"})).collect();
        let container = json!({"name": "c", "image": "i:1", "env": env});
        deployment(json!({"paused": true, "template": {"spec": {"containers": [container]}}}))
    };
    apply(&api, &kind, &caller, &env(&["A", "B", "C"]), &by("one")).await.expect("applied");
    apply(&api, &kind, &caller, &env(&["A", "B"]), &by("two")).await.expect("shared");
    let mut less = env(&["A"]);
    less["spec"].as_object_mut().expect("a spec").remove("paused");
    let after = apply(&api, &kind, &caller, &less, &by("one")).await.expect("applied").object;
    let container = after.object.at("/spec/template/spec/containers/0").expect("a container");
    let names: Vec<_> = container["env"].as_array().expect("env").iter().map(|e| e["name"].as_str()).collect();
    assert_eq!(names, [Some("A"), Some("B")], "B is the other's too, C was ours alone");
    assert_eq!(after.object.at("/spec/paused"), Some(&json!(true)));
    let mut none = env(&["A", "B"]);
    none["spec"].as_object_mut().expect("a spec").remove("paused");
    let after = apply(&api, &kind, &caller, &none, &by("two")).await.expect("applied").object;
    assert_eq!(after.object.at("/spec/paused"), None);
}

#[tokio::test]
async fn managed_fields_of_an_applier_are_as_kubernetes_writes_them() {
    let (api, kind, caller) = api();
    let after = apply(&api, &kind, &caller, &deployment(json!({})), &by("one")).await.expect("applied").object;
    let entry = after.object.at("/metadata/managedFields/0").expect("an entry");
    assert_eq!((entry["operation"].as_str(), entry["fieldsType"].as_str()), (Some("Apply"), Some("FieldsV1")));
    let wanted = json!({"f:spec": {
        "f:replicas": {}, "f:selector": {},
        "f:template": {
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}}}},
        },
    }});
    assert_eq!(entry["fieldsV1"], wanted);
}
