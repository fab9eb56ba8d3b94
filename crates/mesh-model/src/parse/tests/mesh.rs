use std::time::Duration;

use super::{ParseContext, assert_said, yaml};
use crate::{
    config::{MeshConfig, OutboundPolicyMode},
    parse::parse_mesh,
};

#[test]
fn an_empty_mesh_has_the_defaults_of_istio() {
    for empty in ["{}", "null"] {
        let parsed = parse_mesh(&yaml(empty), &ParseContext::default()).unwrap();
        assert_eq!(parsed.config, MeshConfig::default());
        assert_eq!(parsed.warnings, []);
    }
}

#[test]
fn what_is_set_wins() {
    let text = "
accessLogFile: /dev/stdout
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
connectTimeout: 3s
protocolDetectionTimeout: 0s
trustDomain: example.org
enableAutoMtls: false
defaultServiceExportTo: ['.']
extensionProviders: [{name: otel, opentelemetry: {service: a, port: 4317}}]
defaultConfig: {discoveryAddress: 'istiod.other.svc:15012', concurrency: 2, tracing: {sampling: 100}, proxyMetadata: {A: b}}
";
    let parsed = parse_mesh(&yaml(text), &ParseContext::default()).unwrap();
    assert_eq!(parsed.without_effect, ["extensionProviders".into(), "defaultConfig.tracing".into()]);
    let mesh = parsed.config;
    assert_eq!(mesh.outbound_policy, OutboundPolicyMode::RegistryOnly);
    assert_eq!((mesh.connect_timeout, mesh.trust_domain.as_str()), (Duration::from_secs(3), "example.org"));
    assert!(!mesh.enable_auto_mtls && !mesh.default_service_export_to.is_public());
    assert_eq!(mesh.extension_providers.last().map(String::as_str), Some("otel"));
    assert_eq!(mesh.default_config.discovery_address, "istiod.other.svc:15012");
    assert_eq!(mesh.default_config.status_port.get(), 15020);
    assert_eq!(mesh.default_config.tracing_sampling, crate::config::Percent::ALL);
}

#[test]
fn bad_settings_are_found_with_their_place() {
    for (text, path, words) in [
        ("{connectTimeout: 0s}", "connectTimeout", "too short"),
        ("{proxyListenPort: 70000}", "proxyListenPort", "not a port"),
        ("{proxyListenPort: -1}", "proxyListenPort", "not a port"),
        ("{defaultConfig: {concurrency: -1}}", "defaultConfig.concurrency", "no number of threads"),
        ("{defaultServiceExportTo: ['*', '.']}", "defaultServiceExportTo", "no room"),
        ("{accessLogEncoding: XML}", "accessLogEncoding", "XML"),
        ("{defaultHttpRetryPolicy: {attempts: -1}}", "defaultHttpRetryPolicy.attempts", "no number"),
    ] {
        assert_said(&parse_mesh(&yaml(text), &ParseContext::default()).unwrap_err(), text, path, words);
    }
    let parsed = parse_mesh(&yaml("{accesLogFile: a}"), &ParseContext::default()).unwrap();
    assert_said(&parsed.warnings, "", "accesLogFile", "unknown field");
}
