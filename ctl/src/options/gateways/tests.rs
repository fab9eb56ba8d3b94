use super::*;
use crate::options::Options;

fn parse(file: Value, sets: &[&str]) -> Result<Options, BadOptions> {
    let file = json!({ "apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "spec": file });
    Options::parse(Some(&file), &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
}

fn gateways(file: Value, sets: &[&str]) -> Vec<Gateway> {
    let options = parse(file, sets).unwrap();
    assert!(options.notes.is_empty(), "{:?}", options.notes);
    options.gateways
}

fn one(file: Value, sets: &[&str]) -> Gateway {
    let mut all = gateways(file, sets);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Number, and the pod's port behind it.
fn ports(gateway: &Gateway) -> Vec<(i32, i32)> {
    let of = |port: &k8s_openapi::api::core::v1::ServicePort| match &port.target_port {
        Some(k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(target)) => (port.port, *target),
        other => panic!("{other:?}"),
    };
    gateway.k8s.service.ports.iter().flatten().map(of).collect()
}

#[test]
fn profiles_have_the_gateways_of_istios() {
    let names = |profile: &str| -> Vec<String> {
        gateways(json!({ "profile": profile }), &[]).into_iter().map(|gateway| gateway.name).collect()
    };
    assert_eq!(names("default"), ["istio-ingressgateway"]);
    assert_eq!(names("demo"), ["istio-ingressgateway", "istio-egressgateway"]);
    assert_eq!(names("minimal"), [""; 0]);
}

#[test]
fn a_gateway_of_which_nobody_says_anything_is_istios() {
    let [ingress, egress] = gateways(json!({ "profile": "demo" }), &[]).try_into().unwrap();
    assert_eq!(
        (ingress.k8s.service.type_.as_deref(), egress.k8s.service.type_.as_deref()),
        (Some("LoadBalancer"), Some("ClusterIP"))
    );
    assert_eq!(ports(&ingress), [(15021, 15021), (80, 8080), (443, 8443), (31400, 31400), (15443, 15443)]);
    assert_eq!(ports(&egress), [(80, 8080), (443, 8443)]);
    assert_eq!(
        (ingress.labels["istio"].as_str(), egress.labels["app"].as_str()),
        ("ingressgateway", "istio-egressgateway")
    );
    assert_eq!((ingress.namespace.as_str(), ingress.k8s.hpa_spec), ("istio-system", None));
    let default = one(json!({}), &[]);
    assert_eq!(ports(&default), [(15021, 15021), (80, 8080), (443, 8443)]);
    let scaler = default.k8s.hpa_spec.unwrap();
    assert_eq!(
        (scaler.min_replicas, scaler.max_replicas, scaler.scale_target_ref.name.as_str()),
        (Some(1), 5, "istio-ingressgateway")
    );
}

#[test]
fn upstreams_file_leaves_out_what_its_profile_has() {
    let off = |name: &str| json!([{ "name": name, "enabled": false }]);
    let components =
        json!({ "ingressGateways": off("istio-ingressgateway"), "egressGateways": off("istio-egressgateway") });
    assert_eq!(gateways(json!({ "profile": "demo", "components": components }), &[]), []);
}

#[test]
fn words_of_the_command_line_reach_single_gateways() {
    for set in [
        "components.egressGateways[0].enabled=true",
        "components.egressGateways[name:istio-egressgateway].enabled=true",
    ] {
        assert_eq!(gateways(json!({}), &[set]).len(), 2, "{set}");
    }
    assert_eq!(gateways(json!({}), &["components.ingressGateways[0].enabled=false"]), []);
    let two = gateways(
        json!({}),
        &[
            "components.ingressGateways[1].name=second",
            "components.ingressGateways[1].enabled=true",
            "components.ingressGateways[1].label.istio=second",
        ],
    );
    assert_eq!((two[1].name.as_str(), two[1].labels["istio"].as_str()), ("second", "second"));
}

#[test]
fn the_operators_settings_go_over_the_charts() {
    let file = json!({
        "components": { "ingressGateways": [{
            "name": "istio-ingressgateway",
            "namespace": "edge",
            "label": { "istio": "edge" },
            "k8s": {
                "service": { "type": "ClusterIP", "ports": [{ "port": 80, "targetPort": 8080, "name": "http2" }] },
                "resources": { "requests": { "cpu": "250m" } },
                "replicaCount": 2,
                "nodeSelector": { "edge": "true" },
                "podAnnotations": { "lateen.io/data-plane": "envoy" },
                "env": [{ "name": "ISTIO_META_NETWORK", "value": "n" }],
                "securityContext": { "fsGroup": 5 },
            },
        }] },
        "values": { "gateways": { "istio-ingressgateway": {
            "type": "NodePort", "serviceAnnotations": { "a": "b" }, "env": { "X": 1 }, "loadBalancerIP": "", "autoscaleEnabled": true,
        } } },
    });
    let gateway = one(file, &[]);
    assert_eq!(
        (gateway.namespace.as_str(), &gateway.labels["istio"], &gateway.labels["app"]),
        ("edge", &"edge".to_owned(), &"istio-ingressgateway".to_owned())
    );
    let k8s = gateway.k8s.clone();
    assert_eq!((k8s.service.type_.as_deref(), ports(&gateway)), (Some("ClusterIP"), vec![(80, 8080)]));
    let resources = json!(k8s.resources);
    assert_eq!(resources["requests"], json!({ "cpu": "250m", "memory": "128Mi" }));
    assert_eq!((k8s.replica_count, k8s.hpa_spec), (Some(2), None), "a fixed number is not scaled");
    assert_eq!((k8s.service_annotations["a"].as_str(), k8s.env.len()), ("b", 1));
}

#[test]
fn the_charts_settings_are_read() {
    let gateway = one(
        json!({}),
        &[
            "values.gateways.istio-ingressgateway.type=NodePort",
            "values.gateways.istio-ingressgateway.name=front",
            "values.gateways.istio-ingressgateway.labels.istio=front",
            "values.gateways.istio-ingressgateway.autoscaleMax=9",
            "values.gateways.istio-ingressgateway.cpu.targetAverageUtilization=50",
            "values.gateways.istio-ingressgateway.env.LATEEN_DATA_PLANE=envoy",
            "values.gateways.istio-ingressgateway.injectionTemplate=gateway",
            "values.global.defaultPodDisruptionBudget.enabled=false",
        ],
    );
    let k8s = json!(gateway.k8s);
    assert_eq!((gateway.name.as_str(), gateway.labels["istio"].as_str()), ("front", "front"));
    assert_eq!((&k8s["service"]["type"], &k8s["hpaSpec"]["maxReplicas"]), (&json!("NodePort"), &json!(9)));
    assert_eq!(k8s["hpaSpec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
    assert_eq!(k8s["env"], json!([{ "name": "LATEEN_DATA_PLANE", "value": "envoy" }]));
    assert_eq!(k8s["podDisruptionBudget"], json!(null));
}

#[test]
fn what_means_nothing_is_said_by_its_path() {
    let file = json!({ "components": { "ingressGateways": [{
        "name": "istio-ingressgateway", "replicas": 2,
        "k8s": { "overlays": [{ "kind": "Deployment" }], "service": { "prots": [], "ports": [{ "port": 80, "tragetPort": 1 }], "tpye": "NodePort" } },
    }] } });
    let notes = parse(file, &["values.gateways.istio-ingressgateway.zvpn.enabled=true"]).unwrap().notes.join("\n");
    for path in [
        "components.ingressGateways[0].replicas ",
        "components.ingressGateways[0].k8s.overlays ",
        "components.ingressGateways[0].k8s.service.tpye ",
        "components.ingressGateways[0].k8s.service.ports[0].tragetPort ",
        "values.gateways.istio-ingressgateway.zvpn.enabled ",
    ] {
        assert!(notes.contains(path), "{path}: {notes}");
    }
    assert!(!notes.contains("prots"), "what says nothing needs no note: {notes}");
}

#[test]
fn nonsense_is_refused_by_its_path() {
    for (sets, word) in [
        (&["components.ingressGateways=all"][..], "components.ingressGateways"),
        (&["components.ingressGateways[5].enabled=true"], "list"),
        (&["components.ingressGateways[x].enabled=true"], "path=value"),
        (&["components.ingressGateways[1].enabled=true"], "with a name"),
        (&["components.ingressGateways[0].enabled=perhaps"], "components.ingressGateways[0]"),
        (&["components.ingressGateways[0].k8s.replicaCount=many"], "components.ingressGateways[0].k8s"),
        (&["values.gateways.istio-ingressgateway.injectionTemplate=mine"], "injectionTemplate"),
    ] {
        let error = parse(json!({}), sets).unwrap_err().to_string();
        assert!(error.contains(word), "{sets:?}: {error}");
    }
}
