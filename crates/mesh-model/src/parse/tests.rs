//! Bad documents and what is said about them; good documents and what they mean.

mod destination_rule;
mod gateway;
mod good;
mod mesh;
mod meta;
mod properties;
mod samples;
mod service_entry;
mod sidecar;
mod virtual_service;
mod workload;

use serde_json::{Value, json};

use super::{ParseContext, Parsed, parse};
use crate::{config::Config, issue::Issue};

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// An object `shop/it` of a kind, its spec given as YAML.
fn object(group: &str, kind: &str, spec: &str) -> Value {
    let version = match kind {
        "EnvoyFilter" => "v1alpha3",
        "WasmPlugin" => "v1alpha1",
        "ProxyConfig" => "v1beta1",
        _ => "v1",
    };
    let meta = json!({ "name": "it", "namespace": "shop" });
    json!({ "apiVersion": format!("{group}.istio.io/{version}"), "kind": kind, "metadata": meta, "spec": yaml(spec) })
}

fn networking(kind: &str, spec: &str) -> Result<Parsed, Vec<Issue>> {
    parse(&object("networking", kind, spec), &ParseContext::default())
}

/// A document that is good.
fn good(kind: &str, spec: &str) -> Parsed {
    networking(kind, spec).unwrap_or_else(|issues| panic!("{spec}\n{issues:#?}"))
}

/// Spec, the path of the issue, words of its reason.
type Case = (&'static str, &'static str, &'static str);

/// Each document is refused for the reason given.
fn all_refused(kind: &str, cases: &[Case]) {
    for (spec, path, words) in cases {
        match networking(kind, spec) {
            Ok(parsed) => panic!("accepted: {spec}\n{parsed:#?}"),
            Err(issues) => assert_said(&issues, spec, path, words),
        }
    }
}

/// Each document is accepted with the remark given.
fn all_remarked(kind: &str, cases: &[Case]) {
    for (spec, path, words) in cases {
        assert_said(&good(kind, spec).warnings, spec, path, words);
    }
}

fn assert_said(issues: &[Issue], spec: &str, path: &str, words: &str) {
    let found = issues.iter().any(|i| i.path.as_str() == path && i.reason.contains(words));
    assert!(found, "nothing about {path}: {words}\n{spec}\n{}", lines(issues));
    assert!(issues.iter().all(|i| !i.way_out.is_empty() && !i.reason.ends_with('.')), "{}", lines(issues));
}

fn lines(issues: &[Issue]) -> String {
    issues.iter().map(|i| format!("{i}\n")).collect()
}

macro_rules! unwrap {
    ($kind:ident, $spec:expr) => {
        match $crate::parse::tests::good(stringify!($kind), $spec).config {
            $crate::config::Config::$kind(object) => object.spec.clone(),
            other => panic!("{other:#?}"),
        }
    };
}
use unwrap;

#[test]
fn what_has_no_effect_says_so() {
    let filter = parse(&object("networking", "EnvoyFilter", "{configPatches: []}"), &ParseContext::default()).unwrap();
    assert!(matches!(filter.config, Config::Inert(_)));
    assert_said(&filter.warnings, "EnvoyFilter", "spec", "no effect");
    assert_eq!(filter.without_effect, ["spec".into()]);
    let plugin = parse(&object("extensions", "WasmPlugin", "{url: \"oci://a/b\"}"), &ParseContext::default()).unwrap();
    assert_eq!(plugin.without_effect, ["spec".into()]);
}

#[test]
fn policies_that_would_not_be_enforced_are_refused() {
    let strict = "{mtls: {mode: STRICT}}";
    let strict_port = "{selector: {matchLabels: {app: a}}, portLevelMtls: {8080: {mode: STRICT}}}";
    for (kind, spec, path) in [
        ("AuthorizationPolicy", "{}", "spec"),
        ("RequestAuthentication", "{}", "spec"),
        ("PeerAuthentication", strict, "spec.mtls.mode"),
        ("PeerAuthentication", strict_port, "spec.portLevelMtls[8080].mode"),
    ] {
        let issues = parse(&object("security", kind, spec), &ParseContext::default()).unwrap_err();
        assert_said(&issues, kind, path, "does not enforce policies yet");
    }
}

#[test]
fn peer_authentication() {
    let read = |spec| parse(&object("security", "PeerAuthentication", spec), &ParseContext::default());
    let Config::PeerAuthentication(pa) = read("{mtls: {mode: PERMISSIVE}}").unwrap().config else { panic!() };
    assert_eq!(pa.spec.mtls, Some(crate::config::MtlsMode::Permissive));
    let issues = read("{portLevelMtls: {80: {mode: DISABLE}}}").unwrap_err();
    assert_said(&issues, "", "spec.portLevelMtls", "none are selected");
    let issues = read("{selector: {matchLabels: {a: b}}, portLevelMtls: {0: {mode: DISABLE}}}").unwrap_err();
    assert_said(&issues, "", "spec.portLevelMtls[0]", "not a port");
}

#[test]
fn telemetry() {
    let read = |spec| parse(&object("telemetry", "Telemetry", spec), &ParseContext::default());
    let parsed = read("{accessLogging: [{providers: [{name: envoy}]}]}").unwrap();
    assert_eq!(parsed.without_effect, ["spec.accessLogging".into()]);
    let aimed = read("{targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: a}]}").unwrap();
    assert!(matches!(aimed.config, Config::Inert(_)), "must not act on sidecars");
    for (spec, path, words) in [
        ("{accessLogging: [{providers: [{}]}]}", "spec.accessLogging[0].providers[0].name", "no name"),
        (
            "{tracing: [{randomSamplingPercentage: 200}]}",
            "spec.tracing[0].randomSamplingPercentage",
            "between 0 and 100",
        ),
        (
            "{metrics: [{overrides: [{tagOverrides: {a: {}}}]}]}",
            "spec.metrics[0].overrides[0].tagOverrides[a].value",
            "gets no value",
        ),
        (
            "{selector: {matchLabels: {a: b}}, targetRefs: [{kind: Gateway, name: a}]}",
            "spec.selector",
            "both a selector and targetRefs",
        ),
    ] {
        assert_said(&read(spec).unwrap_err(), spec, path, words);
    }
}
