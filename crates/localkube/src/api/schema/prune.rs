//! Dropping what a schema does not know, and filling in what it has defaults for.

use serde_json::{Map, Value};

use super::{JsonType, Schema, builtin};

/// Drops unknown fields from an object of a built-in kind; their paths go to `unknown`.
pub(super) fn prune(schema: &Schema, value: &mut Value, unknown: &mut Vec<String>) {
    walk(schema, value, "", unknown);
}

/// The same for a custom kind, whose schema does not speak of `apiVersion`, `kind` and most of `metadata`.
pub(super) fn prune_custom(schema: &Schema, value: &mut Value, unknown: &mut Vec<String>) {
    embedded(schema, value, "", unknown);
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn walk(schema: &Schema, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    let schema = schema.resolved();
    if schema.embedded {
        return embedded(schema, value, path, unknown);
    }
    match value {
        Value::Object(map) => walk_map(schema, map, path, unknown),
        Value::Array(items) => {
            let Some(schema) = &schema.items else { return };
            for (i, item) in items.iter_mut().enumerate() {
                walk(schema, item, &format!("{path}[{i}]"), unknown);
            }
        }
        _ => {}
    }
}

fn walk_map(schema: &Schema, map: &mut Map<String, Value>, path: &str, unknown: &mut Vec<String>) {
    let keep = schema.preserve_unknown || schema.int_or_string;
    map.retain(|key, value| {
        if let Some(property) = schema.properties.get(key.as_str()).or(schema.additional.as_deref()) {
            walk(property, value, &join(path, key), unknown);
            return true;
        }
        if !keep {
            unknown.push(join(path, key));
        }
        keep
    });
}

/// An object with type and metadata of its own: the root of a custom kind, or one inside.
fn embedded(schema: &Schema, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    let Some(map) = value.as_object_mut() else { return };
    let mut own = Map::new();
    for key in ["apiVersion", "kind", "metadata"] {
        if let Some(value) = map.remove(key) {
            own.insert(key.to_owned(), value);
        }
    }
    if let (Some(metadata), Some(known)) = (own.get_mut("metadata"), builtin::definitions().metadata()) {
        walk(known, metadata, &join(path, "metadata"), unknown);
    }
    walk_map(schema, map, path, unknown);
    map.extend(own);
}

/// Drops nulls, which mean "absent" to a decoder of typed fields.
pub(super) fn drop_nulls(schema: &Schema, value: &mut Value) {
    let schema = schema.resolved();
    match value {
        Value::Object(map) => map.retain(|key, value| {
            let property = schema.properties.get(key.as_str()).or(schema.additional.as_deref());
            if let Some(property) = property {
                if value.is_null() && !property.resolved().preserve_unknown {
                    return false;
                }
                drop_nulls(property, value);
            }
            true
        }),
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                items.iter_mut().for_each(|item| drop_nulls(schema, item));
            }
        }
        _ => {}
    }
}

/// Fills in defaults where a field is absent, or null without being nullable.
pub(super) fn fill(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, property) in &schema.properties {
                if let Some(default) = &property.default {
                    let replace = map.get(&**key).is_none_or(|v| v.is_null() && !property.nullable);
                    if replace {
                        map.insert(key.to_string(), default.clone());
                    }
                }
                if let Some(value) = map.get_mut(&**key) {
                    fill(property, value);
                }
            }
            if let Some(schema) = &schema.additional {
                let others = map.iter_mut().filter(|(key, _)| !schema.properties.contains_key(key.as_str()));
                others.for_each(|(_, value)| fill_item(schema, value));
            }
        }
        Value::Array(items) if schema.json_type == Some(JsonType::Array) => {
            if let Some(schema) = &schema.items {
                items.iter_mut().for_each(|item| fill_item(schema, item));
            }
        }
        _ => {}
    }
}

fn fill_item(schema: &Schema, value: &mut Value) {
    if value.is_null()
        && !schema.nullable
        && let Some(default) = &schema.default
    {
        *value = default.clone();
    }
    fill(schema, value);
}
