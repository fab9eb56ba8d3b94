//! Rules of definitions.

use std::collections::HashSet;

use regex::Regex;
use serde_json::{Value, json};

use crate::{
    kinds::{metadata::faults, names},
    object::Object,
    status::Cause,
};

/// What is wrong with a definition.
pub fn validate(definition: &Object, old: Option<&Object>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |pointer: &str| definition.text(pointer);
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    if text("/metadata/name") != format!("{plural}.{group}") {
        let rule = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &json!(text("/metadata/name")), rule));
    }
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if group.split('.').count() < 2 {
        causes.push(Cause::invalid("spec.group", &json!(group), "should be a domain with at least one dot"));
    } else {
        causes.extend(faults("spec.group", group, names::subdomain(group)));
    }
    match text("/spec/scope") {
        "Cluster" | "Namespaced" => {}
        "" => causes.push(Cause::required("spec.scope", "")),
        other => causes.push(Cause::not_supported("spec.scope", &json!(other), &["Cluster", "Namespaced"])),
    }
    for key in ["plural", "singular", "kind", "listKind"] {
        let (field, name) = (format!("spec.names.{key}"), text(&format!("/spec/names/{key}")));
        if name.is_empty() {
            causes.push(Cause::required(field, ""));
        } else {
            // Kinds are names too, but for their capitals.
            causes.extend(faults(&field, name, names::dns_1035(&name.to_lowercase())));
        }
    }
    if let Some(strategy) = definition.at("/spec/conversion/strategy").filter(|s| **s != "None") {
        causes.push(Cause::not_supported("spec.conversion.strategy", strategy, &["None"]));
    }
    if let Some(old) = old {
        for (field, pointer) in [("spec.scope", "/spec/scope"), ("spec.group", "/spec/group")] {
            if text(pointer) != old.text(pointer) {
                causes.push(Cause::invalid(field, &json!(text(pointer)), "field is immutable"));
            }
        }
    }
    causes.extend(versions(definition.at("/spec/versions")));
    causes
}

fn versions(list: Option<&Value>) -> Vec<Cause> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut causes = Vec::new();
    if list.is_empty() {
        causes.push(Cause::required("spec.versions", ""));
        return causes;
    }
    let mut seen = HashSet::new();
    for (i, version) in list.iter().enumerate() {
        let field = format!("spec.versions[{i}]");
        let name = version["name"].as_str().unwrap_or_default();
        causes.extend(faults(&format!("{field}.name"), name, names::dns_1035(name)));
        if !seen.insert(name) {
            causes.push(Cause::invalid("spec.versions", &json!(list), "must contain unique version names"));
        }
        let field = format!("{field}.schema.openAPIV3Schema");
        match version.pointer("/schema/openAPIV3Schema") {
            None => causes.push(Cause::required(field, "schemas are required")),
            Some(schema) => {
                if schema["type"] != "object" {
                    let rule = "must be object at the root";
                    causes.push(Cause::invalid(format!("{field}.type"), &schema["type"], rule));
                }
                structural(schema, &field, false, &mut causes);
            }
        }
    }
    if list.iter().filter(|v| v["storage"] == true).count() != 1 {
        let rule = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &json!(list), rule));
    }
    causes
}

/// The rules of structural schemas: every field has a type, values have one meaning, references are not used.
/// `logical` is true inside `allOf`, `anyOf`, `oneOf` and `not`, which may not say types or defaults.
fn structural(schema: &Value, field: &str, logical: bool, causes: &mut Vec<Cause>) {
    let Some(map) = schema.as_object() else { return };
    let flag = |key: &str| map.get(key) == Some(&Value::Bool(true));
    let types = ["array", "boolean", "integer", "number", "object", "string"];
    if let Some(given) = map.get("type").and_then(Value::as_str).filter(|t| !t.is_empty() && !types.contains(t)) {
        causes.push(Cause::not_supported(format!("{field}.type"), &json!(given), &types));
    }
    for key in ["$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id"] {
        if map.get(key).is_some_and(|v| !v.is_null()) {
            causes.push(Cause::forbidden(format!("{field}.{key}"), format!("{key} is not supported")));
        }
    }
    if map.contains_key("properties") && map.get("additionalProperties").is_some_and(|a| *a != false) {
        let rule = "additionalProperties and properties are mutual exclusive";
        causes.push(Cause::forbidden(format!("{field}.additionalProperties"), rule));
    }
    if flag("uniqueItems") {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(Cause::forbidden(format!("{field}.uniqueItems"), why));
    }
    if let Some(pattern) = map.get("pattern").and_then(Value::as_str)
        && let Err(error) = Regex::new(pattern)
    {
        let rule = format!("must be a valid regular expression, but isn't: {error}");
        causes.push(Cause::invalid(format!("{field}.pattern"), &json!(pattern), rule));
    }
    if map.get("type") == Some(&json!("array")) && !map.contains_key("items") && !logical {
        causes.push(Cause::required(format!("{field}.items"), "must be specified"));
    }
    let typeless = |schema: &Value| {
        let free = ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"];
        schema["type"].as_str().unwrap_or_default().is_empty() && free.iter().all(|key| schema[*key] != true)
    };
    let mut below = |schema: &Value, field: String, what: &str| {
        if !logical && typeless(schema) {
            let hint = format!("must not be empty for specified {what}");
            causes.push(Cause::required(format!("{field}.type"), hint));
        }
        structural(schema, &field, logical, causes);
    };
    for (key, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
        below(property, format!("{field}.properties[{key}]"), "object fields");
    }
    if let Some(items) = map.get("items").filter(|v| v.is_object()) {
        below(items, format!("{field}.items"), "array items");
    }
    if let Some(additional) = map.get("additionalProperties").filter(|v| v.is_object()) {
        below(additional, format!("{field}.additionalProperties"), "object fields");
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (i, branch) in map.get(key).and_then(Value::as_array).into_iter().flatten().enumerate() {
            structural(branch, &format!("{field}.{key}[{i}]"), true, causes);
        }
    }
    if let Some(not) = map.get("not") {
        structural(not, &format!("{field}.not"), true, causes);
    }
    if logical {
        for key in ["default", "additionalProperties", "nullable", "x-kubernetes-preserve-unknown-fields"] {
            if map.get(key).is_some_and(|v| *v != false) {
                causes.push(Cause::forbidden(format!("{field}.{key}"), "must be undefined to be structural"));
            }
        }
    }
}
