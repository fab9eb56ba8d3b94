//! From a derived JSON schema to one that Kubernetes takes as structural.
//!
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Marks that this crate's own checks read, and no cluster.
pub(super) const DURATION: &str = "x-lateen-duration";
pub(super) const NUMBERS: &str = "x-lateen-numbers";
/// On a map: the length of its values, which no attribute of a field can say.
const VALUE_LENGTH: &str = "x-lateen-value-length";
/// Kubernetes: what stands here is kept, known or not.
pub(super) const KEEP_UNKNOWN: &str = "x-kubernetes-preserve-unknown-fields";

/// Fields that upstream's definitions know under a second name.
const SECOND_NAMES: &[(&str, &str)] = &[("jwksUri", "jwks_uri"), ("mirrorPercent", "mirror_percent")];

/// The schema of a type, without references and without what Kubernetes refuses.
pub(super) fn structural<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.meta_schema = None;
        s.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    schema
}

/// Takes this crate's marks out.
pub(crate) fn without_marks(schema: &mut Value) {
    if let Value::Object(object) = schema {
        object.remove(DURATION);
        object.remove(NUMBERS);
    }
    each_child(schema, without_marks);
}

fn simplify(schema: &mut Value) {
    if *schema == Value::Bool(true) {
        *schema = json!({ KEEP_UNKNOWN: true });
    }
    let Value::Object(object) = schema else { return };
    object.remove("title");
    object.remove("default");
    drop_null(object);
    plain_numbers(object);
    if let Some(length) = object.remove(VALUE_LENGTH) {
        object["additionalProperties"]["maxLength"] = length;
    }
    // Free JSON under names: an object that keeps everything.
    if object.get("additionalProperties") == Some(&Value::Bool(true)) {
        object.remove("additionalProperties");
        object.insert(KEEP_UNKNOWN.to_owned(), Value::Bool(true));
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, second) in SECOND_NAMES {
            if let Some(property) = properties.get(*name).cloned() {
                properties.insert((*second).to_owned(), property);
            }
        }
    }
    each_child(schema, simplify);
}

/// "This or null" becomes "this": `null` says nothing in Istio's JSON.
fn drop_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(names)) = object.get_mut("enum") {
        names.retain(|n| !n.is_null());
    }
    // A schema that has alternatives of its own stands whole beside "null".
    if let Some(Value::Array(alternatives)) = object.get("anyOf")
        && let [Value::Object(this), null] = alternatives.as_slice()
        && null["type"] == "null"
    {
        let this = this.clone();
        object.remove("anyOf");
        object.extend(this);
    }
}

/// Kubernetes knows no unsigned formats; their limits say the same.
fn plain_numbers(object: &mut Map<String, Value>) {
    match object.get("format").and_then(Value::as_str) {
        Some("uint32") => {
            object.remove("format");
            object.entry("maximum").or_insert_with(|| u32::MAX.into());
        }
        Some("uint64") => {
            object.remove("format");
        }
        _ => {}
    }
}

fn each_child(schema: &mut Value, visit: fn(&mut Value)) {
    let Value::Object(object) = schema else { return };
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(visit);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = object.get_mut(key) {
            visit(child);
        }
    }
}
