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

#[test]
fn a_gateway_is_one_container_that_injection_fills() {
    let deployment = find("Deployment", "istio-ingressgateway");
    let template = &deployment["spec"]["template"];
    let container = &template["spec"]["containers"][0];
    assert_eq!((&container["name"], &container["image"]), (&json!("istio-proxy"), &json!("auto")));
    let ports: Vec<&Value> = container["ports"].as_array().unwrap().iter().map(|port| &port["containerPort"]).collect();
    assert_eq!(ports, [15021, 8080, 8443]);
    assert_eq!(template["metadata"]["annotations"]["inject.istio.io/templates"], "gateway");
    assert_eq!(template["spec"]["serviceAccountName"], "istio-ingressgateway-service-account");
    assert_eq!(deployment["spec"]["replicas"], Value::Null, "the autoscaler's to say");
    let labels = &template["metadata"]["labels"];
    for selector in [
        &deployment["spec"]["selector"]["matchLabels"],
        &find("Service", "istio-ingressgateway")["spec"]["selector"],
        &find("PodDisruptionBudget", "istio-ingressgateway")["spec"]["selector"]["matchLabels"],
    ] {
        assert_eq!(*selector, json!({ "app": "istio-ingressgateway", "istio": "ingressgateway" }));
        assert!(selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value));
    }
    assert_eq!(labels["service.istio.io/canonical-name"], "istio-ingressgateway");
    assert_eq!(
        find("HorizontalPodAutoscaler", "istio-ingressgateway")["spec"]["scaleTargetRef"]["name"],
        "istio-ingressgateway"
    );
    let volumes = template["spec"]["volumes"].as_array().unwrap();
    assert!(volumes.iter().all(|volume| volume["secret"]["optional"] == true), "{volumes:?}");
}

#[test]
fn the_pods_of_gateways_are_injected() {
    for revision in ["default", "canary"] {
        let options = Options::parse(None, &[format!("revision={revision}")]).unwrap();
        let made = all(&options).unwrap();
        let pod = &made
            .iter()
            .find(|o| o["kind"] == "Deployment" && o["metadata"]["name"] == "istio-ingressgateway")
            .unwrap()["spec"]["template"];
        let webhooks = made.iter().find(|o| o["kind"] == "MutatingWebhookConfiguration").unwrap()["webhooks"]
            .as_array()
            .unwrap()
            .clone();
        let asks = |webhook: &Value| {
            let holds = |selector: &str, labels: &Value| {
                webhook[selector]["matchExpressions"].as_array().unwrap().iter().all(|condition| {
                    let label = &labels[condition["key"].as_str().unwrap()];
                    let listed = condition["values"].as_array().is_some_and(|values| values.contains(label));
                    match condition["operator"].as_str().unwrap() {
                        "In" => listed,
                        "NotIn" => !listed,
                        _ => label.is_null(),
                    }
                })
            };
            holds("namespaceSelector", &find("Namespace", NAMESPACE)["metadata"]["labels"])
                && holds("objectSelector", &pod["metadata"]["labels"])
        };
        assert_eq!(webhooks.iter().filter(|webhook| asks(webhook)).count(), 1, "{revision}");
        let injected = injector::inject(&injector::Request {
            pod,
            namespace: NAMESPACE,
            namespace_labels: &mesh_types::Labels::default(),
            mesh: &istio_api::MeshConfig::default(),
            settings: &options.injection,
            proxy_configs: &[],
            workload: None,
        });
        let injector::Outcome::Injected(injected) = injected.unwrap() else { panic!("{revision}: skipped") };
        assert_eq!(injected.pod["spec"]["containers"][0]["args"][1], "router");
    }
}

#[test]
fn gateways_are_found_again_by_their_labels() {
    let made = gateways(&Options::parse(None, &["profile=demo".to_owned()]).unwrap()).unwrap();
    assert_eq!(
        of_gateways(),
        "app.kubernetes.io/managed-by=lateenctl, operator.istio.io/component in (IngressGateways, EgressGateways)"
    );
    for object in &made {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/managed-by"], "lateenctl");
        assert!(
            ["IngressGateways", "EgressGateways"].contains(&labels["operator.istio.io/component"].as_str().unwrap())
        );
        let kind = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        assert!(GATEWAY_KINDS.contains(&kind), "{kind:?}");
    }
    assert!(made.iter().all(|object| object["kind"] != "Namespace"));
}
