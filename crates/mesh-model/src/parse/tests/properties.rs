//! No document makes the reader panic, whatever it holds.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{ParseContext, object, parse};
use crate::parse::parse_mesh;

/// Names that the kinds know, so that random documents get past the first level.
const NAMES: &[&str] = &[
    "hosts",
    "http",
    "tls",
    "tcp",
    "match",
    "route",
    "destination",
    "host",
    "port",
    "number",
    "weight",
    "uri",
    "prefix",
    "regex",
    "exact",
    "headers",
    "request",
    "set",
    "retries",
    "attempts",
    "retryOn",
    "fault",
    "delay",
    "abort",
    "percentage",
    "value",
    "fixedDelay",
    "subsets",
    "name",
    "labels",
    "trafficPolicy",
    "loadBalancer",
    "consistentHash",
    "maglev",
    "tableSize",
    "localityLbSetting",
    "distribute",
    "from",
    "to",
    "failover",
    "connectionPool",
    "servers",
    "protocol",
    "mode",
    "endpoints",
    "address",
    "addresses",
    "ports",
    "resolution",
    "egress",
    "ingress",
    "defaultEndpoint",
    "bind",
    "exportTo",
    "gateways",
    "delegate",
    "redirect",
    "sniHosts",
    "mtls",
    "portLevelMtls",
    "template",
    "probe",
    "httpGet",
    "warmup",
    "aggression",
    "duration",
    "timeout",
    "corsPolicy",
    "allowOrigins",
];

const WORDS: &[&str] = &[
    "",
    "*",
    "a",
    "a.b",
    "*.b",
    "ns/a",
    "./*",
    "~/*",
    "1s",
    "0s",
    "10.0.0.0/8",
    "[::1]:80",
    ":80",
    "unix:///a",
    "HTTP",
    "STATIC",
    "DNS",
    "(",
    "a%b%",
    "%",
    "@request.auth.claims[a]",
    "a/b/*",
    "99999999999999999999h",
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2i64..70_000).prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        proptest::sample::select(WORDS).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    let name = || prop_oneof![8 => proptest::sample::select(NAMES).prop_map(str::to_owned), 1 => any::<String>()];
    leaf().prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((name(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

const KINDS: &[(&str, &str)] = &[
    ("networking", "VirtualService"),
    ("networking", "DestinationRule"),
    ("networking", "Gateway"),
    ("networking", "ServiceEntry"),
    ("networking", "Sidecar"),
    ("networking", "WorkloadEntry"),
    ("networking", "WorkloadGroup"),
    ("networking", "ProxyConfig"),
    ("networking", "EnvoyFilter"),
    ("security", "PeerAuthentication"),
    ("security", "AuthorizationPolicy"),
    ("telemetry", "Telemetry"),
    ("extensions", "WasmPlugin"),
];

proptest! {
    #[test]
    fn any_json_is_answered(json in document()) {
        drop(parse(&json, &ParseContext::default()));
        drop(parse_mesh(&json, &ParseContext::default()));
    }

    #[test]
    fn any_spec_is_answered((group, kind) in proptest::sample::select(KINDS), spec in document()) {
        let mut whole = object(group, kind, "{}");
        whole["spec"] = spec;
        if let Err(issues) = parse(&whole, &ParseContext::default()) {
            prop_assert!(!issues.is_empty());
            prop_assert!(issues.iter().all(|i| !i.path.as_str().is_empty()));
        }
    }
}
