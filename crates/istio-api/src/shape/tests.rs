use serde_json::json;

use super::*;
use crate::{
    MeshConfig, VirtualService,
    mesh::{AccessLogEncoding, AuthenticationPolicy, ProxyConfig},
};

fn findings(spec: Value) -> Vec<String> {
    VirtualService::shape().inspect(&spec, "spec").iter().map(ToString::to_string).collect()
}

#[test]
fn every_trouble_is_found_with_its_path() {
    let spec = json!({
        "hosts": "reviews",
        "http": [{
            "rout": [],
            "timeout": "5 seconds",
            "match": [{ "headers": { "end-user": { "exakt": "jason" } }, "port": -1 }],
            "route": [{ "destination": { "host": 7 }, "weight": "80" }, { "weight": 1.5 }, { "weight": 3_000_000_000_u64 }],
            "corsPolicy": { "unmatchedPreflights": "FOREWARD", "allowCredentials": "yes" },
        }],
    });
    assert_eq!(
        findings(spec),
        [
            "spec.hosts: expected a list, found a text",
            "spec.http[0].corsPolicy.allowCredentials: expected true or false, found a text",
            "spec.http[0].corsPolicy.unmatchedPreflights: `FOREWARD` is none of UNSPECIFIED, FORWARD, IGNORE",
            "spec.http[0].match[0].headers[end-user].exakt: unknown field",
            "spec.http[0].match[0].port: the number -1 does not fit",
            "spec.http[0].rout: unknown field",
            "spec.http[0].route[0].destination.host: expected a text (put it in quotes), found a number",
            "spec.http[0].route[0].weight: expected a whole number, found a text",
            "spec.http[0].route[1].weight: expected a whole number, found a fraction",
            "spec.http[0].route[2].weight: the number 3000000000 does not fit",
            "spec.http[0].timeout: `5 seconds` is not a duration: its unit is none of h, m, s, ms, us, ns; write for \
             example 5s, 250ms or 1m30s",
        ]
    );
}

#[test]
fn a_good_document_has_no_trouble() {
    let spec = json!({
        "hosts": ["reviews"],
        "gateways": null,
        "http": [{ "timeout": "0.5s", "mirror_percent": 50, "fault": { "delay": { "percentage": { "value": 10 } } } }],
    });
    assert_eq!(findings(spec), [""; 0]);
}

#[test]
fn read_brings_the_value_and_what_was_lost() {
    let read = VirtualService::read(&json!({ "hosts": ["a"], "export_to": ["."], "hostz": [] }), "spec").unwrap();
    assert_eq!(read.value.hosts, ["a"]);
    assert_eq!(read.value.export_to, ["."]);
    assert_eq!(read.unknown, ["spec.hostz"]);

    let wrong = VirtualService::read(&json!({ "http": [{ "retries": { "attempts": true } }] }), "spec").unwrap_err();
    assert_eq!(wrong[0].to_string(), "spec.http[0].retries.attempts: expected a whole number, found true or false");
}

#[test]
fn what_is_read_twice_under_two_names_is_refused() {
    let both = json!({ "http": [{ "mirrorPercent": 1, "mirror_percent": 2 }] });
    let wrong = VirtualService::read(&both, "spec").unwrap_err();
    assert!(wrong[0].to_string().starts_with("spec: duplicate field"), "{}", wrong[0]);
}

#[test]
fn mesh_settings_are_read_as_protobuf_reads_them() {
    let mesh = json!({
        "access_log_file": "/dev/stdout",
        "accessLogEncoding": 1,
        "proxyListenPort": "15001",
        "connectTimeout": "1m",
        "enableTracing": false,
        "meshMTLS": { "minProtocolVersion": "TLSV1_3" },
        "defaultConfig": {
            "controlPlaneAuthPolicy": 1000,
            "proxyMetadata": { "ISTIO_META_DNS_CAPTURE": "true" },
            "tracing": { "sampling": 100.0, "zipkin": { "address": "zipkin:9411" } },
        },
        "extensionProviders": [
            { "name": "log", "envoyFileAccessLog": { "path": "/dev/stdout", "logFormat": { "labels": { "a": { "b": 1 } } } } },
            { "name": "zip", "zipkin": { "service": "z", "port": 9411, "enable64bitTraceId": true } },
        ],
    });
    let Read { value, unknown } = MeshConfig::read(&mesh, "").unwrap();
    assert_eq!(unknown, [""; 0]);
    assert_eq!(value.access_log_file, "/dev/stdout");
    assert_eq!(value.access_log_encoding, AccessLogEncoding::Json);
    assert_eq!(value.proxy_listen_port, 15001);
    assert_eq!(value.connect_timeout.map(|t| t.get().as_secs()), Some(60));
    assert_eq!(value.enable_tracing, Some(false));
    assert!(value.mesh_mtls.is_some());
    assert!(value.extension_providers[1].zipkin.as_ref().unwrap().enable_64bit_trace_id);
    let config: ProxyConfig = value.default_config.unwrap();
    assert_eq!(config.control_plane_auth_policy, AuthenticationPolicy::Inherit);
    assert_eq!(config.tracing.unwrap().sampling, Some(100.0));
}

#[test]
fn enums_are_read_by_name_or_number_and_written_by_name() {
    let read = |json: Value| serde_json::from_value::<AccessLogEncoding>(json).map_err(|e| e.to_string());
    assert_eq!(read(json!("JSON")), Ok(AccessLogEncoding::Json));
    assert_eq!(read(json!(1)), Ok(AccessLogEncoding::Json));
    assert_eq!(read(json!("json")), Err("`json` is none of TEXT, JSON".to_owned()));
    assert_eq!(read(json!(7)), Err("7 is none of TEXT, JSON".to_owned()));
    assert_eq!(serde_json::to_value(AccessLogEncoding::Json).unwrap(), json!("JSON"));
}
