use std::{collections::BTreeMap, fs, time::Duration};

use clap::Parser;

use super::{BadSettings, DataPlane, Settings};
use crate::agent::commands::{Cli, ProxyOptions, Task};

fn options(words: &[&str]) -> ProxyOptions {
    let words = ["p", "proxy"].iter().chain(words);
    let Task::Proxy(options) = Cli::parse_from(words).task else { panic!("another task") };
    options
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn injections_environment_is_read() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc/istio/pod")).unwrap();
    fs::write(root.path().join("etc/istio/pod/labels"), "app=\"web\"\n").unwrap();
    let environment = environment(&[
        ("LATEEN_ROOT", root.path().to_str().unwrap()),
        ("POD_NAME", "web-1"),
        ("POD_NAMESPACE", "shop"),
        ("INSTANCE_IP", "10.0.0.7"),
        ("SERVICE_ACCOUNT", "seller"),
        ("PROXY_CONFIG", "{\"concurrency\":2,\"terminationDrainDuration\":\"1s\"}\n"),
        ("ISTIO_META_MESH_ID", "cluster.local"),
        ("ISTIO_METAJSON_EXTRA", "{\"a\":1}"),
        ("LATEEN_DATA_PLANE", "envoy"),
        ("ISTIO_CPU_LIMIT", "4"),
        ("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "true"),
        ("MINIMUM_DRAIN_DURATION", "500ms"),
    ]);
    let settings = Settings::new(&options(&["sidecar", "--domain", "shop.svc.example.org"]), &environment).unwrap();
    assert_eq!(settings.node.to_string(), "sidecar~10.0.0.7~web-1.shop~shop.svc.example.org");
    assert_eq!(settings.id.to_string(), "spiffe://cluster.local/ns/shop/sa/seller");
    assert_eq!((settings.concurrency, settings.data_plane), (2, DataPlane::Envoy));
    assert_eq!(settings.termination_drain, Duration::from_secs(1));
    assert_eq!(settings.exit_on_zero, Some(Duration::from_millis(500)));
    assert_eq!(settings.labels["app"], "web");
    assert_eq!(serde_json::to_string(&settings.metadata).unwrap(), r#"{"EXTRA":{"a":1},"MESH_ID":"cluster.local"}"#);
    assert_eq!((settings.ports.admin, settings.ports.health), (15000, 15021));
}

#[test]
fn a_gateway_answers_for_nobody_else() {
    let environment = environment(&[
        ("POD_NAME", "edge-1"),
        ("POD_NAMESPACE", "istio-system"),
        ("INSTANCE_IP", "10.0.0.7"),
        ("ISTIO_KUBE_APP_PROBERS", r#"{"/app-health/web/readyz":{"httpGet":{"port":80}}}"#),
        ("ISTIO_PROMETHEUS_ANNOTATIONS", r#"{"scrape":"true","path":"","port":"9080"}"#),
    ]);
    let settings = |role| Settings::new(&options(&[role]), &environment).unwrap();
    let gateway = settings("router");
    assert_eq!(gateway.node.to_string(), "router~10.0.0.7~edge-1.istio-system~istio-system.svc.cluster.local");
    assert!(!gateway.probers.contains_key("/app-health/web/readyz") && gateway.scrape.is_none());
    let sidecar = settings("sidecar");
    assert!(sidecar.probers.contains_key("/app-health/web/readyz") && sidecar.scrape.is_some());
}

#[test]
fn threads_are_asked_for_or_limited_or_all() {
    let cases = [
        (vec!["sidecar", "--concurrency", "3"], vec![("PROXY_CONFIG", r#"{"concurrency":2}"#)], Some(3)),
        (vec!["sidecar"], vec![("ISTIO_CPU_LIMIT", "7")], Some(7)),
        (vec!["sidecar"], vec![("PROXY_CONFIG", r#"{"concurrency":0}"#), ("ISTIO_CPU_LIMIT", "7")], None),
        (vec!["sidecar"], vec![], None),
    ];
    let all = u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    for (words, pairs, threads) in cases {
        let settings = Settings::new(&options(&words), &environment(&pairs)).unwrap();
        assert_eq!(settings.concurrency, threads.unwrap_or(all), "{pairs:?}");
    }
}

#[test]
fn nonsense_is_refused_by_name() {
    for (name, value) in [
        ("INSTANCE_IP", "here"),
        ("LATEEN_DATA_PLANE", "nginx"),
        ("MINIMUM_DRAIN_DURATION", "5"),
        ("ISTIO_CPU_LIMIT", "many"),
        ("PROXY_CONFIG", "["),
        ("ISTIO_KUBE_APP_PROBERS", "x"),
        ("ISTIO_METAJSON_X", "{"),
    ] {
        let error = Settings::new(&options(&[]), &environment(&[(name, value)])).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = Settings::new(&options(&[]), &environment(&[("SERVICE_ACCOUNT", "a/b")])).unwrap_err();
    assert!(matches!(error, BadSettings::Identity(_)));
}
