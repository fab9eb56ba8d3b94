use std::collections::BTreeSet;

use super::*;

fn objects() -> Vec<Value> {
    all(&Options::parse(None, &[]).unwrap()).unwrap()
}

fn find(kind: &str, name: &str) -> Value {
    objects().into_iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name).unwrap()
}

#[test]
fn every_object_has_a_name_of_its_own() {
    let names: BTreeSet<String> = objects().iter().map(|o| format!("{} {}", o["kind"], o["metadata"])).collect();
    assert_eq!(names.len(), objects().len());
    assert!(objects().iter().all(|o| o["apiVersion"].is_string() && o["metadata"]["name"].is_string()));
}

#[test]
fn containers_are_not_root_and_cannot_write() {
    for part in Part::ALL {
        let container = &find("Deployment", part.name())["spec"]["template"]["spec"]["containers"][0];
        let security = &container["securityContext"];
        assert_eq!((&security["runAsNonRoot"], &security["readOnlyRootFilesystem"]), (&json!(true), &json!(true)));
        assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
        assert!(container["readinessProbe"]["httpGet"]["port"].is_number());
    }
}

#[test]
fn each_port_of_istiod_leads_to_one_program() {
    let service = find("Service", "istiod");
    for (port, wanted) in
        [("grpc-xds", "pilot"), ("https-dns", "pilot"), ("https-webhook", "galley"), ("http-monitoring", "pilot")]
    {
        let ports = service["spec"]["ports"].as_array().unwrap();
        assert!(ports.iter().any(|p| p["targetPort"] == port), "{port}");
        let behind: Vec<&str> = Part::ALL
            .iter()
            .map(|part| part.name())
            .filter(|name| {
                let template = &find("Deployment", name)["spec"]["template"];
                let named = template["spec"]["containers"][0]["ports"].as_array().unwrap();
                template["metadata"]["labels"]["istio"] == "pilot" && named.iter().any(|p| p["name"] == port)
            })
            .collect();
        assert_eq!(behind, [wanted], "{port}");
    }
}

#[test]
fn what_injectors_settings_say_can_be_read_back() {
    let map = find("ConfigMap", "istio-sidecar-injector");
    let text = map["data"][INJECTION_KEY].as_str().unwrap();
    let read: injector::Settings = serde_saphyr::from_str(text).unwrap();
    assert_eq!(read, injector::Settings::default());
    let mesh = find("ConfigMap", "istio")["data"]["mesh"].as_str().unwrap().to_owned();
    let mesh: istio_api::MeshConfig = serde_saphyr::from_str(&mesh).unwrap();
    assert_eq!(mesh.root_namespace, NAMESPACE);
}

#[test]
fn pods_that_did_not_opt_in_never_reach_the_webhook() {
    let webhooks = find("MutatingWebhookConfiguration", "istio-sidecar-injector")["webhooks"].clone();
    for webhook in webhooks.as_array().unwrap() {
        let opts_in = |selector: &str| {
            let conditions = webhook[selector]["matchExpressions"].as_array().unwrap();
            conditions.iter().any(|c| c["operator"] == "In")
        };
        assert!(opts_in("namespaceSelector") || opts_in("objectSelector"), "{webhook}");
        assert_eq!(webhook["failurePolicy"], "Fail");
    }
    let canary = Options::parse(None, &["revision=canary".to_owned()]).unwrap();
    let others = all(&canary).unwrap();
    let injector = others.iter().find(|o| o["kind"] == "MutatingWebhookConfiguration").unwrap();
    assert_eq!(injector["webhooks"].as_array().unwrap().len(), 2, "only pods that name the revision");
}
