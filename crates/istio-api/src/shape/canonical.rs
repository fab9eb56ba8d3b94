//! The forms that protobuf's JSON reads besides the one that it writes.
//!
//! <https://protobuf.dev/programming-guides/json/>

use serde_json::{Map, Number, Value};

use super::schema::NUMBERS;

pub(super) fn canonical(schema: &Value, json: &Value) -> Value {
    let expected = schema.get("type").and_then(Value::as_str);
    match (expected, json) {
        (Some("object"), Value::Object(fields)) => Value::Object(object(schema, fields)),
        (Some("array"), Value::Array(items)) => items.iter().map(|item| canonical(&schema["items"], item)).collect(),
        (Some("string"), Value::Number(number)) => name_of(schema, number).unwrap_or_else(|| json.clone()),
        (Some("integer"), Value::String(text)) => {
            text.parse::<i64>().map_or_else(|_| json.clone(), |n| Value::Number(n.into()))
        }
        (Some("integer"), Value::Number(number)) => whole(number).unwrap_or_else(|| json.clone()),
        (Some("number"), Value::String(text)) => {
            text.parse().ok().and_then(Number::from_f64).map_or_else(|| json.clone(), Value::Number)
        }
        _ => json.clone(),
    }
}

fn object(schema: &Value, fields: &Map<String, Value>) -> Map<String, Value> {
    let properties = schema.get("properties");
    let known = |name: &str| properties.and_then(|p| p.get(name));
    let mut out = Map::new();
    for (name, value) in fields {
        let other = camel_case(name);
        if let Some(property) = known(name) {
            out.insert(name.clone(), canonical(property, value));
        } else if let Some(property) = known(&other)
            && !fields.contains_key(&other)
        {
            out.insert(other, canonical(property, value));
        } else if let Some(values) = schema.get("additionalProperties") {
            out.insert(name.clone(), canonical(values, value));
        } else {
            out.insert(name.clone(), value.clone());
        }
    }
    out
}

/// The name of an enum's number.
fn name_of(schema: &Value, number: &Number) -> Option<Value> {
    let numbers = schema.get(NUMBERS)?.as_array()?;
    let place = numbers.iter().position(|n| n.as_i64() == number.as_i64())?;
    schema.get("enum")?.get(place).cloned()
}

/// `80.0` is the whole number 80.
fn whole(number: &Number) -> Option<Value> {
    let value = number.as_f64().filter(|_| number.is_f64())?;
    // Beyond 2^53 a float is no count any more.
    let exact = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
    exact.then(|| Value::Number((value as i64).into()))
}

/// protobuf's rule: an underscore goes, and the letter after it becomes upper case.
fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else {
            out.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    out
}
