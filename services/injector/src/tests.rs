use std::{collections::BTreeMap, path::PathBuf};

use istio_api::mesh::ProxyConfig;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

mod gateway;
mod wishes;

/// A mesh in which `namespace` opted in.
pub(crate) struct World {
    pub(crate) mesh: MeshConfig,
    pub(crate) settings: Settings,
    pub(crate) labels: Labels,
    pub(crate) proxy_configs: Vec<ProxyConfigObject>,
}

impl Default for World {
    fn default() -> Self {
        let settings = Settings { tag: "test".into(), ..Settings::default() };
        let labels = [("istio-injection", "enabled")].into_iter().collect();
        Self { mesh: MeshConfig::default(), settings, labels, proxy_configs: Vec::new() }
    }
}

impl World {
    pub(crate) fn inject(&self, pod: &Value) -> Result<Outcome, InjectError> {
        inject(&Request {
            pod,
            namespace: "istio-sample",
            namespace_labels: &self.labels,
            mesh: &self.mesh,
            settings: &self.settings,
            proxy_configs: &self.proxy_configs,
            workload: None,
        })
    }

    pub(crate) fn injected(&self, pod: &Value) -> Value {
        match self.inject(pod).unwrap() {
            Outcome::Injected(injected) => {
                let mut patched = pod.clone();
                json_patch::patch(&mut patched, &injected.patch).unwrap();
                assert_eq!(patched, injected.pod, "the patch makes the pod");
                injected.pod
            }
            Outcome::Skipped(skip) => panic!("skipped: {skip}"),
        }
    }
}

/// A pod as upstream's productpage Deployment makes it.
pub(crate) fn productpage() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "productpage-v1-dffc47f64-",
            "labels": { "app": "productpage", "version": "v1", "pod-template-hash": "dffc47f64" },
            "annotations": { "prometheus.io/scrape": "true", "prometheus.io/port": "9080", "prometheus.io/path": "/metrics" },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "productpage-v1-dffc47f64", "uid": "1", "controller": true,
            }],
        },
        "spec": {
            "serviceAccountName": "bookinfo-productpage",
            "containers": [{
                "name": "productpage",
                "image": "docker.io/istio/examples-bookinfo-productpage-v1:1.20.2",
                "ports": [{ "containerPort": 9080, "protocol": "TCP" }],
                "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
            }],
            "volumes": [{ "name": "tmp", "emptyDir": {} }],
        },
    })
}

pub(crate) fn container<'a>(pod: &'a Value, list: &str, name: &str) -> &'a Value {
    pod["spec"][list].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap()
}

pub(crate) fn environment(container: &Value) -> BTreeMap<&str, &str> {
    let variables = container["env"].as_array().unwrap().iter();
    variables.filter_map(|v| Some((v["name"].as_str()?, v["value"].as_str()?))).collect()
}

#[test]
fn productpage_gets_what_istio_gives_it() {
    let golden: Value = serde_json::from_str(include_str!("tests/productpage.json")).unwrap();
    let injected = World::default().injected(&productpage());
    assert_eq!(injected, golden, "\n{injected:#}");
}

#[test]
fn an_injected_pod_stays_as_it_is() {
    let world = World::default();
    let injected = world.injected(&productpage());
    assert_eq!(world.inject(&injected).unwrap(), Outcome::Skipped(Skip::AlreadyInjected));
}

#[test]
fn something_else_is_no_pod() {
    let error = World::default().inject(&json!({ "spec": { "containers": "two" } })).unwrap_err();
    assert!(matches!(error, InjectError::NotAPod(_)), "{error}");
}

