//! Strategic merge patch: a merge patch that knows which lists are keyed, with its directives.
//!
//! | directive | meaning |
//! |---|---|
//! | `$patch: replace \| delete \| merge` | in a map: take it whole, drop it, go on; in an item of a list: the same |
//! | `$retainKeys` | drop every other member of the map first |
//! | `$setElementOrder/LIST` | the order in which the patched items stand; without it, that of the patch |
//! | `$deleteFromPrimitiveList/LIST` | plain values to drop from a set |

use serde_json::{Map, Value};

use crate::{
    api::shapes::{ListRule, Shape},
    status::Status,
};

const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// `original` changed by `patch`; 400 for a patch that breaks the rules.
pub(in crate::api) fn merge(original: Value, patch: &Value, shape: Shape<'_>) -> Result<Value, Status> {
    let Value::Object(patch) = patch else {
        return Err(Status::bad_request("a strategic merge patch must be an object"));
    };
    let original = match original {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    Ok(merge_map(original, patch, shape)?.map_or(Value::Null, Value::Object))
}

/// None: the patch deletes the map.
fn merge_map(
    mut original: Map<String, Value>,
    patch: &Map<String, Value>,
    shape: Shape<'_>,
) -> Result<Option<Map<String, Value>>, Status> {
    match patch.get("$patch").map(|directive| directive.as_str().unwrap_or_default()) {
        None | Some("merge") => {}
        Some("replace") => {
            let kept = patch.iter().filter(|(key, _)| *key != "$patch");
            return Ok(Some(kept.map(|(key, value)| (key.clone(), without_directives(value))).collect()));
        }
        Some("delete") => return Ok(None),
        Some(other) => return Err(bad(&format!("unknown $patch type: {other}"))),
    }
    if let Some(retained) = patch.get("$retainKeys") {
        let keys = retained.as_array().ok_or_else(|| bad("$retainKeys must be a list"))?;
        original.retain(|key, _| keys.iter().any(|kept| kept == key));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix(DELETE) {
            let gone = value.as_array().ok_or_else(|| bad(&format!("{key} must be a list")))?;
            if let Some(values) = original.get_mut(list).and_then(Value::as_array_mut) {
                values.retain(|value| !gone.contains(value));
            }
        }
    }
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        let here = shape.member(key);
        match value {
            Value::Null => {
                original.remove(key);
            }
            Value::Object(value) => {
                let old = match original.remove(key) {
                    Some(Value::Object(map)) => map,
                    _ => Map::new(),
                };
                if let Some(merged) = merge_map(old, value, here)? {
                    original.insert(key.clone(), Value::Object(merged));
                }
            }
            Value::Array(items) => {
                let old = match original.remove(key) {
                    Some(Value::Array(list)) => list,
                    _ => Vec::new(),
                };
                let order = order_of(patch, key)?;
                original.insert(key.clone(), Value::Array(merge_list(old, items, order, here)?));
            }
            plain => {
                original.insert(key.clone(), plain.clone());
            }
        }
    }
    // An order without a list only sorts.
    for list in patch.keys().filter_map(|key| key.strip_prefix(ORDER)).filter(|list| !patch.contains_key(*list)) {
        if let Some(Value::Array(old)) = original.get_mut(list) {
            let (old, order) = (std::mem::take(old), order_of(patch, list)?);
            let sorted = merge_list(old, &[], order, shape.member(list))?;
            original.insert(list.to_owned(), Value::Array(sorted));
        }
    }
    Ok(Some(original))
}

fn order_of<'p>(patch: &'p Map<String, Value>, list: &str) -> Result<Option<&'p [Value]>, Status> {
    let Some(order) = patch.get(&format!("{ORDER}{list}")) else { return Ok(None) };
    order.as_array().map(|order| Some(order.as_slice())).ok_or_else(|| bad(&format!("{ORDER}{list} must be a list")))
}

