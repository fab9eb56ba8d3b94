//! Who an object is.

use std::{collections::BTreeMap, sync::Arc};

use mesh_types::Labels;
use serde_json::Value;

use crate::{
    config::{Kind, Meta, ObjectRef},
    issue::{FieldPath, Issue, Severity},
};

/// Annotations that only the mesh itself may set; one of them (`webhook-always-reject`) exists for tests of webhooks.
const INTERNAL: &str = "internal.istio.io/";
/// Means something on an AuthorizationPolicy only.
const DRY_RUN: &str = "istio.io/dry-run";

/// The metadata of an object, as far as it can be read, and what is wrong with it. An object of no kind that the mesh
/// reads has [`Kind::MeshConfig`], which no object has.
pub(super) fn meta(json: &Value) -> (Meta, Vec<Issue>) {
    let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (api_version, word) = (text("/apiVersion"), text("/kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = Kind::find(group, word).filter(|k| *k != Kind::MeshConfig);
    let namespace = match text("/metadata/namespace") {
        _ if kind.is_some_and(Kind::is_of_the_cluster) => "",
        "" => "default",
        name => name,
    };
    let meta = Meta {
        kind: kind.unwrap_or(Kind::MeshConfig),
        name: text("/metadata/name").into(),
        namespace: namespace.into(),
        created: text("/metadata/creationTimestamp").parse().map_or(0, jiff::Timestamp::as_second),
        generation: json.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0),
        uid: text("/metadata/uid").to_owned(),
        labels: Labels(texts(json, "/metadata/labels")),
        annotations: texts(json, "/metadata/annotations"),
        derived: None,
    };
    let mut found = Vec::new();
    let mut say = |path: FieldPath, reason: String, way_out: &str| {
        let (object, way_out, severity) = (meta.object(), way_out.to_owned(), Severity::Error);
        found.push(Issue { object, path, reason, way_out, severity });
    };
    match kind {
        None => say(
            "kind".into(),
            format!("`{api_version}` `{word}` is no kind of the mesh"),
            "correct apiVersion and kind",
        ),
        Some(kind) if istio_api::kind_of(json).is_none() => {
            let way_out = format!("write {}/{}", kind.group(), kind.version());
            say("apiVersion".into(), format!("{word} has no version `{version}`"), &way_out);
        }
        Some(_) => {}
    }
    if meta.name.is_empty() {
        say("metadata.name".into(), "the object has no name".to_owned(), "give it one");
    }
    for key in meta.annotations.keys() {
        let path = || FieldPath::from("metadata.annotations").key(key);
        if key.starts_with(INTERNAL) {
            say(path(), format!("`{key}` is an annotation that only the mesh may set"), "remove it");
        } else if key == DRY_RUN && meta.kind != Kind::AuthorizationPolicy {
            say(path(), "only an AuthorizationPolicy can be tried dry".to_owned(), "remove the annotation");
        }
    }
    (meta, found)
}

/// The name under which issues of the mesh's settings are reported.
pub(super) fn mesh() -> Meta {
    let ObjectRef { kind, namespace, name } =
        ObjectRef { kind: Kind::MeshConfig, namespace: Arc::from("istio-system"), name: Arc::from("istio") };
    Meta {
        kind,
        namespace,
        name,
        created: 0,
        generation: 0,
        uid: String::new(),
        labels: Labels::default(),
        annotations: BTreeMap::new(),
        derived: None,
    }
}

fn texts(json: &Value, pointer: &str) -> BTreeMap<String, String> {
    let map = json.pointer(pointer).and_then(Value::as_object);
    let pairs = map.into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
