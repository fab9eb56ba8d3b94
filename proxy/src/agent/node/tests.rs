use std::collections::BTreeMap;

use clap::Parser;
use serde_json::json;

use super::node_with;
use crate::agent::{
    Settings,
    commands::{Cli, Task},
};

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let Task::Proxy(options) = Cli::parse_from(["p", "proxy", "sidecar"]).task else { panic!("another task") };
    let all = [("POD_NAME", "web-1"), ("POD_NAMESPACE", "shop"), ("INSTANCE_IP", "10.0.0.7"), ("LATEEN_ROOT", "/none")];
    let environment: BTreeMap<String, String> =
        all.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::new(&options, &environment).unwrap()
}

#[test]
fn pilot_is_told_what_it_reads() {
    let mut settings = settings(&[
        ("SERVICE_ACCOUNT", "seller"),
        ("ISTIO_META_WORKLOAD_NAME", "web"),
        ("ISTIO_META_OWNER", "kubernetes://apis/apps/v1/namespaces/shop/deployments/web"),
        ("PROXY_CONFIG", r#"{"discoveryAddress":"pilot.example:15012"}"#),
    ]);
    settings.labels.insert("istio-locality".to_owned(), "eu.a".to_owned());
    let node = node_with(&settings, &["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()]);
    assert_eq!(
        node,
        json!({
            "id": "sidecar~10.0.0.7~web-1.shop~shop.svc.cluster.local",
            "cluster": "web.shop",
            "locality": { "region": "eu", "zone": "a", "sub_zone": "" },
            "metadata": {
                "NAME": "web-1",
                "NAMESPACE": "shop",
                "SERVICE_ACCOUNT": "seller",
                "INSTANCE_IPS": "10.0.0.7,fd00::7",
                "CLUSTER_ID": "Kubernetes",
                "WORKLOAD_NAME": "web",
                "OWNER": "kubernetes://apis/apps/v1/namespaces/shop/deployments/web",
                "LABELS": { "istio-locality": "eu.a" },
                "ANNOTATIONS": {},
                "PROXY_CONFIG": { "discoveryAddress": "pilot.example:15012" },
                "PILOT_SAN": ["pilot.example"],
                "ISTIO_VERSION": "1.25.1",
                "ENVOY_STATUS_PORT": 15021,
                "ENVOY_PROMETHEUS_PORT": 15090,
            }
        })
    );
}

#[test]
fn the_cluster_is_the_application_the_workload_or_neither() {
    let mut with_label = settings(&[("ISTIO_META_WORKLOAD_NAME", "web")]);
    with_label.labels.insert("app".to_owned(), "shop-app".to_owned());
    for (settings, name) in [
        (with_label, "shop-app.shop"),
        (settings(&[("ISTIO_META_WORKLOAD_NAME", "web")]), "web.shop"),
        (settings(&[]), "istio-proxy.shop"),
    ] {
        assert_eq!(node_with(&settings, &[])["cluster"], name);
    }
}