fn merge_list(
    old: Vec<Value>,
    patch: &[Value],
    order: Option<&[Value]>,
    shape: Shape<'_>,
) -> Result<Vec<Value>, Status> {
    match shape.strategic_list() {
        ListRule::Atomic => Ok(patch.iter().map(without_directives).collect()),
        ListRule::Set => {
            let mut merged = old.clone();
            for value in patch {
                if !merged.contains(value) {
                    merged.push(value.clone());
                }
            }
            Ok(ordered(merged, &old, order.unwrap_or(patch), |value| Some(value)))
        }
        ListRule::Keyed(keys) => {
            let key = keys.first().map(String::as_str).unwrap_or_default();
            merge_keyed(old, patch, order, shape, key)
        }
    }
}

fn merge_keyed(
    old: Vec<Value>,
    patch: &[Value],
    order: Option<&[Value]>,
    shape: Shape<'_>,
    key: &str,
) -> Result<Vec<Value>, Status> {
    let directive = |item: &Value| item.get("$patch").and_then(Value::as_str).map(str::to_owned);
    let replaces = patch.iter().any(|item| directive(item).as_deref() == Some("replace"));
    let mut merged = if replaces { Vec::new() } else { old.clone() };
    for item in patch {
        let name = item.get(key);
        match (directive(item).as_deref(), name) {
            (Some("replace"), None) => {}
            (Some("delete"), Some(name)) => merged.retain(|present| present.get(key) != Some(name)),
            (_, None) => {
                return Err(bad(&format!("map: {item} does not contain declared merge key: {key}")));
            }
            (_, Some(name)) => {
                let Value::Object(item) = item else { return Err(bad("an item of a keyed list must be an object")) };
                let at = merged.iter().position(|present| present.get(key) == Some(name));
                let before = at.and_then(|at| merged[at].as_object().cloned()).unwrap_or_default();
                match (at, merge_map(before, item, shape.item())?) {
                    (Some(at), Some(map)) => merged[at] = Value::Object(map),
                    (None, Some(map)) => merged.push(Value::Object(map)),
                    (Some(at), None) => drop(merged.remove(at)),
                    (None, None) => {}
                }
            }
        }
    }
    Ok(ordered(merged, &old, order.unwrap_or(patch), |item| item.get(key)))
}

/// Sorts a merged list: the items that the patch names stand in its order, or in the one that it asks for; the others keep
/// their places among each other, each before the first of those that it preceded on the server. New items so come before the
/// others that stand behind.
fn ordered<'v>(
    merged: Vec<Value>,
    old: &'v [Value],
    order: &[Value],
    key: impl Fn(&Value) -> Option<&Value>,
) -> Vec<Value> {
    // The order lists whole values of a set, or maps that hold the key alone.
    let rank = |item: &Value| {
        let name = key(item);
        order.iter().position(|entry| name.is_some() && (key(entry) == name || Some(entry) == name))
    };
    let place = |item: &Value| old.iter().position(|before: &'v Value| key(before) == key(item));
    let (mut listed, others): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|item| rank(item).is_some());
    listed.sort_by_key(|item| rank(item));
    let (mut listed, mut others) = (listed.into_iter().peekable(), others.into_iter().peekable());
    let mut sorted = Vec::new();
    while let (Some(other), Some(next)) = (others.peek(), listed.peek()) {
        let precedes = place(other).zip(place(next)).is_some_and(|(other, next)| other < next);
        sorted.extend(if precedes { others.next() } else { listed.next() });
    }
    sorted.extend(listed);
    sorted.extend(others);
    sorted
}

/// A value that the patch brings whole, without the words that are meant for merging.
fn without_directives(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| !key.starts_with('$') && !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_directives(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_directives).collect()),
        plain => plain.clone(),
    }
}

fn bad(why: &str) -> Status {
    Status::bad_request(format!("invalid strategic merge patch: {why}"))
}

#[cfg(test)]
mod tests;