#[test]
fn the_proxy_is_a_native_sidecar_where_that_is_wanted() {
    let mut pod = productpage();
    pod["spec"]["initContainers"] = json!([{ "name": "own", "image": "x" }]);
    pod["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] = "true".into();
    let injected = World::default().injected(&pod);
    let names = |list: &str| -> Vec<String> {
        injected["spec"][list].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("initContainers"), ["istio-init", "istio-proxy", "own"]);
    assert_eq!(names("containers"), ["productpage"]);
    let proxy = container(&injected, "initContainers", "istio-proxy");
    assert_eq!(proxy["restartPolicy"], "Always");
    assert_eq!(proxy["lifecycle"]["preStop"]["exec"]["command"][0], "lateen-proxy");
    assert!(
        injected["metadata"]["annotations"]["sidecar.istio.io/status"].as_str().unwrap().contains("\"containers\":[]")
    );
}

#[test]
fn the_application_waits_unless_somebody_says_no() {
    let first = |world: &World| world.injected(&productpage())["spec"]["containers"][0]["name"].clone();
    let mut world = World::default();
    assert_eq!(first(&world), "istio-proxy");
    world.mesh.default_config =
        Some(ProxyConfig { hold_application_until_proxy_starts: Some(false), ..ProxyConfig::default() });
    assert_eq!(first(&world), "productpage");
}

#[test]
fn own_words_for_the_proxy_go_over_ours() {
    let mut pod = productpage();
    let own = json!({
        "name": "istio-proxy", "image": "auto", "env": [{ "name": "CA_ADDR", "value": "here:1" }, { "name": "MORE", "value": "1" }],
        "resources": { "limits": { "cpu": "5" } }, "readinessProbe": { "httpGet": { "path": "/mine", "port": 1 } },
    });
    pod["spec"]["containers"].as_array_mut().unwrap().push(own);
    let injected = World::default().injected(&pod);
    assert_eq!(injected["spec"]["containers"].as_array().unwrap().len(), 2);
    let proxy = container(&injected, "containers", "istio-proxy");
    let env = environment(proxy);
    assert_eq!((env["CA_ADDR"], env["MORE"], env["TRUST_DOMAIN"]), ("here:1", "1", "cluster.local"));
    assert_eq!(env["ISTIO_META_APP_CONTAINERS"], "productpage");
    assert_eq!((&proxy["image"], &proxy["resources"]["limits"]["cpu"]), (&json!("lateen/proxy:test"), &json!("5")));
    assert_eq!(proxy["resources"]["limits"]["memory"], "1Gi");
    assert!(injected["metadata"]["annotations"]["proxy.istio.io/overrides"].as_str().unwrap().contains("\"MORE\""));
    assert_eq!(proxy["readinessProbe"]["httpGet"]["path"], "/mine", "the proxy's own probe is not rewritten");
}

/// Every Deployment of upstream's bookinfo samples, where the samples are (`LATEEN_UPSTREAM`).
#[test]
fn upstreams_deployments_are_injected() {
    let Some(upstream) = std::env::var_os("LATEEN_UPSTREAM").map(PathBuf::from) else {
        eprintln!("not run: LATEEN_UPSTREAM does not name the folder of upstream's samples");
        return;
    };
    let text =
        std::fs::read_to_string(upstream.join("istio-1.25.1/samples/bookinfo/platform/kube/bookinfo.yaml")).unwrap();
    let mut seen = 0;
    for document in text.split("\n---") {
        let Ok(Value::Object(object)) = serde_saphyr::from_str::<Value>(document) else { continue };
        if object["kind"] != "Deployment" {
            continue;
        }
        seen += 1;
        let injected = World::default().injected(&object["spec"]["template"]);
        assert_eq!(injected["spec"]["containers"][0]["name"], "istio-proxy");
        assert_eq!(injected["spec"]["initContainers"][0]["name"], "istio-init");
        let app = &object["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(injected["spec"]["containers"][1], *app, "the application is left as it was");
        assert!(Pod::deserialize(&injected).is_ok());
    }
    assert_eq!(seen, 6);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(true)), any::<i32>().prop_map(Value::from), "[a-z]{0,6}".prop_map(Value::from)];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("x-[a-z]{1,4}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_this_build_does_not_know_survives(extra in any_json(), key in "x-[a-z]{1,6}", more in 0usize..3) {
        let mut pod = productpage();
        let containers = pod["spec"]["containers"].as_array_mut().unwrap();
        for number in 0..more {
            let mut other = containers[0].clone();
            other["name"] = format!("other-{number}").into();
            containers.push(other);
        }
        for list in ["containers", "volumes"] {
            pod["spec"][list][0][&key] = extra.clone();
        }
        for part in ["spec", "metadata"] {
            pod[part][&key] = extra.clone();
        }
        pod[&key] = extra.clone();
        let injected = World::default().injected(&pod);
        let app = container(&injected, "containers", "productpage");
        for part in [&injected, &injected["spec"], &injected["metadata"], app, &injected["spec"]["volumes"][0]] {
            prop_assert_eq!(&part[&key], &extra);
        }
        prop_assert_eq!(injected["spec"]["containers"].as_array().unwrap().len(), 2 + more);
    }
}
