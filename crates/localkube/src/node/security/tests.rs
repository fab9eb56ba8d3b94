use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::{Rights, rights};
use crate::node::images::Catalogue;

fn decide(image: &str, for_pod: Value, own: Value) -> Result<Rights, String> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u"},
        "spec": {"securityContext": for_pod, "containers": [{"name": "c", "securityContext": own}]},
    }))
    .unwrap();
    let program = Catalogue::load(None, Path::new("/")).unwrap().resolve(image).unwrap();
    rights(&pod, &pod.spec.as_ref().unwrap().containers[0], &program)
}

#[test]
fn the_container_overrides_the_pod_and_the_pod_the_image() {
    let image = decide("curlimages/curl", json!({}), json!({})).unwrap();
    assert_eq!((image.uid, image.gid), (100, 101));
    let pod = json!({"runAsUser": 7, "runAsGroup": 8, "fsGroup": 1337, "supplementalGroups": [5]});
    let own = decide("busybox", pod, json!({"runAsUser": 9})).unwrap();
    assert_eq!((own.uid, own.gid, own.groups), (9, 8, vec![5, 1337]));
}

#[test]
fn non_root_is_enforced_in_the_kubelets_words() {
    let strict = json!({"runAsNonRoot": true});
    assert_eq!(
        decide("busybox", strict.clone(), json!({})).unwrap_err(),
        "container has runAsNonRoot and image will run as root (pod: \"p_n(u)\", container: c)"
    );
    assert_eq!(
        decide("busybox", strict.clone(), json!({"runAsUser": 0})).unwrap_err(),
        "container's runAsUser breaks non-root policy (pod: \"p_n(u)\", container: c)"
    );
    assert!(decide("busybox", strict.clone(), json!({"runAsNonRoot": false})).is_ok());
    assert!(decide("curlimages/curl", strict, json!({})).is_ok());
}

#[test]
fn capabilities() {
    let kept = |own: Value| decide("busybox", json!({}), own).unwrap().capabilities;
    assert_eq!(kept(json!({})).len(), 14);
    assert_eq!(
        kept(json!({"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "CAP_NET_RAW"]}})),
        ["NET_ADMIN", "NET_RAW"]
    );
    assert!(!kept(json!({"capabilities": {"drop": ["NET_RAW"]}})).contains(&"NET_RAW".to_owned()));
    assert_eq!(kept(json!({"privileged": true})).len(), 41);
    assert_eq!(kept(json!({"capabilities": {"add": ["ALL"], "drop": ["KILL"]}})).len(), 40);
}
