//! Structural validation of custom objects, with Kubernetes' texts.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Number, Value};

use super::{JsonType, Rules, Schema, type_of};
use crate::status::Cause;

/// Everything in a custom object that breaks its schema.
pub(super) fn custom(schema: &Schema, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    walk(schema, value, "", &mut causes);
    causes
}

/// Texts that a built-in kind must have and that are absent or empty. Status is the controllers' and is left alone.
pub(super) fn required_texts(schema: &Schema, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let Some(map) = value.as_object() else { return causes };
    for (key, value) in map.iter().filter(|(key, _)| !matches!(key.as_str(), "status" | "metadata")) {
        if let Some(property) = schema.resolved().properties.get(key.as_str()) {
            texts_below(property, value, key, &mut causes);
        }
    }
    causes
}

fn texts_below(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let schema = schema.resolved();
    match value {
        Value::Object(map) => {
            for key in &schema.required {
                let Some(property) = schema.properties.get(key).map(Schema::resolved) else { continue };
                let is_text = property.json_type == Some(JsonType::String) && property.format.is_none();
                if is_text && map.get(&**key).and_then(Value::as_str).unwrap_or_default().is_empty() {
                    causes.push(Cause::required(format!("{path}.{key}"), ""));
                }
            }
            for (key, value) in map {
                match (schema.properties.get(key.as_str()), schema.additional.as_deref()) {
                    (Some(property), _) => texts_below(property, value, &format!("{path}.{key}"), causes),
                    (None, Some(other)) => texts_below(other, value, &format!("{path}[{key}]"), causes),
                    (None, None) => {}
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = &schema.items else { return };
            for (i, item) in items.iter().enumerate() {
                texts_below(schema, item, &format!("{path}[{i}]"), causes);
            }
        }
        _ => {}
    }
}

/// Pushes what is wrong with one value: the path is "" for the whole object.
fn walk(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if !type_holds(schema, value) {
        let wanted = schema.json_type.map_or("integer or string", JsonType::name);
        let found = type_of(value);
        causes.push(wrong_type(path, found, &format!("must be of type {wanted}: \"{found}\"")));
        return;
    }
    if value.is_null() {
        return;
    }
    match value {
        Value::Object(map) => {
            for key in schema.required.iter().filter(|key| !map.contains_key(&***key)) {
                causes.push(Cause::required(child(path, key), ""));
            }
            for (key, value) in map {
                // The root's and embedded objects' own metadata is checked by name elsewhere.
                if let Some(property) = schema.properties.get(key.as_str()).or(schema.additional.as_deref()) {
                    walk(property, value, &child(path, key), causes);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                for (i, item) in items.iter().enumerate() {
                    walk(schema, item, &format!("{path}[{i}]"), causes);
                }
            }
        }
        Value::String(text) => format_of_text(schema, text, path, causes),
        Value::Number(number) => format_of_number(schema, number, path, causes),
        _ => {}
    }
    if let Some(rules) = &schema.rules {
        bounds(rules, value, path, causes);
        combinations(rules, value, path, causes);
    }
}

fn type_holds(schema: &Schema, value: &Value) -> bool {
    if value.is_null() {
        // A schema without a type (a branch of a oneOf) says nothing about null.
        return schema.nullable || schema.preserve_unknown || (schema.json_type.is_none() && !schema.int_or_string);
    }
    if schema.int_or_string {
        return value.is_string() || JsonType::Integer.admits(value);
    }
    schema.json_type.is_none_or(|wanted| wanted.admits(value))
}

fn child(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn wrong_type(path: &str, found: &str, what: &str) -> Cause {
    let field = if path.is_empty() { "<nil>".to_owned() } else { path.to_owned() };
    let message = format!("Invalid value: \"{found}\": {path} in body {what}");
    Cause { reason: "FieldValueTypeInvalid", message, field }
}

fn in_body(path: &str, value: &Value, what: &str) -> Cause {
    Cause::invalid(path, value, format!("{path} in body {what}"))
}

fn format_of_text(schema: &Schema, text: &str, path: &str, causes: &mut Vec<Cause>) {
    let Some(format) = schema.format.as_deref() else { return };
    let good = match format {
        "date-time" => text.parse::<Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uuid" => text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
        "byte" => {
            use base64::{Engine, engine::general_purpose::STANDARD};
            STANDARD.decode(text).is_ok()
        }
        _ => true,
    };
    if !good {
        let message = format!("Invalid value: \"{text}\": {path} in body must be of type {format}: \"{text}\"");
        causes.push(Cause { reason: "FieldValueTypeInvalid", message, field: path.to_owned() });
    }
}

fn format_of_number(schema: &Schema, number: &Number, path: &str, causes: &mut Vec<Cause>) {
    let fits = |range: std::ops::RangeInclusive<i64>| number.as_i64().is_some_and(|n| range.contains(&n));
    let good = match schema.format.as_deref() {
        _ if number.is_f64() => true,
        Some("int32") => fits(i64::from(i32::MIN)..=i64::from(i32::MAX)),
        Some("int64") => number.as_i64().is_some(),
        _ => true,
    };
    if !good {
        let format = schema.format.as_deref().unwrap_or_default();
        causes.push(wrong_type(path, &number.to_string(), &format!("must be of type {format}: \"{number}\"")));
    }
}

fn bounds(rules: &Rules, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if let Some(values) = &rules.values
        && !values.contains(value)
    {
        let shown: Vec<String> =
            values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        causes.push(Cause::not_supported(path, value, &shown));
    }
    if let (Some(pattern), Value::String(text)) = (&rules.pattern, value)
        && !pattern.matches(text)
    {
        causes.push(in_body(path, value, &format!("should match '{}'", pattern.text)));
    }
    if let Value::Number(number) = value {
        number_bounds(rules, number, path, causes);
    }
    let (which, size, unit) = match value {
        Value::String(text) => (0, text.chars().count(), "chars long"),
        Value::Array(items) => (1, items.len(), "items"),
        Value::Object(map) => (2, map.len(), "properties"),
        _ => return,
    };
    let size = size as u64;
    if let Some(least) = rules.at_least[which].filter(|least| size < *least) {
        let (verb, shown) = if which == 0 { ("be", value.clone()) } else { ("have", size.into()) };
        causes.push(in_body(path, &shown, &format!("should {verb} at least {least} {unit}")));
    }
    if let Some(most) = rules.at_most[which].filter(|most| size > *most) {
        causes.push(match which {
            0 => Cause::too_long(path, most),
            _ => Cause {
                reason: "FieldValueTooMany",
                message: format!("Too many: {size}: must have at most {most} items"),
                field: path.to_owned(),
            },
        });
    }
    if let Value::Array(items) = value {
        uniqueness(rules, items, path, causes);
    }
}

fn number_bounds(rules: &Rules, number: &Number, path: &str, causes: &mut Vec<Cause>) {
    let (Some(n), value) = (number.as_f64(), Value::Number(number.clone())) else { return };
    let mut tell = |broken: bool, what: String| {
        if broken {
            causes.push(in_body(path, &value, &what));
        }
    };
    if let Some((bound, exclusive)) = &rules.minimum {
        let b = bound.as_f64().unwrap_or(f64::MIN);
        let what = if *exclusive { "should be greater than" } else { "should be greater than or equal to" };
        tell(n < b || (*exclusive && n <= b), format!("{what} {bound}"));
    }
    if let Some((bound, exclusive)) = &rules.maximum {
        let b = bound.as_f64().unwrap_or(f64::MAX);
        let what = if *exclusive { "should be less than" } else { "should be less than or equal to" };
        tell(n > b || (*exclusive && n >= b), format!("{what} {bound}"));
    }
    if let Some(of) = &rules.multiple_of {
        let quotient = n / of.as_f64().unwrap_or(1.0);
        tell(quotient.fract() != 0.0, format!("should be a multiple of {of}"));
    }
}

fn uniqueness(rules: &Rules, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    if rules.unique_items && items.iter().enumerate().any(|(i, item)| items[..i].contains(item)) {
        causes.push(in_body(path, &Value::Null, "shouldn't contain duplicates"));
    }
    let Some(keys) = &rules.unique_by else { return };
    let mut seen = HashSet::new();
    for (i, item) in items.iter().enumerate() {
        let shown = if keys.is_empty() {
            item.clone()
        } else {
            let picked = keys.iter().filter_map(|k| Some((k.to_string(), item.get(&**k)?.clone())));
            Value::Object(picked.collect())
        };
        if !seen.insert(shown.to_string()) {
            let message = format!("Duplicate value: {}", go_map(&shown));
            causes.push(Cause { reason: "FieldValueDuplicate", message, field: format!("{path}[{i}]") });
        }
    }
}

/// A map's keys as Go prints them: `map[string]interface {}{"name":"a"}`.
fn go_map(value: &Value) -> String {
    match value.as_object() {
        Some(map) => {
            let members: Vec<String> = map.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
            format!("map[string]interface {{}}{{{}}}", members.join(", "))
        }
        None => value.to_string(),
    }
}

fn combinations(rules: &Rules, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let attempt = |schema: &Schema| {
        let mut causes = Vec::new();
        walk(schema, value, path, &mut causes);
        causes
    };
    // Kubernetes tells these about the whole object, with the path in the text.
    let whole = |what: &str| Cause {
        reason: "FieldValueInvalid",
        message: format!("Invalid value: \"\": \"{path}\" {what}"),
        field: "<nil>".into(),
    };
    let best = |failures: Vec<Vec<Cause>>| failures.into_iter().min_by_key(Vec::len).unwrap_or_default();
    if !rules.any_of.is_empty() {
        let failures: Vec<Vec<Cause>> = rules.any_of.iter().map(attempt).collect();
        if failures.iter().all(|f| !f.is_empty()) {
            causes.push(whole("must validate at least one schema (anyOf)"));
            causes.extend(best(failures));
        }
    }
    if !rules.one_of.is_empty() {
        let failures: Vec<Vec<Cause>> = rules.one_of.iter().map(attempt).collect();
        match failures.iter().filter(|f| f.is_empty()).count() {
            1 => {}
            0 => {
                causes.push(whole("must validate one and only one schema (oneOf). Found none valid"));
                causes.extend(best(failures));
            }
            n => {
                let what = "must validate one and only one schema (oneOf). Found";
                causes.push(whole(&format!("{what} {n} valid alternatives")));
            }
        }
    }
    let failures: Vec<Vec<Cause>> = rules.all_of.iter().map(attempt).filter(|f| !f.is_empty()).collect();
    if !failures.is_empty() {
        let all = failures.len() == rules.all_of.len();
        let none = if all { ". None validated" } else { "" };
        causes.push(whole(&format!("must validate all the schemas (allOf){none}")));
        causes.extend(failures.into_iter().flatten());
    }
    if rules.not.as_ref().is_some_and(|schema| attempt(schema).is_empty()) {
        causes.push(whole("must not validate the schema (not)"));
    }
}
