//! Rules of `metadata`, the same for every kind but for the grammar of names.

use serde_json::{Value, json};

use super::{
    Kind,
    names::{self, Faults},
};
use crate::{object::Object, status::Cause};

/// The most bytes that all annotations of an object may have.
const ANNOTATIONS: usize = 256 * 1024;

/// What is wrong with an object's metadata.
pub fn validate(kind: &Kind, object: &Object, old: Option<&Object>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let meta = |member: &str| object.metadata().and_then(|m| m.get(member));
    // A name that is stored already was good when it came.
    if old.is_none() {
        causes.extend(name(kind, object));
    }
    if !kind.is_namespaced() && !object.namespace().is_empty() {
        causes.push(Cause::forbidden("metadata.namespace", "not allowed on this type"));
    }
    causes.extend(labels("metadata.labels", meta("labels")));
    causes.extend(annotations("metadata.annotations", meta("annotations")));
    for (i, finalizer) in object.finalizers().iter().enumerate() {
        let field = format!("metadata.finalizers[{i}]");
        let faults = names::qualified(finalizer);
        causes.extend(faults.into_iter().map(|fault| Cause::invalid(&field, &json!(finalizer), fault)));
        let standard = matches!(*finalizer, "kubernetes" | "orphan" | "foregroundDeletion");
        // Definitions and what they define have finalizers of one word too.
        let strict = kind.definition.is_none() && kind.group != "apiextensions.k8s.io";
        if !finalizer.contains('/') && !standard && strict {
            let rule = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(field, &json!(finalizer), rule));
        }
    }
    causes.extend(owners(object));
    causes
}

fn name(kind: &Kind, object: &Object) -> Vec<Cause> {
    let grammar = grammar(kind);
    let name = object.name();
    if !name.is_empty() {
        return faults("metadata.name", name, grammar(name));
    }
    let prefix = object.text("/metadata/generateName");
    if prefix.is_empty() {
        return vec![Cause::required("metadata.name", "name or generateName is required")];
    }
    // The letters that follow the prefix may stand after a dash.
    faults("metadata.generateName", prefix, grammar(&format!("{}a", prefix.trim_end_matches('-'))))
}

fn grammar(kind: &Kind) -> fn(&str) -> Faults {
    match (&*kind.group, &*kind.kind) {
        ("", "Namespace") => names::label,
        ("", "Service") => names::dns_1035,
        ("rbac.authorization.k8s.io", _) => names::path_segment,
        _ => names::subdomain,
    }
}

/// One cause a fault of one text.
pub fn faults(field: &str, text: &str, faults: Faults) -> Vec<Cause> {
    faults.into_iter().map(|fault| Cause::invalid(field, &json!(text), fault)).collect()
}

/// Rules of a map of labels at `field`.
pub fn labels(field: &str, labels: Option<&Value>) -> Vec<Cause> {
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    let each = labels.flat_map(|(key, value)| {
        let value = value.as_str().unwrap_or_default();
        let mut found = faults(field, key, names::qualified(key));
        found.extend(faults(field, value, names::label_value(value)));
        found
    });
    each.collect()
}

/// Rules of a map of annotations at `field`.
pub fn annotations(field: &str, annotations: Option<&Value>) -> Vec<Cause> {
    let Some(annotations) = annotations.and_then(Value::as_object) else { return Vec::new() };
    let keys = annotations.keys().flat_map(|key| faults(field, key, names::qualified(&key.to_lowercase())));
    let mut causes: Vec<Cause> = keys.collect();
    let size: usize = annotations.iter().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if size > ANNOTATIONS {
        causes.push(Cause::too_long(field, ANNOTATIONS as u64));
    }
    causes
}

fn owners(object: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |owner: &Value, key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rules = [("apiVersion", "version must not be empty"), ("kind", "must not be empty")];
    let rules = rules.into_iter().chain([("name", "must not be empty"), ("uid", "must not be empty")]);
    for (key, rule) in rules {
        let empty = object.owners().iter().filter(|owner| text(owner, key).is_empty());
        causes.extend(empty.map(|_| Cause::invalid(format!("metadata.ownerReferences.{key}"), &json!(""), rule)));
    }
    let controllers = object.owners().iter().filter(|o| o.get("controller") == Some(&Value::Bool(true)));
    let controllers: Vec<String> = controllers.map(|o| format!("{}/{}", text(o, "kind"), text(o, "name"))).collect();
    if let [first, second, ..] = controllers.as_slice() {
        let rule = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        causes.push(Cause::invalid("metadata.ownerReferences", &json!(object.owners()), rule));
    }
    causes
}

#[cfg(test)]
mod tests;
