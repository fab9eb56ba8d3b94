use super::*;

fn gateway(spec: Value, annotations: &[(&str, &str)]) -> Gateway {
    let mut spec: api::Gateway = serde_json::from_value(spec).expect("a Gateway");
    spec.gateway_class_name = "istio".to_owned();
    Gateway {
        namespace: "shop".to_owned(),
        name: "bookinfo-gateway".to_owned(),
        uid: "u-1".to_owned(),
        annotations: annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        spec,
    }
}

fn http() -> Value {
    json!({ "listeners": [{ "name": "http", "port": 80, "protocol": "HTTP" }] })
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_gateway_gets_an_account_a_deployment_and_a_service() {
    let made = objects(&gateway(http(), &[]));
    assert_eq!(kinds(&made), ["ServiceAccount", "Deployment", "Service"]);
    for object in &made {
        assert_eq!(object["metadata"]["name"], "bookinfo-gateway-istio");
        assert_eq!(object["metadata"]["namespace"], "shop");
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "u-1");
        assert_eq!(object["metadata"]["labels"][GATEWAY_NAME], "bookinfo-gateway");
        assert_eq!(object["metadata"]["labels"][CLASS_NAME], "istio");
        assert_eq!(object["metadata"]["labels"]["gateway.istio.io/managed"], "istio.io-gateway-controller");
    }
    let pod = &made[1]["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"]["sidecar.istio.io/inject"], "true");
    assert_eq!(pod["metadata"]["annotations"]["inject.istio.io/templates"], "gateway");
    assert_eq!(pod["spec"]["containers"], json!([{ "name": "istio-proxy", "image": "auto" }]));
    assert_eq!(pod["spec"]["serviceAccountName"], "bookinfo-gateway-istio");
    let selector = &made[1]["spec"]["selector"]["matchLabels"];
    assert_eq!(pod["metadata"]["labels"][GATEWAY_NAME], selector[GATEWAY_NAME]);
    let service = &made[2]["spec"];
    assert_eq!((&service["type"], &service["selector"]), (&json!("LoadBalancer"), selector));
    let ports: Vec<_> = service["ports"].as_array().unwrap().iter().map(|p| (&p["name"], &p["port"])).collect();
    assert_eq!(ports, [(&json!("status-port"), &json!(15021)), (&json!("http"), &json!(80))]);
}

#[test]
fn ports_are_there_once_and_have_names_that_a_service_takes() {
    let made = objects(&gateway(
        json!({ "listeners": [
            { "name": "a.example", "port": 443, "protocol": "HTTPS", "hostname": "a.example.com" },
            { "name": "b", "port": 443, "protocol": "HTTPS", "hostname": "b.example.com" },
            { "name": "mine", "port": 15021, "protocol": "HTTP" },
        ] }),
        &[],
    ));
    let ports = made[2]["spec"]["ports"].as_array().unwrap();
    let named: Vec<_> =
        ports.iter().map(|p| (p["name"].as_str().unwrap(), p["appProtocol"].as_str().unwrap())).collect();
    assert_eq!(named, [("status-port", "tcp"), ("port-443", "https")]);
}

#[test]
fn annotations_name_the_objects_their_type_and_their_account() {
    let made = objects(&gateway(
        http(),
        &[
            ("networking.istio.io/service-type", "ClusterIP"),
            ("gateway.istio.io/name-override", "edge"),
            ("gateway.istio.io/service-account", "robot"),
        ],
    ));
    assert_eq!(kinds(&made), ["Deployment", "Service"]);
    assert_eq!(made[0]["metadata"]["name"], "edge");
    assert_eq!(made[0]["spec"]["template"]["spec"]["serviceAccountName"], "robot");
    assert_eq!(made[1]["spec"]["type"], "ClusterIP");
}

#[test]
fn infrastructure_goes_to_every_object_and_to_the_pods() {
    let made = objects(&gateway(
        json!({
            "listeners": [{ "name": "http", "port": 80, "protocol": "HTTP" }],
            "addresses": [{ "value": "192.0.2.7" }],
            "infrastructure": { "labels": { "team": "edge", GATEWAY_NAME: "other" }, "annotations": { "cost": "1" } },
        }),
        &[],
    ));
    let pod = &made[1]["spec"]["template"];
    for object in made.iter().chain([pod]) {
        assert_eq!(object["metadata"]["labels"]["team"], "edge");
        assert_eq!(object["metadata"]["annotations"]["cost"], "1");
        assert_eq!(object["metadata"]["labels"][GATEWAY_NAME], "bookinfo-gateway");
    }
    assert_eq!(made[2]["spec"]["loadBalancerIP"], "192.0.2.7");
}
