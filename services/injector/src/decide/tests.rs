use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value, json};

use super::*;
use crate::{Settings, inject, tests::World};

/// Namespace labels, pod labels, pod annotations, and what happens in revision `default`.
type Row = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)], Option<Skip>);

fn decided(settings: &Settings, namespace: &[(&str, &str)], labels: &[(&str, &str)], more: Value) -> Option<Skip> {
    let labels: Labels = labels.iter().copied().collect();
    let mut pod =
        json!({ "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "app", "image": "x" }] } });
    json_patch::merge(&mut pod, &more);
    let world = World { settings: settings.clone(), labels: namespace.iter().copied().collect(), ..World::default() };
    match world.inject(&pod).unwrap() {
        crate::Outcome::Skipped(skip) => Some(skip),
        crate::Outcome::Injected(_) => None,
    }
}

const ON: (&str, &str) = ("istio-injection", "enabled");
const OFF: (&str, &str) = ("istio-injection", "disabled");
const YES: (&str, &str) = ("sidecar.istio.io/inject", "true");
const NO: (&str, &str) = ("sidecar.istio.io/inject", "false");

#[test]
fn the_table_holds() {
    let other = || Some(Skip::OtherRevision("canary".to_owned()));
    let rows: Vec<Row> = vec![
        (&[ON], &[], None),
        (&[ON], &[YES], None),
        (&[ON], &[NO], Some(Skip::PodDisabled)),
        (&[OFF], &[], Some(Skip::NamespaceDisabled)),
        (&[OFF], &[YES], Some(Skip::NamespaceDisabled)),
        (&[], &[YES], None),
        (&[], &[("istio.io/rev", "default")], None),
        (&[], &[("istio.io/rev", "canary")], other()),
        (&[], &[YES, ("istio.io/rev", "canary")], other()),
        (&[], &[], Some(Skip::NotEnabled)),
        (&[], &[NO], Some(Skip::PodDisabled)),
        (&[("istio.io/rev", "default")], &[], None),
        (&[("istio.io/rev", "stable")], &[], None),
        (&[("istio.io/rev", "default")], &[NO], Some(Skip::PodDisabled)),
        (&[("istio.io/rev", "canary")], &[], other()),
        (&[("istio.io/rev", "canary"), ON], &[], None),
        (&[("istio.io/rev", "default"), OFF], &[], Some(Skip::NamespaceDisabled)),
    ];
    let settings = Settings { revision_tags: vec!["stable".to_owned()], ..Settings::default() };
    for (namespace, labels, wanted) in rows {
        assert_eq!(decided(&settings, namespace, labels, json!({})), wanted, "{namespace:?} {labels:?}");
    }
}

#[test]
fn some_pods_never_get_one() {
    let settings = Settings::default();
    let with = |more| decided(&settings, &[ON], &[YES], more);
    assert_eq!(with(json!({ "spec": { "hostNetwork": true } })), Some(Skip::HostNetwork));
    let status = json!({ "metadata": { "annotations": { "sidecar.istio.io/status": "{}" } } });
    assert_eq!(with(status), Some(Skip::AlreadyInjected));
    let no = json!({ "metadata": { "annotations": { "sidecar.istio.io/inject": "false" } } });
    assert_eq!(with(no.clone()), None, "the label counts more than the annotation");
    assert_eq!(decided(&settings, &[ON], &[], no), Some(Skip::PodDisabled));

    let world = World::default();
    let pod = serde_json::to_value(Pod { spec: Some(PodSpec::default()), ..Pod::default() }).unwrap();
    let request = Request {
        pod: &pod,
        namespace: "kube-system",
        namespace_labels: &world.labels,
        mesh: &world.mesh,
        settings: &world.settings,
        proxy_configs: &[],
        workload: None,
    };
    assert_eq!(inject(&request).unwrap(), crate::Outcome::Skipped(Skip::SystemNamespace));
}

#[test]
fn the_mesh_decides_for_those_that_say_nothing() {
    let build: Labels = [("job", "build")].into_iter().collect();
    let never = Settings { never_inject: vec![build.clone()], ..Settings::default() };
    assert_eq!(decided(&never, &[ON], &[("job", "build")], json!({})), Some(Skip::NeverInject));
    assert_eq!(decided(&never, &[ON], &[("job", "build"), YES], json!({})), None);
    let always = Settings { always_inject: vec![build], ..Settings::default() };
    assert_eq!(decided(&always, &[], &[("job", "build")], json!({})), None);
    let all = Settings { enable_namespaces_by_default: true, ..Settings::default() };
    assert_eq!(decided(&all, &[], &[], json!({})), None);
    let canary = Settings { revision: "canary".to_owned(), ..Settings::default() };
    assert_eq!(decided(&canary, &[ON], &[], json!({})), Some(Skip::OtherRevision("default".to_owned())));
}
