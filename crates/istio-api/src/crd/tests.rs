//! Our definitions against those of Istio 1.25.1 and Gateway API v1.2.1, field by field, and Istio's samples through our
//! types.
//!
//! Their files are no part of this repository: `LATEEN_UPSTREAM` names the folder that holds `istio-1.25.1` and
//! `gateway-api`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::*;
use crate::{gateway_api, kind::kind_of, object::Object};

mod compare;

/// The folder, or nothing and a word about it.
fn upstream(part: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LATEEN_UPSTREAM").map(|f| PathBuf::from(f).join(part));
    if folder.is_none() {
        eprintln!("not run: LATEEN_UPSTREAM does not say where upstream's files are");
    }
    folder
}

/// The documents of a YAML file that are not empty.
fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let all: Vec<Value> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    all.into_iter().filter(|document| !document.is_null()).collect()
}

fn yaml_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            out.push(path);
        }
    }
}

#[test]
fn definitions_say_what_istios_say() {
    let Some(folder) = upstream("istio-1.25.1") else { return };
    same(&documents(&folder.join("crd-all.gen.yaml")), &all_crds());
}

#[test]
fn definitions_say_what_those_of_the_gateway_api_say() {
    let Some(folder) = upstream("gateway-api") else { return };
    let mut files = Vec::new();
    yaml_files(&folder, &mut files);
    let theirs: Vec<Value> = files.iter().flat_map(|file| documents(file)).collect();
    let standard = |d: &Value| d["metadata"]["annotations"]["gateway.networking.k8s.io/channel"] == "standard";
    let ours: Vec<Value> = gateway_api_crds().into_iter().filter(standard).collect();
    for upstream in &theirs {
        let mine = ours.iter().find(|d| d["metadata"]["name"] == upstream["metadata"]["name"]).unwrap();
        for (key, value) in upstream["metadata"]["annotations"].as_object().unwrap() {
            assert_eq!(mine["metadata"]["annotations"][key], *value, "{key}");
        }
    }
    same(&theirs, &ours);
}

fn same(theirs: &[Value], ours: &[Value]) {
    let name = |definition: &Value| definition["metadata"]["name"].as_str().unwrap().to_owned();
    let all = |definitions: &[Value]| definitions.iter().map(name).collect::<BTreeSet<_>>();
    assert_eq!(all(ours), all(theirs));

    let mut different = Vec::new();
    for upstream in theirs {
        let mine = ours.iter().find(|d| name(d) == name(upstream)).unwrap();
        different.extend(compare::definitions(upstream, mine));
    }
    assert!(different.is_empty(), "{} differences:\n{}", different.len(), different.join("\n"));
}

#[test]
fn istios_samples_are_read_without_loss() {
    let Some(folder) = upstream("istio-1.25.1") else { return };
    let mut files = Vec::new();
    yaml_files(&folder.join("samples"), &mut files);
    let mut read = 0;
    for file in &files {
        for document in documents(file) {
            if kind_of(&document).is_some() {
                round_trip(&document, &file.display().to_string());
                read += 1;
            }
        }
    }
    assert!(read >= 40, "only {read} of Istio's objects in {} files", files.len());
}

/// Reads an object in its kind's type, and writes it again.
fn round_trip(document: &Value, place: &str) {
    let info = kind_of(document).unwrap();
    assert_eq!(crate::unknown_fields(info, document), [""; 0], "{place}");
    macro_rules! as_kind {
        ($($kind:ident),*) => {
            match info.kind {
                _ if info.group == gateway_api::GROUP => gateway_api_kind(info.kind, document),
                $(stringify!($kind) => written::<crate::$kind>(document),)*
                other => panic!("{other} is not in this test's list"),
            }
        };
    }
    let written = as_kind!(
        AuthorizationPolicy,
        DestinationRule,
        EnvoyFilter,
        Gateway,
        PeerAuthentication,
        ProxyConfig,
        RequestAuthentication,
        ServiceEntry,
        Sidecar,
        Telemetry,
        VirtualService,
        WasmPlugin,
        WorkloadEntry,
        WorkloadGroup
    );
    assert_eq!(meaning(&written), meaning(document), "{place}");
}

fn written<K: Kind>(document: &Value) -> Value {
    let object: Object<K> = serde_json::from_value(document.clone()).unwrap();
    serde_json::to_value(object).unwrap()
}

fn gateway_api_kind(kind: &str, document: &Value) -> Value {
    match kind {
        "Gateway" => written::<gateway_api::Gateway>(document),
        "HTTPRoute" => written::<gateway_api::HttpRoute>(document),
        other => panic!("{other} is not in this test's list"),
    }
}

/// A document without what says nothing, with numbers and durations in one form.
fn meaning(json: &Value) -> Value {
    match json {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(name, value)| (name.clone(), meaning(value)));
            let said = |name: &str, value: &Value| name == "spec" || !says_nothing(value) && !is_default(name, value);
            kept.filter(|(name, value)| said(name, value)).collect()
        }
        Value::Array(items) => items.iter().map(meaning).collect(),
        Value::Number(number) => number.as_f64().map_or_else(|| json.clone(), Value::from),
        Value::String(text) => crate::Duration::parse(text).map_or_else(|_| json.clone(), |d| d.to_string().into()),
        other => other.clone(),
    }
}

/// What the Gateway API's definitions fill in.
fn is_default(name: &str, value: &Value) -> bool {
    [("from", "Same"), ("type", "PathPrefix")].iter().any(|(field, default)| *field == name && value == default)
}

/// protobuf writes no zeros.
fn says_nothing(json: &Value) -> bool {
    match json {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[test]
fn a_definition_has_what_kubernetes_asks_for() {
    for definition in all_crds().into_iter().chain(gateway_api_crds()) {
        let text = definition.to_string();
        assert!(!text.contains("$ref") && !text.contains("x-lateen") && !text.contains("$schema"), "{text}");
        let versions = definition["spec"]["versions"].as_array().unwrap();
        assert_eq!(versions.iter().filter(|v| v["storage"] == true).count(), 1, "{text}");
        structural(&versions[0]["schema"]["openAPIV3Schema"], &definition["metadata"]["name"].to_string());
    }
}

/// Every part has one type, unless it keeps everything or is a number or a text.
fn structural(schema: &Value, path: &str) {
    let free = schema["x-kubernetes-preserve-unknown-fields"] == true || schema["x-kubernetes-int-or-string"] == true;
    assert!(free || schema["type"].is_string(), "{path}: {schema}");
    assert!(!schema["description"].as_str().unwrap_or("-").is_empty(), "{path}");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        structural(property, &format!("{path}.{name}"));
    }
    for below in ["items", "additionalProperties"] {
        if !schema[below].is_null() {
            structural(&schema[below], &format!("{path}.{below}"));
        }
    }
}
