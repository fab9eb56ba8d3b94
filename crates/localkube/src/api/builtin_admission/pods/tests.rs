use super::*;

fn pod(spec: Value) -> Object {
    Object::new(json!({"metadata": {"name": "p", "namespace": "default"}, "spec": spec})).expect("an object")
}

#[tokio::test]
async fn a_pod_is_given_its_account_and_token() {
    let api = Api::default();
    let mut object = pod(json!({"containers": [{"name": "a"}, {"name": "b", "volumeMounts": [
        {"name": "own", "mountPath": TOKEN_PATH}]}], "initContainers": [{"name": "i"}]}));
    complete(&api, &mut object).await.expect("completed");
    assert_eq!(object.text("/spec/serviceAccountName"), "default");
    let volume = object.at("/spec/volumes/0").expect("a volume");
    let name = volume["name"].as_str().expect("a name");
    assert!(name.starts_with("kube-api-access-") && name.len() == 21, "{name}");
    assert_eq!(volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 3607);
    for container in ["/spec/containers/0", "/spec/initContainers/0"] {
        assert_eq!(object.text(&format!("{container}/volumeMounts/0/name")), name);
    }
    assert_eq!(object.text("/spec/containers/1/volumeMounts/0/name"), "own");
    assert_eq!(object.at("/spec/tolerations").and_then(Value::as_array).map(Vec::len), Some(2));
    assert_eq!(object.text("/status/qosClass"), "BestEffort");
}

#[tokio::test]
async fn no_token_where_it_is_not_wanted_and_no_pod_without_its_account() {
    let api = Api::default();
    let mut object = pod(json!({"containers": [{"name": "a"}], "automountServiceAccountToken": false}));
    complete(&api, &mut object).await.expect("completed");
    assert_eq!(object.at("/spec/volumes"), None);
    let mut object = pod(json!({"containers": [{"name": "a"}], "serviceAccountName": "none"}));
    let error = complete(&api, &mut object).await.expect_err("no account");
    let wanted =
        "pods \"p\" is forbidden: error looking up service account default/none: serviceaccount \"none\" not found";
    assert_eq!((error.code, error.message.as_str()), (403, wanted));
}
