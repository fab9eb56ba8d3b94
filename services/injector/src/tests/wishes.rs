//! What annotations, mesh settings and ProxyConfigs change.

use istio_api::{
    mesh::{InboundInterceptionMode, ProxyConfig},
    proxy_config::ProxyImage,
};

use super::*;

fn annotated(pairs: &[(&str, &str)]) -> Value {
    let mut pod = productpage();
    for (key, value) in pairs {
        pod["metadata"]["annotations"][*key] = (*value).into();
    }
    pod
}

fn proxy(world: &World, pairs: &[(&str, &str)]) -> Value {
    container(&world.injected(&annotated(pairs)), "containers", "istio-proxy").clone()
}

fn init_arguments(pairs: &[(&str, &str)]) -> String {
    let injected = World::default().injected(&annotated(pairs));
    let arguments = container(&injected, "initContainers", "istio-init")["args"].as_array().unwrap().clone();
    arguments.iter().map(|argument| argument.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn capture_is_as_the_annotations_say() {
    assert_eq!(
        init_arguments(&[]),
        "istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x  -b * -d 15090,15021,15020 --log_output_level=default:info"
    );
    let arguments = init_arguments(&[
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8,fd00::/8"),
        ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.1.0.0/16"),
        ("traffic.sidecar.istio.io/includeInboundPorts", ""),
        ("traffic.sidecar.istio.io/excludeInboundPorts", "15021,9999"),
        ("traffic.sidecar.istio.io/includeOutboundPorts", "443"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "25"),
        ("traffic.sidecar.istio.io/excludeInterfaces", "net1"),
        ("istio.io/reroute-virtual-interfaces", "vm0"),
        ("sidecar.istio.io/agentLogLevel", "default:debug"),
    ]);
    assert_eq!(
        arguments,
        "istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i 10.0.0.0/8,fd00::/8 -x 10.1.0.0/16 -b  \
         -d 15090,15021,9999,15020 -q 443 -o 25 -k vm0 -c net1 --log_output_level=default:debug"
    );
}

#[test]
fn nonsense_is_refused_by_name() {
    for (name, value) in [
        ("traffic.sidecar.istio.io/excludeInboundPorts", "80,http"),
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0"),
        ("traffic.sidecar.istio.io/excludeInterfaces", "eth0 -j ACCEPT"),
        ("sidecar.istio.io/interceptionMode", "SOMETIMES"),
        ("sidecar.istio.io/proxyCPU", "much"),
        ("sidecar.istio.io/userVolume", "[]"),
        ("sidecar.istio.io/rewriteAppHTTPProbers", "maybe"),
        ("status.sidecar.istio.io/port", "70000"),
        ("inject.istio.io/templates", "waypoint"),
        ("lateen.io/data-plane", "nginx"),
        ("proxy.istio.io/config", "concurrency: many"),
        ("proxy.istio.io/config", "{"),
    ] {
        let error = World::default().inject(&annotated(&[(name, value)])).unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

#[test]
fn tproxy_needs_a_capability_and_none_needs_no_capture() {
    let tproxy = proxy(&World::default(), &[("sidecar.istio.io/interceptionMode", "TPROXY")]);
    let security = &tproxy["securityContext"];
    assert_eq!((&security["runAsUser"], &security["runAsGroup"]), (&json!(0), &json!(1337)));
    assert_eq!(security["capabilities"], json!({ "add": ["NET_ADMIN"], "drop": ["ALL"] }));
    assert_eq!(environment(&tproxy)["ISTIO_META_INTERCEPTION_MODE"], "TPROXY");

    let injected = World::default().injected(&annotated(&[("sidecar.istio.io/interceptionMode", "NONE")]));
    assert_eq!(injected["spec"]["initContainers"], Value::Null);
}

#[test]
fn resources_images_and_levels_can_be_chosen() {
    let proxy = proxy(
        &World::default(),
        &[
            ("sidecar.istio.io/proxyCPU", "250m"),
            ("sidecar.istio.io/proxyMemoryLimit", "2Gi"),
            ("sidecar.istio.io/proxyImageType", "distroless"),
            ("sidecar.istio.io/logLevel", "debug"),
            ("sidecar.istio.io/componentLogLevel", "http:trace"),
            ("lateen.io/data-plane", "envoy"),
        ],
    );
    assert_eq!(proxy["resources"], json!({ "requests": { "cpu": "250m" }, "limits": { "memory": "2Gi" } }));
    assert_eq!(proxy["image"], "lateen/proxy:test-distroless");
    let arguments: Vec<&str> = proxy["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    assert!(arguments.contains(&"--proxyLogLevel=debug") && arguments.contains(&"--proxyComponentLogLevel=http:trace"));
    assert_eq!(environment(&proxy)["LATEEN_DATA_PLANE"], "envoy");
}

#[test]
fn volumes_can_be_added() {
    let pairs = [
        ("sidecar.istio.io/userVolume", r#"{"certs":{"secret":{"secretName":"mine"}}}"#),
        ("sidecar.istio.io/userVolumeMount", r#"{"certs":{"mountPath":"/certs","readOnly":true}}"#),
        ("sidecar.istio.io/bootstrapOverride", "my-bootstrap"),
    ];
    let injected = World::default().injected(&annotated(&pairs));
    assert_eq!(container(&injected, "volumes", "certs")["secret"]["secretName"], "mine");
    assert_eq!(container(&injected, "volumes", "custom-bootstrap-volume")["configMap"]["name"], "my-bootstrap");
    let proxy = container(&injected, "containers", "istio-proxy");
    let mounts = proxy["volumeMounts"].as_array().unwrap();
    assert!(mounts.contains(&json!({ "name": "certs", "mountPath": "/certs", "readOnly": true })));
    assert_eq!(environment(proxy)["ISTIO_BOOTSTRAP_OVERRIDE"], "/etc/istio/custom-bootstrap/custom_bootstrap.json");
}

#[test]
fn settings_of_the_proxy_come_from_four_places() {
    let object = |namespace: &str, selector: Value, spec: Value| {
        let mut spec = spec;
        spec["selector"] = selector;
        ProxyConfigObject { namespace: namespace.to_owned(), spec: serde_json::from_value(spec).unwrap() }
    };
    let metadata = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut world = World::default();
    world.mesh.default_config = Some(ProxyConfig {
        concurrency: Some(1),
        interception_mode: InboundInterceptionMode::Redirect,
        proxy_metadata: metadata(&[("A", "mesh"), ("B", "mesh")]),
        ..ProxyConfig::default()
    });
    let mine = json!({ "matchLabels": { "app": "productpage" } });
    let other = json!({ "matchLabels": { "app": "reviews" } });
    world.proxy_configs = vec![
        object(
            "istio-system",
            Value::Null,
            json!({ "environmentVariables": { "C": "root" }, "image": { "imageType": "debug" } }),
        ),
        object("istio-sample", other, json!({ "concurrency": 9 })),
        object("istio-sample", mine, json!({ "concurrency": 4 })),
        object("elsewhere", Value::Null, json!({ "concurrency": 8 })),
    ];
    let text = "concurrency: 2\nproxyMetadata:\n  B: pod\n  ISTIO_META_DNS_CAPTURE: \"true\"\nstatNameLength: 189\n";
    let pod = annotated(&[("proxy.istio.io/config", text)]);
    let injected = world.injected(&pod);
    let proxy = container(&injected, "containers", "istio-proxy");
    let env = environment(proxy);
    let told: Value = serde_json::from_str(env["PROXY_CONFIG"]).unwrap();
    assert_eq!(told["concurrency"], 4, "an object goes over the annotation, the annotation over the mesh: {told}");
    assert_eq!(told.get("statNameLength"), None, "defaults are not told");
    assert_eq!((env["A"], env["B"], env["C"]), ("mesh", "pod", "root"));
    assert_eq!(proxy["image"], "lateen/proxy:test-debug");
    let init = environment(container(&injected, "initContainers", "istio-init"));
    assert_eq!(init["ISTIO_META_DNS_CAPTURE"], "true", "capture of DNS is set up by both");
    assert_eq!(ProxyImage::default().image_type, "");
}

#[test]
fn an_unknown_setting_is_reported() {
    let pod = annotated(&[("proxy.istio.io/config", "concurency: 2")]);
    let Outcome::Injected(injected) = World::default().inject(&pod).unwrap() else { panic!("skipped") };
    assert!(injected.warnings[0].contains("concurency"), "{:?}", injected.warnings);
}

#[test]
fn metrics_stay_the_applications_own_where_that_is_wanted() {
    let own = |pairs: &[(&str, &str)], world: &World| {
        world.injected(&annotated(pairs))["metadata"]["annotations"]["prometheus.io/port"] == "9080"
    };
    let mut world = World::default();
    assert!(!own(&[], &world));
    assert!(own(&[("prometheus.istio.io/merge-metrics", "false")], &world));
    assert!(own(&[("prometheus.io/scrape", "false")], &world));
    world.mesh.enable_prometheus_merge = Some(false);
    assert!(own(&[], &world));
}

#[test]
fn the_status_port_moves_probes_and_capture() {
    let injected = World::default().injected(&annotated(&[("status.sidecar.istio.io/port", "0")]));
    let none = container(&injected, "containers", "istio-proxy");
    assert_eq!((&none["readinessProbe"], &none["startupProbe"]), (&Value::Null, &Value::Null));
    let moved = init_arguments(&[("status.sidecar.istio.io/port", "16000")]);
    assert!(moved.contains("-d 15090,15021,16000 "), "{moved}");
    let slow = proxy(
        &World::default(),
        &[
            ("readiness.status.sidecar.istio.io/initialDelaySeconds", "7"),
            ("readiness.status.sidecar.istio.io/periodSeconds", "8"),
            ("readiness.status.sidecar.istio.io/failureThreshold", "9"),
        ],
    );
    let probe = &slow["readinessProbe"];
    assert_eq!(
        (&probe["initialDelaySeconds"], &probe["periodSeconds"], &probe["failureThreshold"]),
        (&json!(7), &json!(8), &json!(9))
    );
}
