//! OpenAPI v3: an index, and one document a group and version, made when asked for and not kept.
//!
//! `kubectl explain` reads the schemas; `kubectl apply` reads whether a kind's PATCH takes `fieldValidation`, to leave
//! validation to the server. Strategic merge patch is not among the patches told: kubectl then takes merge keys from
//! its own types, as these schemas have none.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    auth::review::VIRTUAL_KINDS,
    schema::builtin::{self, TOP_LEVEL},
};
use crate::kinds::{Kind, Served};

/// Answers `/openapi/v3` and below; None for any other path and for unknown groups.
pub fn respond(path: &str, served: &Served) -> Option<Value> {
    let rest = path.strip_prefix("/openapi/v3")?.trim_matches('/');
    if rest.is_empty() {
        return Some(index(served));
    }
    match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["api", version] => document(served, "", version),
        ["apis", group, version] if !group.is_empty() => document(served, group, version),
        _ => None,
    }
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn index(served: &Served) -> Value {
    let mut hashes: Map<String, Value> = Map::new();
    let stored =
        served.iter().map(|k| (&*k.group, &*k.version, k.definition.as_ref().map_or(0, |d| d.object.revision())));
    let virtuals = VIRTUAL_KINDS.iter().map(|k| (k.group, "v1", 0));
    for (group, version, revision) in stored.chain(virtuals) {
        let root = root(group, version);
        let before = hashes.get(&root).and_then(Value::as_str).unwrap_or_default();
        let digest = Sha256::digest(format!("{before} {group} {version} {revision}"));
        let hash: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        hashes.insert(root, hash.into());
    }
    let entries = hashes.into_iter().map(|(root, hash)| {
        let url = format!("/openapi/v3/{root}?hash={}", hash.as_str().unwrap_or_default());
        (root, json!({"serverRelativeURL": url}))
    });
    json!({"paths": entries.collect::<Map<String, Value>>()})
}

fn document(served: &Served, group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<&Kind> = served.iter().map(|k| &**k).filter(|k| k.group == group && k.version == version).collect();
    let virtuals: Vec<_> = VIRTUAL_KINDS.iter().filter(|k| k.group == group && version == "v1").collect();
    if kinds.is_empty() && virtuals.is_empty() {
        return None;
    }
    let mut schemas = builtin::json(|top| top.group == group && top.version == version || is_shared(top.kind));
    for schema in schemas.values_mut() {
        as_openapi(schema);
    }
    for top in TOP_LEVEL {
        if let Some(schema) = schemas.get_mut(&top.definition()) {
            schema["x-kubernetes-group-version-kind"] = json!([gvk(top.group, top.version, top.kind)]);
        }
    }
    let mut paths = Map::new();
    for kind in kinds {
        let name = definition_name(kind);
        if kind.definition.is_some() {
            schemas.insert(name.clone(), custom_schema(kind));
        }
        add_paths(&mut paths, kind, &name);
    }
    for kind in virtuals {
        let place = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
        let this = gvk(kind.group, "v1", kind.kind);
        let top = TOP_LEVEL.iter().find(|top| top.group == kind.group && top.kind == kind.kind)?;
        let path = format!("/apis/{}/v1/{place}{}", kind.group, kind.plural);
        paths.insert(path, json!({"post": operation("post", &this, &top.definition(), place)}));
    }
    Some(json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.33.0"},
        "paths": paths, "components": {"schemas": schemas},
    }))
}

/// Kinds that are bodies of subresources of other groups.
fn is_shared(kind: &str) -> bool {
    matches!(kind, "Scale" | "Eviction" | "TokenRequest")
}

