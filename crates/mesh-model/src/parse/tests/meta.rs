use serde_json::json;

use super::{ParseContext, assert_said, parse, yaml};
use crate::issue::Severity;

const SPEC: &str = "{host: a.b, trafficPolicy: {loadBalancer: {simple: RANDOM}}}";

fn rule(api_version: &str, annotations: serde_json::Value) -> serde_json::Value {
    let meta = json!({
        "name": "it", "namespace": "shop", "annotations": annotations, "generation": 3, "uid": "u",
        "creationTimestamp": "2026-01-02T03:04:05Z", "labels": { "team": "a" },
    });
    json!({ "apiVersion": api_version, "kind": "DestinationRule", "metadata": meta, "spec": yaml(SPEC) })
}

#[test]
fn metadata_is_kept() {
    let parsed = parse(&rule("networking.istio.io/v1", json!({ "a": "b" })), &ParseContext::default()).unwrap();
    let meta = parsed.config.meta();
    assert_eq!((meta.created, meta.generation, meta.uid.as_str()), (1_767_323_045, 3, "u"));
    assert_eq!(meta.object().to_string(), "DestinationRule/shop/it");
    assert_eq!((meta.labels.value("team"), meta.annotations["a"].as_str()), (Some("a"), "b"));
}

#[test]
fn every_served_version_is_read() {
    for version in ["v1", "v1beta1", "v1alpha3"] {
        let object = rule(&format!("networking.istio.io/{version}"), json!({}));
        assert!(parse(&object, &ParseContext::default()).is_ok(), "{version}");
    }
    let issues = parse(&rule("networking.istio.io/v2", json!({})), &ParseContext::default()).unwrap_err();
    assert_said(&issues, "v2", "apiVersion", "no version `v2`");
    let issues = parse(&rule("security.istio.io/v1", json!({})), &ParseContext::default()).unwrap_err();
    assert_said(&issues, "group", "kind", "no kind of the mesh");
}

#[test]
fn annotations_of_the_mesh_are_refused() {
    for (annotation, words) in [
        ("internal.istio.io/webhook-always-reject", "only the mesh may set"),
        ("internal.istio.io/parents", "only the mesh may set"),
        ("istio.io/dry-run", "can be tried dry"),
    ] {
        let object = rule("networking.istio.io/v1", json!({ annotation: "true" }));
        let issues = parse(&object, &ParseContext::default()).unwrap_err();
        assert_said(&issues, annotation, &format!("metadata.annotations[{annotation:?}]"), words);
    }
}

#[test]
fn nothing_is_no_object() {
    for nothing in [json!(null), json!([]), json!({}), json!("x"), json!({ "kind": "MeshConfig" })] {
        let issues = parse(&nothing, &ParseContext::default()).unwrap_err();
        assert_said(&issues, "", "kind", "no kind of the mesh");
    }
}

#[test]
fn unknown_fields_are_remarked_upon() {
    let mut object = rule("networking.istio.io/v1", json!({}));
    object["specs"] = json!({});
    object["spec"]["trafficPolicy"]["loadBalancer"]["simpel"] = json!("RANDOM");
    let parsed = parse(&object, &ParseContext::default()).unwrap();
    assert_said(&parsed.warnings, "", "specs", "unknown field");
    assert_said(&parsed.warnings, "", "spec.trafficPolicy.loadBalancer.simpel", "unknown field");
}

#[test]
fn all_issues_are_found_at_once_errors_first() {
    let mut object = rule("networking.istio.io/v1", json!({ "internal.istio.io/a": "b" }));
    object["spec"] = yaml(
        "{host: a.b, typo: 1, subsets: [{name: v1}, {name: v1}, {name: V2}], trafficPolicy: {connectionPool: {}, outlierDetection: {maxEjectionPercent: 101}}}",
    );
    let issues = parse(&object, &ParseContext::default()).unwrap_err();
    let paths: Vec<&str> = issues.iter().map(|i| i.path.as_str()).collect();
    for path in [
        "metadata.annotations[\"internal.istio.io/a\"]",
        "spec.subsets[1].name",
        "spec.subsets[2].name",
        "spec.trafficPolicy.connectionPool",
        "spec.trafficPolicy.outlierDetection.maxEjectionPercent",
        "spec.typo",
    ] {
        assert!(paths.contains(&path), "{path} {paths:?}");
    }
    assert_eq!(issues.last().unwrap().severity, Severity::Warning);
    assert_eq!(issues.last().unwrap().path.as_str(), "spec.typo");
}

#[test]
fn values_of_the_wrong_type_are_found_with_their_place() {
    let mut object = rule("networking.istio.io/v1", json!({}));
    object["spec"] =
        yaml("{host: 7, subsets: [{name: v1, labels: []}], trafficPolicy: {loadBalancer: {simple: FAST}}}");
    let issues = parse(&object, &ParseContext::default()).unwrap_err();
    assert_said(&issues, "", "spec.host", "");
    assert_said(&issues, "", "spec.subsets[0].labels", "");
    assert_said(&issues, "", "spec.trafficPolicy.loadBalancer.simple", "FAST");
}