fn gvk(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

/// The name of a kind's schema: the group backwards, the version, the kind.
fn definition_name(kind: &Kind) -> String {
    let built_in = |top: &&builtin::TopLevel| {
        kind.definition.is_none() && (top.group, top.version, top.kind) == (&*kind.group, &*kind.version, &*kind.kind)
    };
    TOP_LEVEL.iter().find(built_in).map_or_else(
        || {
            let group: Vec<&str> = kind.group.rsplit('.').collect();
            format!("{}.{}.{}", group.join("."), kind.version, kind.kind)
        },
        builtin::TopLevel::definition,
    )
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Brings a JSON Schema into OpenAPI 3.0's form: nothing may stand beside a `$ref`, and numbers that may be text say so.
fn as_openapi(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(as_openapi);
            if map.len() > 1
                && map.get("$ref").is_some_and(Value::is_string)
                && let Some(reference) = map.remove("$ref")
            {
                map.insert("allOf".into(), json!([{"$ref": reference}]));
            }
            if map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
                map.remove("x-kubernetes-int-or-string");
                map.insert("oneOf".into(), json!([{"type": "integer"}, {"type": "string"}]));
                map.insert("format".into(), "int-or-string".into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_openapi),
        _ => {}
    }
}

fn custom_schema(kind: &Kind) -> Value {
    let source = kind.version_definition().and_then(|v| v.pointer("/schema/openAPIV3Schema"));
    let mut schema = source.cloned().unwrap_or_else(|| json!({"type": "object"}));
    let own = [
        ("apiVersion", "The group and version of this object's schema.", json!({"type": "string"})),
        ("kind", "The kind of this object.", json!({"type": "string"})),
        ("metadata", "Standard object's metadata.", json!({"allOf": [reference(&builtin::object_meta())]})),
    ];
    for (key, description, mut property) in own {
        property["description"] = description.into();
        schema["properties"][key] = property;
    }
    schema["x-kubernetes-group-version-kind"] = json!([gvk(&kind.group, &kind.version, &kind.kind)]);
    schema
}

fn add_paths(paths: &mut Map<String, Value>, kind: &Kind, name: &str) {
    let this = gvk(&kind.group, &kind.version, &kind.kind);
    let place = if kind.is_namespaced() { "namespaces/{namespace}/" } else { "" };
    let root = format!("/{}", root(&kind.group, &kind.version));
    let all = |verbs: &[&str], name: &str, of: &Value, place: &str| -> Value {
        verbs.iter().map(|verb| ((*verb).to_owned(), operation(verb, of, name, place))).collect()
    };
    if kind.is_namespaced() {
        paths.insert(format!("{root}/{}", kind.plural), all(&["list"], name, &this, ""));
    }
    let collection = format!("{root}/{place}{}", kind.plural);
    paths.insert(collection.clone(), all(&["list", "post", "deletecollection"], name, &this, place));
    let item = format!("{collection}/{{name}}");
    let place = format!("{place}{{name}}");
    paths.insert(item.clone(), all(&["get", "put", "patch", "delete"], name, &this, &place));
    let sub = &["get", "put", "patch"];
    if kind.has_status {
        paths.insert(format!("{item}/status"), all(sub, name, &this, &place));
    }
    if kind.scale.is_some() {
        let scale = gvk("autoscaling", "v1", "Scale");
        paths.insert(format!("{item}/scale"), all(sub, "io.k8s.api.autoscaling.v1.Scale", &scale, &place));
    }
    for path in [&collection, &item, &format!("{root}/{}", kind.plural)] {
        rename_verbs(paths.get_mut(path));
    }
}

/// `list` and `deletecollection` are GET and DELETE of a collection.
fn rename_verbs(path: Option<&mut Value>) {
    let Some(operations) = path.and_then(Value::as_object_mut) else { return };
    for (verb, method) in [("list", "get"), ("deletecollection", "delete")] {
        if let Some(operation) = operations.remove(verb) {
            operations.insert(method.to_owned(), operation);
        }
    }
}

fn operation(verb: &str, of: &Value, name: &str, place: &str) -> Value {
    let in_path = ["namespace", "name"].into_iter().filter(|key| place.contains(&format!("{{{key}}}")));
    let in_path = in_path.map(
        |key| json!({"name": key, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}}),
    );
    let query: &[(&str, &str)] = match verb {
        "get" => &[("pretty", "string")],
        "list" => &[
            ("allowWatchBookmarks", "boolean"),
            ("continue", "string"),
            ("fieldSelector", "string"),
            ("labelSelector", "string"),
            ("limit", "integer"),
            ("resourceVersion", "string"),
            ("resourceVersionMatch", "string"),
            ("sendInitialEvents", "boolean"),
            ("timeoutSeconds", "integer"),
            ("watch", "boolean"),
        ],
        "delete" | "deletecollection" => {
            &[("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")]
        }
        "patch" => {
            &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")]
        }
        _ => &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")],
    };
    let query = query
        .iter()
        .map(|(key, kind)| json!({"name": key, "in": "query", "schema": {"type": kind, "uniqueItems": true}}));
    let shown = match verb {
        "list" => json!({"type": "object", "required": ["items"], "properties": {
            "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
            "items": {"type": "array", "items": reference(name)},
        }}),
        "delete" | "deletecollection" => json!({"type": "object"}),
        _ => reference(name),
    };
    let mut operation = json!({
        "x-kubernetes-action": verb, "x-kubernetes-group-version-kind": of,
        "parameters": in_path.chain(query).collect::<Vec<Value>>(),
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": shown}}}},
    });
    let body = match verb {
        "post" | "put" => json!({"application/json": {"schema": reference(name)}}),
        "patch" => ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"]
            .iter()
            .map(|media| ((*media).to_owned(), json!({"schema": {"type": "object"}})))
            .collect(),
        _ => return operation,
    };
    operation["requestBody"] = json!({"content": body, "required": true});
    operation
}

#[cfg(test)]
mod tests;
